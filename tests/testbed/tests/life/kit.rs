//! The command, and what it leaves on the machine.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use testbed::{Home, RUN};

/// There is one testbed on a machine: one test at a time, with none that runs. Nothing, and a word about `test`, when the tier
/// is not wanted: these tests would end a testbed that somebody works with.
pub(crate) fn alone(test: &str) -> Option<Alone> {
    static ONE: Mutex<()> = Mutex::new(());
    let tiers = std::env::var("TIDEGATE_TIERS").unwrap_or_default();
    if !tiers.split([' ', ',']).any(|tier| tier == "testbed") {
        let line = format!("left out: {test} (tier `testbed`; TIDEGATE_TIERS=testbed runs it)");
        let _ = writeln!(std::io::stderr(), "{line}");
        return None;
    }
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    succeed(&mut testbed(&["down"]));
    Some(Alone(guard))
}

/// The turn of one test. When it is over, no testbed runs.
pub(crate) struct Alone(#[expect(dead_code, reason = "it is held, not read")] MutexGuard<'static, ()>);

impl Drop for Alone {
    fn drop(&mut self) {
        // Where the test has failed already, that is what is to be told.
        let _ = testbed(&["down"]).status();
    }
}

/// The command with its arguments.
pub(crate) fn testbed(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.args(arguments);
    command
}

/// A start of parts with a program in the place of the app: what these tests start needs no image of it.
pub(crate) fn up(parts: &[&str]) -> Command {
    let mut command = testbed(&["up"]);
    command.args(parts).arg("--app").arg(Home::of_user().unwrap().program("pause"));
    command
}

pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", error(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command said that failed.
pub(crate) fn fail(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?} succeeded");
    error(&output)
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The ids of all processes on this machine that run a program of the testbed's.
pub(crate) fn processes() -> Vec<String> {
    let named = |pid: &Path| {
        let line = std::fs::read(pid.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let ours = line.contains(RUN) || line.contains("testbed hold");
        ours.then(|| format!("{} {line}", pid.display()))
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    all.filter_map(|pid| named(&pid)).collect()
}

/// Everything that a testbed leaves on the machine: nothing, once it is down.
pub(crate) fn left() -> Vec<String> {
    let home = Home::of_user().unwrap();
    let mut left = processes();
    let folders = [PathBuf::from(RUN), home.state(), PathBuf::from("/sys/class/net/tidegate0")];
    left.extend(folders.iter().filter(|path| path.exists()).map(|path| path.display().to_string()));
    let groups = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
    let groups = groups.chain([PathBuf::from("/sys/fs/cgroup")]);
    let groups = groups.map(|group| group.join("tidegate-testbed")).filter(|path| path.exists());
    left.extend(groups.map(|path| path.display().to_string()));
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    left.extend(mounts.lines().filter(|line| line.contains("tidegate-testbed")).map(str::to_owned));
    let routes = std::fs::read_to_string("/proc/net/route").unwrap();
    left.extend(routes.lines().filter(|line| line.contains("tidegate0")).map(str::to_owned));
    left
}

/// The lines of `testbed status`.
pub(crate) fn status() -> String {
    succeed(&mut testbed(&["status"]))
}
