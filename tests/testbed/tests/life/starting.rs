//! Starts.

use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::Duration;

use testbed::{Home, run};

use crate::kit::{alone, left, status, succeed, testbed, up};

#[test]
fn starting_twice_is_starting_once() {
    let Some(_alone) = alone("starting twice is starting once") else { return };
    succeed(&mut up(&["postgres", "nginx"]));
    let first = status();
    assert!(first.contains("postgres: runs") && first.contains("nginx: runs"), "{first}");
    succeed(&mut up(&["nginx", "postgres"]));
    assert_eq!(status(), first, "the second start changed something");
}

#[test]
fn a_start_that_is_killed_in_the_middle_is_taken_up_by_the_next() {
    let Some(_alone) = alone("a start that is killed in the middle is taken up by the next") else { return };
    // Before, while and after the namespaces are made and the host is wired to them, and in the middle of the parts.
    for after in [2, 10, 30, 60, 100, 150, 200, 300, 900] {
        succeed(&mut testbed(&["down"]));
        let mut first =
            up(&["control-plane", "nginx"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        first.kill().unwrap();
        first.wait().unwrap();
        succeed(&mut up(&["nginx"]));
        let nginx = testbed::address::bed(testbed::address::NGINX);
        let reached = TcpStream::connect_timeout(&nginx, Duration::from_secs(2));
        assert!(reached.is_ok(), "killed after {after} ms: the host does not reach nginx: {reached:?}");
    }
    succeed(&mut up(&["control-plane"]));
    assert!(status().contains("kube-apiserver: runs"));
}

#[test]
fn of_many_starts_at_once_each_finds_the_same_testbed() {
    let Some(_alone) = alone("of many starts at once each finds the same testbed") else { return };
    let starts: Vec<_> = (0..4).map(|_| up(&["nginx"]).stdout(Stdio::null()).spawn().unwrap()).collect();
    for mut start in starts {
        assert!(start.wait().unwrap().success());
    }
    let holders = crate::kit::processes().iter().filter(|line| line.contains(" unshare ")).count();
    assert_eq!(holders, 1);
}

#[test]
fn a_machine_that_lost_its_holder_is_made_anew_and_works() {
    let Some(_alone) = alone("a machine that lost its holder is made anew and works") else { return };
    succeed(&mut up(&["docker"]));
    succeed(&mut testbed(&["signal", "KILL", "docker"]));
    succeed(&mut up(&["docker"]));
    let machine = std::net::IpAddr::V4(testbed::address::DOCKER_HOST).to_string();
    // Its address answers: nobody listens there, which is an answer.
    let refused =
        TcpStream::connect_timeout(&format!("{machine}:9").parse().unwrap(), Duration::from_secs(2));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(status().contains("docker/dockerd: runs"));
}

#[test]
fn another_app_means_other_images_and_so_another_start() {
    let Some(_alone) = alone("another app means other images and so another start") else { return };
    succeed(&mut up(&["nginx"]));
    let first = crate::kit::processes();
    let mut other = testbed(&["up", "nginx", "--app", "/bin/true"]);
    let said = String::from_utf8_lossy(&other.output().unwrap().stderr).into_owned();
    assert!(said.contains("the app is another one than the images are made of: starting anew"), "{said}");
    assert_ne!(crate::kit::processes(), first);
}

#[test]
fn after_a_kill_of_the_holder_nothing_runs_and_a_start_works_again() {
    let Some(_alone) = alone("after a kill of the holder nothing runs and a start works again") else {
        return;
    };
    succeed(&mut up(&["postgres", "docker"]));
    let all = crate::kit::processes();
    let holder = all
        .iter()
        .find(|line| line.contains("testbed hold") && !line.contains("unshare") && !line.contains("tini"));
    let id = holder.unwrap().split(' ').next().unwrap().trim_start_matches("/proc/");
    succeed(std::process::Command::new("kill").args(["-9", id]));
    let gone = || crate::kit::processes().is_empty();
    for _ in 0..100 {
        if gone() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(gone(), "{:?}", crate::kit::processes());
    succeed(&mut up(&["postgres"]));
    assert!(status().contains("postgres: runs"));
}

#[test]
fn an_api_server_that_was_killed_comes_back_with_what_it_knew() {
    let Some(_alone) = alone("an api server that was killed comes back with what it knew") else { return };
    succeed(&mut up(&["control-plane"]));
    let kubectl = |arguments: &[&str]| {
        let mut kubectl = std::process::Command::new(Home::of_user().unwrap().program("kubectl"));
        succeed(kubectl.arg("--kubeconfig").arg(run("kubeconfig/admin")).args(arguments))
    };
    kubectl(&["create", "configmap", "kept", "--from-literal=a=b"]);
    succeed(&mut testbed(&["signal", "KILL", "kube-apiserver"]));
    succeed(&mut up(&["control-plane"]));
    assert_eq!(kubectl(&["get", "configmap", "kept", "-o", "jsonpath={.data.a}"]), "b");
}

#[test]
fn folders_with_spaces_in_their_names_are_no_hindrance() {
    let Some(_alone) = alone("folders with spaces in their names are no hindrance") else { return };
    let (home, folder) = (Home::of_user().unwrap(), tempfile::tempdir().unwrap());
    let spaced = folder.path().join("a folder, with spaces");
    std::fs::create_dir(&spaced).unwrap();
    for part in ["bin", "debian", "manifests", "docker", "npm"] {
        symlink(home.path().join(part), spaced.join(part)).unwrap();
    }
    let program = spaced.join("test bed");
    std::fs::copy(env!("CARGO_BIN_EXE_testbed"), &program).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.args(arguments).env("TIDEGATE_TESTBED", &spaced);
        command
    };
    succeed(command(&["up", "registry", "node1"]).arg("--app").arg(home.program("pause")));
    assert!(status().contains("node1/kubelet: runs"));
    succeed(&mut command(&["down"]));
    assert!(!spaced.join("state").exists());
    assert_eq!(left(), Vec::<String>::new());
}
