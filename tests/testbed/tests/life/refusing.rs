//! What cannot be done is said in one sentence.

use std::process::Command;

use testbed::{Home, run};

use crate::kit::{alone, fail, left, succeed, testbed, up};

const WITHOUT: &str = "without the testbed, `cargo test` runs the hermetic tier and `make test-local` the tier of local processes\n";

#[test]
fn one_who_is_not_root_is_refused_and_told_what_he_can_run() {
    let Some(_alone) = alone("one who is not root is refused and told what he can run") else { return };
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    // The program is copied to where nobody may read it.
    let folder = tempfile::Builder::new().prefix("tidegate-nobody").tempdir_in("/var/tmp").unwrap();
    let program = folder.path().join("testbed");
    std::fs::copy(env!("CARGO_BIN_EXE_testbed"), &program).unwrap();
    succeed(Command::new("chmod").args(["-R", "a+rx"]).arg(folder.path()));
    let said = fail(nobody.arg(&program).args(["up", "etcd", "--app", "/bin/true"]));
    let first = "testbed: the testbed needs root, for network namespaces and mounts; run it again as root; ";
    assert_eq!(said, format!("{first}{WITHOUT}"));
    assert_eq!(left(), Vec::<String>::new());
}

#[test]
fn what_is_not_installed_is_named_with_the_command_that_installs_it() {
    let Some(_alone) = alone("what is not installed is named with the command that installs it") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let said = fail(up(&["etcd"]).env("TIDEGATE_TESTBED", folder.path()));
    assert!(said.contains("bin/kube-apiserver is missing; run `make testbed-install`"), "{said}");
}

#[test]
fn the_installer_refuses_by_one_sentence_without_root_or_go() {
    let Some(_alone) = alone("the installer refuses by one sentence without root or go") else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");
    let text = std::fs::read_to_string(script).unwrap();
    let folder = tempfile::Builder::new().prefix("tidegate-installer").tempdir_in("/var/tmp").unwrap();
    let copy = folder.path().join("install.sh");
    std::fs::write(&copy, text).unwrap();
    succeed(Command::new("chmod").args(["-R", "a+rx"]).arg(folder.path()));
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", "bash"]);
    let said = fail(nobody.arg(&copy).arg("check").env("HOME", "/nonexistent"));
    assert!(said.starts_with("testbed: it needs root,") && said.ends_with(WITHOUT), "{said}");
    assert_eq!(said.lines().count(), 1);

    // A machine with everything else that the installer looks for.
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for tool in ["bash", "uname", "id", "dirname", "apt-get", "dpkg-deb"] {
        let path = succeed(Command::new("which").arg(tool));
        std::os::unix::fs::symlink(path.trim(), bin.join(tool)).unwrap();
    }
    let said = fail(Command::new("bash").arg(&copy).arg("check").env("PATH", &bin));
    assert!(
        said.starts_with("testbed: it needs `go`; install Go 1.26 or newer") && said.ends_with(WITHOUT),
        "{said}"
    );
}

#[test]
fn a_part_that_fails_shows_the_last_lines_of_its_log() {
    let Some(_alone) = alone("a part that fails shows the last lines of its log") else { return };
    succeed(&mut up(&["postgres"]));
    std::fs::create_dir_all(run("nginx")).unwrap();
    std::fs::write(run("nginx/broken.conf"), "servre {}\n").unwrap();
    let said = fail(&mut up(&["nginx"]));
    assert!(said.contains("nginx ended before it was ready: exit status: 1"), "{said}");
    assert!(
        said.contains("unknown directive \"servre\" in /run/tidegate-testbed/nginx/broken.conf:1"),
        "{said}"
    );
    // Once the cause is gone, the same command works.
    std::fs::remove_file(run("nginx/broken.conf")).unwrap();
    succeed(&mut up(&["nginx"]));
}

#[test]
fn wrong_names_are_answered_with_the_right_ones() {
    let Some(_alone) = alone("wrong names are answered with the right ones") else { return };
    let said = fail(&mut up(&["postgress"]));
    assert!(
        said.contains("there is no part \"postgress\"") && said.contains("postgres, mariadb, nginx, kwok"),
        "{said}"
    );
    let said = fail(&mut testbed(&["status"]));
    assert!(said.contains("no testbed runs here") && said.contains("`make testbed-up` starts one"), "{said}");
    succeed(&mut up(&["etcd"]));
    let said = fail(&mut testbed(&["cut", "node9"]));
    assert!(said.contains("no machine \"node9\"; there are node1, node2, node3 and docker"), "{said}");
    let said = fail(&mut testbed(&["signal", "HUP", "nginx"]));
    assert!(said.contains("no process \"nginx\" runs"), "{said}");
    assert!(Home::of_user().unwrap().path().exists());
}
