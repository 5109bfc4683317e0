//! A program that is run to its end: what it says is heard, what is left of it is ended.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// How many lines of a program's output are kept.
const TAIL: usize = 20;
/// A longer line is cut, in bytes.
const LINE: usize = 2000;
/// How long the rest of what it wrote is waited for, once it has ended.
const REST: Duration = Duration::from_millis(500);
/// Between the request to end and the forced end.
const GRACE: Duration = Duration::from_secs(5);

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// It ended by itself, with 0.
    pub is_well: bool,
    /// Its exit code, where it ended by itself and was not killed.
    pub code: Option<i32>,
    /// It did not end by itself.
    pub is_stopped: bool,
    /// How it ended, in words: `exit code 3`, `signal 9`, `no end within 30s`.
    pub how: String,
    /// The last lines that it wrote.
    pub tail: Vec<String>,
    /// The last line on its standard output in which anything stands.
    pub last: Option<String>,
}

/// Why it is to end before its time.
pub enum Stop {
    /// Its time is over.
    Late(Duration),
    /// The command was told to stop.
    Cancelled,
}

/// Runs the program in a folder, in a process group of its own, until it ends or `stop` says so. Where this is dropped before, nothing
/// of the group is left.
///
/// # Errors
/// When it cannot be started: one sentence.
pub async fn run(
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
    let mut group = Group::of(&child);
    let (tell, mut lines) = mpsc::channel(64);
    if let Some(output) = child.stdout.take() {
        tokio::spawn(pass_on(output, tell.clone(), true));
    }
    if let Some(output) = child.stderr.take() {
        tokio::spawn(pass_on(output, tell, false));
    }
    let (mut tail, mut last) = (VecDeque::new(), None);
    let mut stop = std::pin::pin!(stop);
    let (status, stopped) = loop {
        tokio::select! {
            status = child.wait() => break (status, None),
            Some(line) = lines.recv() => keep(&mut tail, &mut last, line),
            why = &mut stop => {
                group.end(&mut child).await;
                break (child.wait().await, Some(why));
            }
        }
    };
    // What it wrote last may still be on the way; children that it left behind may hold the pipe open.
    let until = tokio::time::Instant::now() + REST;
    while let Ok(Some(line)) = tokio::time::timeout_at(until, lines.recv()).await {
        keep(&mut tail, &mut last, line);
    }
    let status = status.map_err(|error| error.to_string())?;
    let is_stopped = stopped.is_some();
    // Of what was stopped nothing is left, whatever it did not hear.
    if !is_stopped {
        group.forget();
    }
    let how = match stopped {
        Some(Stop::Late(time)) => format!("no end within {time:?}"),
        Some(Stop::Cancelled) => "the command was told to stop".to_owned(),
        None => status.to_string().replace("exit status: ", "exit code "),
    };
    let code = status.code().filter(|_| !is_stopped);
    Ok(Ended { is_well: code == Some(0), code, is_stopped, how, tail: tail.into(), last })
}

fn keep(tail: &mut VecDeque<String>, last: &mut Option<String>, (line, is_out): (String, bool)) {
    if is_out && !line.trim().is_empty() {
        *last = Some(line.clone());
    }
    if tail.len() == TAIL {
        tail.pop_front();
    }
    tail.push_back(line);
}

/// Tells the lines of an output as they come. No line is held longer than it is told.
async fn pass_on(mut output: impl AsyncRead + Unpin, tell: mpsc::Sender<(String, bool)>, is_out: bool) {
    let (mut buffer, mut line) = (vec![0; 8192], Vec::new());
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        for part in buffer[..length].split_inclusive(|byte| *byte == b'\n') {
            let room = LINE.saturating_sub(line.len());
            line.extend_from_slice(part.get(..room).unwrap_or(part));
            if part.ends_with(b"\n") && tell.send((text(&mut line), is_out)).await.is_err() {
                return;
            }
        }
    }
    if !line.is_empty() {
        let _ = tell.send((text(&mut line), is_out)).await;
    }
}

fn text(line: &mut Vec<u8>) -> String {
    String::from_utf8_lossy(&std::mem::take(line)).trim_end().to_owned()
}

/// The process group of a program: what is left of it when this is dropped is killed.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self(id)
    }

    /// Asks it to end, then ends it.
    async fn end(&self, child: &mut Child) {
        let Some(group) = self.0 else { return };
        let _ = kill_process_group(group, Signal::TERM);
        if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Its program has ended by itself: what it left behind is its own affair.
    fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    async fn run_for(script: &str, time: Duration) -> Ended {
        let stop = async move {
            tokio::time::sleep(time).await;
            Stop::Late(time)
        };
        run(&shell(script), Path::new("/"), |_| {}, stop).await.unwrap()
    }

    #[tokio::test]
    async fn the_end_is_told_in_words_and_by_code() {
        let well = run_for("echo a; echo b >&2", Duration::from_secs(20)).await;
        assert!(well.is_well && well.code == Some(0) && well.tail.len() == 2, "{well:?}");
        let failed = run_for("printf 'no line end'; exit 3", Duration::from_secs(20)).await;
        assert_eq!((failed.code, failed.how.as_str()), (Some(3), "exit code 3"));
        assert_eq!(failed.tail, ["no line end"]);
        let late = run_for("sleep 30", Duration::from_millis(100)).await;
        assert_eq!((late.code, late.is_stopped, late.how.as_str()), (None, true, "no end within 100ms"));
        let none = run(&["/no/program".to_owned()], Path::new("/"), |_| {}, std::future::pending()).await;
        assert!(none.unwrap_err().starts_with("/no/program cannot be started: "));
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_cut_and_not_kept() {
        let ended =
            run_for("head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last", Duration::from_secs(20))
                .await;
        assert_eq!(ended.tail.iter().map(String::len).collect::<Vec<_>>(), [LINE, 4]);
    }

    #[tokio::test]
    async fn of_what_is_stopped_nothing_is_left_whatever_it_does_not_hear() {
        let script = "sh -c 'trap \"\" TERM; sleep 30' & echo $!; wait";
        let ended = run_for(script, Duration::from_millis(300)).await;
        assert!(ended.is_stopped, "{ended:?}");
        let id = ended.last.unwrap();
        let stat = || std::fs::read_to_string(format!("/proc/{id}/stat"));
        for _ in 0..500 {
            if stat().map_or(true, |stat| stat.contains(") Z")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it is still there: {:?}", stat());
    }

    #[tokio::test]
    async fn what_is_dropped_leaves_nothing_of_its_group() {
        let folder = std::env::temp_dir().join(format!("tidegate-program-{}", std::process::id()));
        let file = folder.join("id");
        std::fs::create_dir_all(&folder).unwrap();
        let script = "sleep 60 & echo $! > id.new && mv id.new id; wait";
        let command = shell(script);
        let mut work = Box::pin(run(&command, &folder, |_| {}, std::future::pending()));
        while !file.exists() {
            tokio::select! {
                ended = &mut work => panic!("{ended:?}"),
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        let id: u32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        drop(work);
        let stat = || std::fs::read_to_string(format!("/proc/{id}/stat"));
        for _ in 0..500 {
            if stat().map_or(true, |stat| stat.contains(") Z")) {
                std::fs::remove_dir_all(&folder).unwrap();
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the grandchild is still there: {:?}", stat());
    }
}
