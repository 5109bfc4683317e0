//! One child process, followed line by line to its end. It has a process group of its own: a signal to this process reaches it only
//! through here, and what does not stop is ended with all that it has started.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long a builder may take to stop. A runner kills everything 7.5 s after it has told a step to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Tells which signal this process got, if any.
pub type Stop = watch::Receiver<Option<i32>>;

/// A line of a child.
#[derive(Debug, Clone, Copy)]
pub(super) enum Line<'a> {
    /// On standard output.
    Out(&'a str),
    /// On standard error.
    Err(&'a str),
}

/// How a child ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// The signal that it was told to stop for.
    pub(super) signal: Option<i32>,
}

/// Runs a child to its end and gives every line of it away.
pub(super) async fn follow(
    mut command: Command,
    stop: &Stop,
    take: &mut (dyn FnMut(Line<'_>) + Send),
) -> io::Result<Ended> {
    command.process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let (mut out, mut err) = (Lines::new(child.stdout.take()), Lines::new(child.stderr.take()));
    let mut stop = stop.clone();
    let (mut signal, mut end) = (None, Instant::now());
    loop {
        tokio::select! {
            line = out.next(), if out.is_open() => if let Some(line) = line { take(Line::Out(&line)) },
            line = err.next(), if err.is_open() => if let Some(line) = line { take(Line::Err(&line)) },
            status = child.wait(), if !out.is_open() && !err.is_open() => return Ok(Ended { status: status?, signal }),
            told = told(&mut stop), if signal.is_none() => {
                signal = Some(told);
                end = Instant::now() + GRACE;
                tell(group, if told == Signal::INT.as_raw() { Signal::INT } else { Signal::TERM });
            }
            () = sleep_until(end), if signal.is_some() => {
                tell(group, Signal::KILL);
                // What is dead writes nothing more; what holds its pipes otherwise is not waited for.
                return Ok(Ended { status: child.wait().await?, signal });
            }
        }
    }
}

fn tell(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // It may have ended by itself.
        let _ = kill_process_group(group, signal);
    }
}

/// Waits for a signal to this process.
async fn told(stop: &mut Stop) -> i32 {
    match stop.wait_for(Option::is_some).await.map(|told| *told) {
        Ok(Some(signal)) => signal,
        // Nobody can tell any more.
        _ => std::future::pending().await,
    }
}

/// Lines of a pipe; bytes that are no text are replaced.
struct Lines<R> {
    from: Option<BufReader<R>>,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(from: Option<R>) -> Self {
        Self { from: from.map(BufReader::new), line: Vec::new() }
    }

    const fn is_open(&self) -> bool {
        self.from.is_some()
    }

    /// The next line; none at the end, and then it is closed. A call that is given up loses nothing.
    async fn next(&mut self) -> Option<String> {
        let from = self.from.as_mut()?;
        let read = from.read_until(b'\n', &mut self.line).await;
        if !matches!(read, Ok(1..)) {
            self.from = None;
        }
        let line = std::mem::take(&mut self.line);
        (!line.is_empty()).then(|| String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a script to its end; at the line `ready` this process is told to stop.
    async fn run(script: &str) -> (Ended, Vec<String>) {
        let (tell, stop) = watch::channel(None);
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let ended = follow(command, &stop, &mut |line| {
            lines.push(match line {
                Line::Out("ready") => {
                    tell.send_replace(Some(15));
                    "ready".to_owned()
                }
                Line::Out(line) => format!("out {line}"),
                Line::Err(line) => format!("err {line}"),
            });
        })
        .await
        .unwrap();
        lines.sort();
        (ended, lines)
    }

    #[tokio::test]
    async fn every_line_is_given_even_without_an_end() {
        let (ended, lines) = run("echo a; printf 'b' >&2; printf '\\377\\n'; exit 3").await;
        assert_eq!((ended.status.code(), ended.signal), (Some(3), None));
        assert_eq!(lines, ["err b", "out a", "out \u{fffd}"]);
    }

    #[tokio::test]
    async fn a_signal_is_handed_on_and_what_does_not_listen_is_ended_with_its_children() {
        let listens = "trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
        let (ended, lines) = run(listens).await;
        assert_eq!(ended.signal, Some(15));
        assert!(lines.contains(&"out told".to_owned()), "{lines:?}");
        let began = Instant::now();
        let deaf =
            "trap '' TERM INT; (while :; do sleep 0.1; done) & echo ready; while :; do sleep 0.1; done";
        let (ended, _) = run(deaf).await;
        assert_eq!((ended.signal, ended.status.code()), (Some(15), None));
        assert!(began.elapsed() < GRACE * 3);
    }
}
