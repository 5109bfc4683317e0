//! The processes of the testbed: each has a name, a log, and is ended by its id.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::{BedError, home};

/// How much of a log is shown when its process failed.
const TAIL: usize = 20;
/// Between two looks at whether something is ready.
const LOOK: Duration = Duration::from_millis(100);
/// How long one look may take: what hangs is not ready.
const ONE_LOOK: Duration = Duration::from_secs(10);
/// How long a program may take that runs to its end.
const TO_THE_END: Duration = Duration::from_secs(180);
/// Where programs are looked for inside of the testbed.
const PATH: &str = "/run/tidegate-testbed/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All processes that the holder started.
#[derive(Debug, Default)]
pub(crate) struct Processes(Mutex<BTreeMap<String, Running>>);

#[derive(Debug)]
struct Running {
    pid: u32,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Processes {
    /// Starts `command` under `name`, unless a process of that name runs. Its output goes to the log of that name.
    pub(crate) fn run(&self, name: &str, mut command: Command) -> Result<(), BedError> {
        if self.pid(name).is_some() {
            return Ok(());
        }
        let log = log_file(name)?;
        let both = log.try_clone().map_err(|e| BedError::file("open", log_path(name), &e))?;
        command.stdin(Stdio::null()).stdout(log).stderr(both);
        let mut child = command
            .spawn()
            .map_err(|e| BedError::new(format!("cannot start {name} by {}: {e}", shown(&command))))?;
        let pid = child.id().ok_or_else(|| BedError::new(format!("{name} ended before it began")))?;
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            let status = child.wait().await.unwrap_or_default();
            tell.send_replace(Some(status));
        });
        self.all().insert(name.to_owned(), Running { pid, ended });
        Ok(())
    }

    /// The id of a process that runs, within the testbed's process namespace.
    pub(crate) fn pid(&self, name: &str) -> Option<u32> {
        self.all().get(name).filter(|running| running.ended.borrow().is_none()).map(|running| running.pid)
    }

    /// Sends a signal to a process that runs. After `KILL` it is waited for: who asks next finds it ended.
    pub(crate) async fn signal(&self, name: &str, signal: Signal) -> Result<(), BedError> {
        let none =
            || BedError::new(format!("no process {name:?} runs; `testbed status` lists those that do"));
        let pid = self.pid(name).and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).ok_or_else(none)?;
        let ended = self.all().get(name).map(|running| running.ended.clone());
        kill_process(pid, signal).map_err(|e| BedError::new(format!("cannot signal {name}: {e}")))?;
        if let (Signal::KILL, Some(mut ended)) = (signal, ended) {
            // It fails only when the one who tells is gone, and then the process is too.
            let _ = ended.wait_for(Option::is_some).await;
        }
        Ok(())
    }

    /// Ends every process whose name begins so.
    pub(crate) async fn end_all(&self, beginning: &str) -> Result<(), BedError> {
        let names: Vec<String> =
            self.all().keys().filter(|name| name.starts_with(beginning)).cloned().collect();
        for name in names.iter().filter(|name| self.pid(name).is_some()) {
            self.signal(name, Signal::KILL).await?;
        }
        Ok(())
    }

    /// A line for each process: its name, its id or how it ended.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(name, running): (&String, &Running)| match *running.ended.borrow() {
            None => format!("{name}: runs, process {} of the testbed", running.pid),
            Some(status) => format!("{name}: ended, {status}"),
        };
        self.all().iter().map(line).collect()
    }

    /// Waits until `probe` says yes. Fails as soon as the process of that name ends, or when `limit` has passed; with the last
    /// lines of its log.
    pub(crate) async fn until_ready<P, F>(
        &self,
        name: &str,
        limit: Duration,
        probe: P,
    ) -> Result<(), BedError>
    where
        P: Fn() -> F,
        F: Future<Output = bool>,
    {
        let end = Instant::now() + limit;
        loop {
            if timeout(ONE_LOOK, probe()).await == Ok(true) {
                return Ok(());
            }
            let ended = self.all().get(name).and_then(|running| *running.ended.borrow());
            let why = match ended {
                Some(status) => format!("{name} ended before it was ready: {status}"),
                None if Instant::now() >= end => format!("{name} was not ready within {} s", limit.as_secs()),
                None => {
                    sleep(LOOK).await;
                    continue;
                }
            };
            return Err(BedError { why, log: tail(&log_path(name)) });
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program of the testbed, with nothing of the caller's environment.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", PATH).env("HOME", home::run("home")).env("LANG", "C.UTF-8");
    command
}

/// Runs a program to its end; its output on success.
pub(crate) async fn finish(mut command: Command) -> Result<String, BedError> {
    let shown = shown(&command);
    let output = timeout(TO_THE_END, command.stdin(Stdio::null()).kill_on_drop(true).output()).await;
    let late = |_| BedError::new(format!("{shown} did not end within {} s", TO_THE_END.as_secs()));
    let output = output.map_err(late)?.map_err(|e| BedError::new(format!("cannot start {shown}: {e}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let said = text + &String::from_utf8_lossy(&output.stderr);
    let mut log: Vec<String> = said.lines().rev().take(TAIL).map(str::to_owned).collect();
    log.reverse();
    Err(BedError { why: format!("{shown} failed: {}", output.status), log })
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    format!("`{}`", words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
}

/// The log of a process.
pub(crate) fn log_path(name: &str) -> PathBuf {
    home::run("log").join(format!("{}.log", name.replace('/', "-")))
}

fn log_file(name: &str) -> Result<File, BedError> {
    let path = log_path(name);
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|e| BedError::file("open the log", path, &e))
}

/// The last lines of a log; nothing when it cannot be read.
pub(crate) fn tail(path: &Path) -> Vec<String> {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<String> = text.lines().rev().take(TAIL).map(str::to_owned).collect();
    lines.reverse();
    lines
}
