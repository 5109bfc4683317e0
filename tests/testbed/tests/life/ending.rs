//! Ends.

use testbed::{Home, run};

use crate::kit::{alone, left, succeed, testbed, up};

#[test]
fn the_end_leaves_nothing_and_a_second_end_is_no_error() {
    let Some(_alone) = alone("the end leaves nothing and a second end is no error") else { return };
    assert_eq!(left(), Vec::<String>::new());
    succeed(&mut up(&["node1", "docker", "postgres"]));
    // Something in each of the two runtimes, so that there are pods, containers and control groups to be left behind.
    let home = Home::of_user().unwrap();
    let pause = format!("{}/pause:1", testbed::address::bed(testbed::address::REGISTRY));
    let mut pod = std::process::Command::new(home.program("kubectl"));
    pod.arg("--kubeconfig").arg(run("kubeconfig/admin"));
    succeed(pod.args(["run", "sleeper", "--restart=Never", "--image", &pause]));
    let mut wait = std::process::Command::new(home.program("kubectl"));
    wait.arg("--kubeconfig").arg(run("kubeconfig/admin"));
    succeed(wait.args(["wait", "--for=condition=Ready", "pod/sleeper", "--timeout=60s"]));
    let mut docker = std::process::Command::new(home.debian("usr/bin/docker"));
    docker.env("DOCKER_HOST", format!("unix://{}", run("docker.sock").display()));
    succeed(docker.env("DOCKER_CONFIG", home.docker_config()).args(["run", "-d", &pause]));
    assert!(left().len() > 10, "{:?}", left());

    succeed(&mut testbed(&["down"]));
    assert_eq!(left(), Vec::<String>::new());
    succeed(&mut testbed(&["down"]));
}

#[test]
fn the_parts_see_no_socket_of_the_user() {
    let Some(_alone) = alone("the parts see no socket of the user") else { return };
    let probe = tempfile::Builder::new().prefix("tidegate-probe").tempfile_in("/run").unwrap();
    succeed(&mut up(&["docker"]));
    let holder = crate::kit::processes();
    let holder =
        holder.iter().find(|line| line.contains("tini-static") && !line.contains("unshare")).unwrap();
    let id = holder.split(' ').next().unwrap().trim_start_matches("/proc/");
    let inside = |line: &str| {
        let mut look = std::process::Command::new("nsenter");
        succeed(look.args(["--target", id, "--mount", "--", "sh", "-c", line]))
    };
    assert_eq!(inside("ls /run | grep -c tidegate-probe || true").trim(), "0");
    assert!(probe.path().exists());
    // And what they write beneath /etc and /var is not the user's.
    inside("echo lost > /etc/tidegate-probe; echo lost > /var/tidegate-probe");
    assert!(!std::path::Path::new("/etc/tidegate-probe").exists());
    assert!(!std::path::Path::new("/var/tidegate-probe").exists());
}
