//! Processes, by what `/proc` tells of them.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::ms;

/// A process that names a directory in its arguments or its environment: the supervisor, its standby, the instances.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) pid: i32,
    pub(super) arguments: String,
}

/// All processes that name `directory`, other than this one.
pub(super) fn of(directory: &Path) -> Vec<Found> {
    let wanted = directory.as_os_str().as_encoded_bytes();
    let names = |bytes: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let others = pids.filter(|pid| u32::try_from(*pid).is_ok_and(|pid| pid != std::process::id()));
    let found = others.filter_map(|pid| {
        let read = |what: &str| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let arguments = read("cmdline");
        (alive(pid) && (names(&arguments) || names(&read("environ")))).then(|| {
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            Found { pid, arguments }
        })
    });
    found.collect()
}

/// Whether it runs; one that has ended and was not yet fetched by its parent does not.
pub(super) fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Kills it as a machine that runs out of memory does.
pub(super) fn kill(pid: i32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Ends everything that names `directory` at once, as a power cut does: all are stopped before the first is killed, so that
/// none sees another one die.
pub(super) async fn end_all(directory: &Path) {
    let mut stopped: Vec<i32> = Vec::new();
    loop {
        let new: Vec<i32> =
            of(directory).iter().map(|found| found.pid).filter(|pid| !stopped.contains(pid)).collect();
        if new.is_empty() {
            break;
        }
        new.iter().for_each(|pid| signal(*pid, Signal::STOP));
        stopped.extend(new);
    }
    stopped.iter().for_each(|pid| kill(*pid));
    for pid in stopped {
        gone(pid, Duration::from_secs(10)).await;
    }
}

/// Waits until it is gone.
pub(super) async fn gone(pid: i32, within: Duration) -> bool {
    let until = Instant::now() + within;
    while alive(pid) {
        if Instant::now() > until {
            return false;
        }
        tokio::time::sleep(ms(1)).await;
    }
    true
}
