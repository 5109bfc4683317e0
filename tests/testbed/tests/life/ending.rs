//! Ends.

use testbed::Home;

use crate::kit::{alone, left, succeed, testbed, up};

#[test]
fn the_end_leaves_nothing_and_a_second_end_is_no_error() {
    let Some(_alone) = alone("the end leaves nothing and a second end is no error") else { return };
    assert_eq!(left(), Vec::<String>::new());
    let remembered = || {
        let home = std::env::var("HOME").unwrap();
        let cache = std::path::PathBuf::from(home).join(".kube/cache/discovery/198.18.0.1_6443");
        [cache, "/var/lib/containers/cache".into()]
            .map(|path| std::fs::metadata(path).and_then(|data| data.modified()).ok())
    };
    let before = remembered();
    succeed(&mut up(&["node1", "docker", "postgres"]));
    // Something in each of the two runtimes, so that there are pods, containers and control groups to be left behind.
    let home = Home::of_user().unwrap();
    let pause = format!("{}/pause:1", testbed::address::bed(testbed::address::REGISTRY));
    let bed = testbed::Bed::at(home);
    succeed(bed.kubectl("admin").args(["run", "sleeper", "--restart=Never", "--image", &pause]));
    succeed(bed.kubectl("admin").args(["wait", "--for=condition=Ready", "pod/sleeper", "--timeout=60s"]));
    succeed(bed.docker().args(["run", "-d", &pause]));
    assert!(left().len() > 10, "{:?}", left());

    succeed(&mut testbed(&["down"]));
    assert_eq!(left(), Vec::<String>::new());
    assert_eq!(remembered(), before, "something of the cluster or of its images is remembered outside");
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

#[test]
fn nobody_but_root_reads_a_token_or_a_key() {
    let Some(_alone) = alone("nobody but root reads a token or a key") else { return };
    succeed(&mut up(&["control-plane"]));
    for file in ["kubeconfig/admin", "pki/tokens.csv", "pki/ca.crt", "control.sock"] {
        let mut nobody = std::process::Command::new("setpriv");
        nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", "ls"]).arg(testbed::run(file));
        let said = crate::kit::fail(&mut nobody);
        assert!(said.contains("Permission denied"), "{said}");
    }
}
