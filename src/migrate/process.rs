//! A program that is run to its end: what it says is heard, what is left of it is ended.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// How many lines of a program's output are kept.
const TAIL: usize = 20;
/// A longer line is cut.
const LINE: usize = 2000;
/// How long the rest of what it wrote is waited for, once it has ended.
const REST: Duration = Duration::from_millis(500);
/// Between the request to end and the forced end.
const GRACE: Duration = Duration::from_secs(5);

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// It ended with 0.
    pub(super) is_well: bool,
    /// How it ended, in words: `exit code 3`, `signal 9`, `no end within 30s`.
    pub(super) how: String,
    /// The last lines that it wrote.
    pub(super) tail: Vec<String>,
}

/// Why it is to end before its time.
pub(super) enum Stop {
    /// Its time is over.
    Late(Duration),
    /// The command was told to stop.
    Cancelled,
}

/// Runs the program in a folder, in a process group of its own, until it ends or `stop` says so.
pub(super) async fn run(
    command: &[String],
    folder: &Path,
    set_up: impl FnOnce(&mut Command),
    stop: impl Future<Output = Stop>,
) -> Result<Ended, String> {
    let (program, arguments) = command.split_first().ok_or_else(|| "no program is named".to_owned())?;
    let mut prepared = Command::new(program);
    prepared
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    set_up(&mut prepared);
    let mut child = prepared.spawn().map_err(|error| format!("{program} cannot be started: {error}"))?;
    let (tell, mut lines) = mpsc::channel(64);
    if let Some(output) = child.stdout.take() {
        tokio::spawn(pass_on(output, tell.clone()));
    }
    if let Some(output) = child.stderr.take() {
        tokio::spawn(pass_on(output, tell));
    }
    let mut tail = VecDeque::new();
    let mut stop = std::pin::pin!(stop);
    let (status, stopped) = loop {
        tokio::select! {
            status = child.wait() => break (status, None),
            Some(line) = lines.recv() => keep(&mut tail, line),
            why = &mut stop => {
                end(&mut child).await;
                break (child.wait().await, Some(why));
            }
        }
    };
    // What it wrote last may still be on the way; children that it left behind may hold the pipe open.
    let until = tokio::time::Instant::now() + REST;
    while let Ok(Some(line)) = tokio::time::timeout_at(until, lines.recv()).await {
        keep(&mut tail, line);
    }
    let status = status.map_err(|error| error.to_string())?;
    let how = match stopped {
        Some(Stop::Late(time)) => format!("no end within {time:?}"),
        Some(Stop::Cancelled) => "the command was told to stop".to_owned(),
        None => status.to_string().replace("exit status: ", "exit code "),
    };
    Ok(Ended { is_well: status.success() && how.starts_with("exit code"), how, tail: tail.into() })
}

fn keep(tail: &mut VecDeque<String>, line: String) {
    if tail.len() == TAIL {
        tail.pop_front();
    }
    tail.push_back(line);
}

async fn pass_on(output: impl AsyncRead + Unpin, tell: mpsc::Sender<String>) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line: String = String::from_utf8_lossy(&line).trim_end().chars().take(LINE).collect();
        if tell.send(line).await.is_err() {
            return;
        }
    }
}

/// Asks the group to end, then ends it.
async fn end(child: &mut Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    let Some(group) = group else { return };
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}
