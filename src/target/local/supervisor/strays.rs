//! Processes of this environment that the state does not know: started in the instant before a supervisor was killed.

use std::fs;

use rustix::process::Signal;

use super::launch::{INSTANCE, MARK};
use crate::target::local::paths::Paths;
use crate::target::local::process::{ProcessId, signal_group};

/// Ends every process that leads a group, carries the mark of this environment, and comes from an instance whose name is not
/// among `known`. Their ports would else stay taken, and nobody would ever stop them. What a known instance started itself
/// has that instance's name, and is left alone.
pub(crate) fn end(paths: &Paths, known: &[String]) {
    let mark = format!("{MARK}={}", paths.root.display());
    let known: Vec<String> = known.iter().map(|key| format!("{INSTANCE}={key}")).collect();
    let Ok(entries) = fs::read_dir("/proc") else { return };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let Ok(signed) = i32::try_from(pid) else { continue };
        if !stray(pid, &mark, &known) {
            continue;
        }
        let leads = rustix::process::Pid::from_raw(signed)
            .and_then(|p| rustix::process::getpgid(Some(p)).ok())
            .is_some_and(|group| group.as_raw_pid() == signed);
        if let Some(id) = ProcessId::of(pid).filter(|id| leads && id.lives()) {
            tracing::warn!("process {pid} of this environment is in no record; ended");
            signal_group(&id, Signal::KILL);
        }
    }
}

fn stray(pid: u32, mark: &str, known: &[String]) -> bool {
    let Ok(all) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    let has = |line: &str| all.split(|b| *b == 0).any(|v| v == line.as_bytes());
    has(mark) && !known.iter().any(|line| has(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn only_marked_and_unknown_processes_are_ended() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        let start = |mark: &str, key: &str| {
            let mut command = Command::new("sleep");
            command.arg("20").env(MARK, mark).env(INSTANCE, key).process_group(0).spawn().unwrap()
        };
        let root = paths.root.display().to_string();
        let (mut stray, mut known, mut foreign) =
            (start(&root, "a-1.0"), start(&root, "b-1.0"), start("/x", "a-1.0"));
        end(&paths, &["b-1.0".to_owned()]);
        assert!(!stray.wait().unwrap().success());
        for child in [&mut known, &mut foreign] {
            assert!(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
