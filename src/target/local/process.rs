//! Processes told apart: a number alone is not an identity, since numbers are used again.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use tokio::io::unix::AsyncFd;
use tokio::process::Child;

/// Names one process for good: its number, when it was started, and in which run of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    /// The number; also the number of its group.
    pub(crate) pid: i32,
    /// Start in clock ticks since the machine started (proc(5), `stat`, field 22).
    pub(crate) start: u64,
    /// The run of the machine (random(4), `boot_id`).
    pub(crate) boot: String,
}

/// One line of `/proc/<pid>/stat`: state and start time.
fn stat(pid: i32) -> Option<(char, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(line: &str) -> Option<(char, u64)> {
    // The name stands in parentheses and may itself hold spaces and parentheses: what counts begins after the last one.
    let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|t| t.trim().to_owned()).unwrap_or_default()
}

impl ProcessId {
    /// The identity of a process that exists now.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        Some(Self { pid, start: stat(pid)?.1, boot: boot() })
    }

    /// Whether this very process still runs; one that ended and was not yet fetched by its parent does not.
    pub(crate) fn lives(&self) -> bool {
        stat(self.pid).is_some_and(|(state, start)| !matches!(state, 'Z' | 'X') && start == self.start)
            && boot() == self.boot
    }

    fn raw(&self) -> Option<Pid> {
        Pid::from_raw(self.pid)
    }
}

/// A process to be watched: a child, or one that a supervisor before this one started.
#[derive(Debug)]
pub(crate) struct Process {
    /// Which.
    pub(crate) id: ProcessId,
    handle: Handle,
}

#[derive(Debug)]
enum Handle {
    Child(Box<Child>),
    Adopted(AsyncFd<OwnedFd>),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Not known: it was not a child of this supervisor.
    Unknown,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(9) => f.write_str("was killed (signal 9; out of memory, or by hand)"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Unknown => f.write_str("exited"),
        }
    }
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unknown,
        }
    }
}

impl Process {
    /// A child that was just started, as leader of its own group.
    pub(crate) fn child(child: Child) -> io::Result<Self> {
        let pid = child.id().ok_or_else(|| io::Error::other("it has ended already"))?;
        let id = ProcessId::of(pid).ok_or_else(|| io::Error::other("/proc does not show it"))?;
        Ok(Self { id, handle: Handle::Child(Box::new(child)) })
    }

    /// A process that somebody else started; `None` when it is gone. Needs a tokio runtime.
    pub(crate) fn adopt(id: &ProcessId) -> Option<Self> {
        let fd = rustix::process::pidfd_open(id.raw()?, PidfdFlags::NONBLOCK).ok()?;
        // Looked at after the descriptor was taken: from here on the number cannot become somebody else's unseen.
        if !id.lives() {
            return None;
        }
        #[expect(
            deprecated,
            reason = "the sound replacement is `unsafe` to call; an `OwnedFd` keeps what it asks for"
        )]
        let fd = AsyncFd::with_interest(fd, tokio::io::Interest::READABLE).ok()?;
        Some(Self { id: id.clone(), handle: Handle::Adopted(fd) })
    }

    /// Waits for the end. May be dropped and called again.
    pub(crate) async fn ended(&mut self) -> Ending {
        match &mut self.handle {
            Handle::Child(child) => child.wait().await.map_or(Ending::Unknown, Ending::from),
            Handle::Adopted(fd) => {
                let _ = fd.readable().await;
                Ending::Unknown
            }
        }
    }

    /// Sends a signal to the process and all of its group.
    pub(crate) fn signal(&self, signal: Signal) {
        signal_group(&self.id, signal);
    }
}

/// Sends a signal to the group that `id` leads. Its number stays taken while anything is left of the group.
pub(crate) fn signal_group(id: &ProcessId, signal: Signal) {
    if let Some(pid) = id.raw() {
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

/// Which file is running: cheap to compare, and true even when the path now holds another file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
    size: u64,
    changed: i64,
}

impl FileId {
    /// The identity of the file at `path`.
    pub(crate) fn of(path: &std::path::Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        Ok(Self { device: meta.dev(), inode: meta.ino(), size: meta.size(), changed: meta.mtime() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_an_odd_name() {
        let line = "42 (a ) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 1 2 3";
        assert_eq!(parse_stat(line), Some(('S', 777)));
        assert_eq!(parse_stat("42 (short) S 1"), None);
    }

    #[test]
    fn another_start_time_is_another_process() {
        let me = ProcessId::of(std::process::id()).unwrap();
        assert!(me.lives());
        assert!(!ProcessId { start: me.start + 1, ..me.clone() }.lives());
        assert!(!ProcessId { boot: "another".into(), ..me }.lives());
    }

    #[tokio::test]
    async fn the_end_of_a_strangers_child_is_seen() {
        let mut child = tokio::process::Command::new("sleep").arg("0.05").process_group(0).spawn().unwrap();
        let id = ProcessId::of(child.id().unwrap()).unwrap();
        let mut adopted = Process::adopt(&id).unwrap();
        assert_eq!(adopted.ended().await, Ending::Unknown);
        assert!(!id.lives(), "a zombie does not live");
        assert!(Process::adopt(&id).is_none());
        child.wait().await.unwrap();
    }
}
