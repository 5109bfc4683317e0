//! The client's side of the control socket: finds the supervisor, starts one where there is none, and asks again when it dies
//! in the middle of a call.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use super::control::{Hello, Line, PROTOCOL, Phase, Reply, Request, disk, failure};
use super::paths::{Paths, private_dir};
use super::process::FileId;
use super::program::digest_file;
use crate::target::TargetError;

/// Time for a supervisor to come up, or for a standby to take over, before a call is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A standby takes over within milliseconds; after this time there is none.
const STANDBY: Duration = Duration::from_millis(1500);

/// Instances of an environment that wakes are waited for so long before anything else is done.
const WAKING: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(20);

/// The end of a supervisor with all its instances may take this long.
const ENDING: Duration = Duration::from_secs(180);

/// Where to ask, and what to start when nobody answers.
#[derive(Debug, Clone)]
pub(super) struct Client {
    paths: Paths,
    /// The binary that is started on demand; `None` starts nothing.
    binary: Option<PathBuf>,
}

impl Client {
    pub(super) fn new(state: &Path, binary: Option<PathBuf>) -> Self {
        Self { paths: Paths::new(state), binary }
    }

    /// The same, which starts nothing.
    pub(super) fn without_start(&self) -> Self {
        Self { paths: self.paths.clone(), binary: None }
    }

    /// Asks, and asks again where the supervisor is replaced meanwhile. Requests name a state to reach, so that asking twice
    /// does no harm.
    pub(super) async fn ask(&self, request: &Request) -> Result<Reply, TargetError> {
        let begin = Instant::now();
        let mut until = begin + PATIENCE;
        let mut started: Option<(u64, Child)> = None;
        let mut pause = PAUSE;
        loop {
            let asked = Instant::now();
            let error = match self.once(request).await {
                Ok(Reply::Refused(refusal)) => return Err(refusal.into()),
                Ok(reply) => return Ok(reply),
                Err(Failed::Fatal(error)) => return Err(error),
                Err(Failed::Lost(error)) => error,
            };
            // A long wait that was broken off does not use up the time for finding the next supervisor.
            if asked.elapsed() > Duration::from_secs(1) {
                until = Instant::now() + PATIENCE;
            }
            let ended =
                started.as_mut().is_some_and(|(_, child)| child.try_wait().is_ok_and(|s| s.is_some()));
            if Instant::now() > until || (ended && super::supervisor::is_free(&self.paths)) {
                return Err(self.unreachable(&error, started.map(|(begin, _)| begin)));
            }
            if started.is_none() && begin.elapsed().max(asked.elapsed()) >= self.standby_time() {
                started = self.start()?;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// A socket without a supervisor may have a standby that is just taking over; without a socket nobody is to be waited for.
    fn standby_time(&self) -> Duration {
        if self.paths.socket().exists() { STANDBY } else { Duration::ZERO }
    }

    /// Whether a supervisor answers now.
    pub(super) async fn answers(&self) -> bool {
        match self.hello().await {
            Ok(_) => true,
            Err(_) if self.paths.socket().exists() => {
                sleep(STANDBY).await;
                self.hello().await.is_ok()
            }
            Err(_) => false,
        }
    }

    async fn hello(&self) -> Result<(Line, Hello), Failed> {
        let stream = self.paths.connect().await.map_err(Failed::Lost)?;
        let mut line = Line::new(stream);
        let hello: Option<Hello> = timeout(PATIENCE, line.next())
            .await
            .map_err(|_| Failed::Lost(io::ErrorKind::TimedOut.into()))?
            .map_err(Failed::Lost)?;
        let hello = hello.ok_or_else(|| Failed::Lost(io::ErrorKind::UnexpectedEof.into()))?;
        if hello.protocol != PROTOCOL {
            let sentence = format!(
                "the supervisor of {} (tidegate {}, process {}) speaks protocol {}, this tidegate {PROTOCOL}",
                self.paths.root.display(),
                hello.version,
                hello.pid,
                hello.protocol
            );
            return Err(Failed::Fatal(failure(
                "protocol",
                sentence,
                "use the newer of the two, or stop the supervisor",
            )));
        }
        Ok((line, hello))
    }

    async fn once(&self, request: &Request) -> Result<Reply, Failed> {
        let (mut line, _) = self.hello().await?;
        line.send(request).await.map_err(Failed::Lost)?;
        let limit = match request {
            Request::Observe { patience, .. } => *patience + PATIENCE,
            Request::Stop | Request::Forget => ENDING,
            _ => Duration::from_secs(60),
        };
        let reply = timeout(limit, line.next()).await.map_err(|_| {
            let sentence =
                format!("the supervisor of {} did not reply within {limit:?}", self.paths.root.display());
            Failed::Fatal(failure("unreachable", sentence, "look into supervisor.log"))
        })?;
        reply.map_err(Failed::Lost)?.ok_or_else(|| Failed::Lost(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Starts a supervisor that outlives this process; gives where its words begin in the log, too.
    fn start(&self) -> Result<Option<(u64, Child)>, TargetError> {
        let Some(binary) = &self.binary else { return Ok(None) };
        private_dir(&self.paths.root)?;
        let log_path = self.paths.log();
        let doing = format!("start the supervisor {}", binary.display());
        let log = super::supervisor::open_log(&log_path).map_err(|e| disk(&doing, &e))?;
        let begin = log.metadata().map_or(0, |m| m.len());
        let mut command = tokio::process::Command::new(binary);
        command
            .args(["local", "supervise", "--state"])
            .arg(&self.paths.root)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(false);
        super::supervisor::plain_environment(&mut command);
        let child = command.spawn().map_err(|e| {
            let sentence = format!("cannot {doing}: {e}");
            failure("supervisor-failed", sentence, "name a tidegate binary that can be executed")
        })?;
        Ok(Some((begin, child)))
    }

    fn unreachable(&self, error: &io::Error, started: Option<u64>) -> TargetError {
        let root = self.paths.root.display();
        let Some(begin) = started else {
            return TargetError {
                code: "unreachable",
                sentence: format!("no supervisor answers for {root}: {error}"),
                hint: Some("deploy to start one".to_owned()),
                fatal: false,
            };
        };
        let words = super::supervisor::log_tail(&self.paths.log(), begin, 20).join("; ");
        let sentence = format!("the supervisor of {root} was started and does not answer; it said: {words}");
        failure("supervisor-failed", sentence, "mend what it names, or look into supervisor.log")
    }

    /// Has an environment that sleeps wake, and waits a bounded time until it takes requests: one that waits for it is answered by the supervisor that has it,
    /// before another one may take that one's place. Nothing where none runs.
    pub(super) async fn wake(&self) -> Result<(), TargetError> {
        let asker = self.without_start();
        if self.hello().await.is_err() {
            return Ok(());
        }
        let until = Instant::now() + WAKING;
        let Reply::Status(status) = asker.ask(&Request::Status).await? else { return Ok(()) };
        let mut is_asleep = status.asleep;
        while is_asleep && Instant::now() < until {
            // Whoever waits for changes works on it.
            asker.ask(&Request::Observe { newer_than: Some(u64::MAX), patience: PAUSE }).await?;
            let Reply::Status(status) = asker.ask(&Request::Status).await? else { return Ok(()) };
            is_asleep =
                status.asleep || status.instances.iter().any(|instance| instance.phase != Phase::Ready);
        }
        Ok(())
    }

    /// Lets `binary` take over where the running supervisor is older; says whether it did.
    ///
    /// Of the same version, another binary counts as newer: it is the one that the caller chose to run. A supervisor of a newer
    /// version is left in place.
    pub(super) async fn upgrade_if_older(&self, binary: &Path) -> Result<bool, TargetError> {
        let Ok((_, hello)) = self.hello().await else { return Ok(false) };
        let ours = env!("CARGO_PKG_VERSION");
        match order(&hello.version).cmp(&order(ours)) {
            std::cmp::Ordering::Greater => return Ok(false),
            std::cmp::Ordering::Equal if self.same_binary(&hello, binary).await? => return Ok(false),
            _ => {}
        }
        match self.ask(&Request::Upgrade { binary: binary.to_owned() }).await {
            Ok(_) => Ok(true),
            // It has no address to hand over yet, so there is nothing to lose either.
            Err(e) if e.code == "not-configured" => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn same_binary(&self, hello: &Hello, binary: &Path) -> Result<bool, TargetError> {
        let doing = format!("read {}", binary.display());
        if FileId::of(binary).map_err(|e| disk(&doing, &e))? == hello.file {
            return Ok(true);
        }
        let Reply::Digest { sha256 } = self.ask(&Request::Digest).await? else { return Ok(false) };
        let path = binary.to_owned();
        let own = tokio::task::spawn_blocking(move || digest_file(&path)).await.map_err(io::Error::other);
        Ok(own.and_then(|d| d).map_err(|e| disk(&doing, &e))? == sha256)
    }

    /// Waits until nobody holds the environment any more.
    pub(super) async fn ended(&self) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && !super::supervisor::is_free(&self.paths) {
            sleep(PAUSE).await;
        }
    }
}

/// Why one attempt brought no reply.
enum Failed {
    /// The supervisor could not be reached or hung up: worth another attempt.
    Lost(io::Error),
    Fatal(TargetError),
}

/// A version as numbers, for comparison: what is not a number counts as zero.
fn order(version: &str) -> Vec<u64> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    core.split('.').map(|n| n.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(order("0.10.0") > order("0.9.3"));
        assert!(order("1.0.0") > order("0.99.99"));
        assert_eq!(order("1.2.3-rc.1"), order("1.2.3"));
    }

    #[tokio::test]
    async fn nobody_is_told_as_unreachable() {
        let dir = tempfile::tempdir().unwrap();
        let client = Client::new(dir.path(), None);
        assert!(!client.answers().await);
        assert!(!client.upgrade_if_older("/nonexistent".as_ref()).await.unwrap());
    }
}
