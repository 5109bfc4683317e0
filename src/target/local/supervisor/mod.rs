//! The process that keeps an environment: instances, router, control socket, standby.
//!
//! ```text
//! client ──control socket──▶ server ──▶ core ──▶ state on disk
//!                                        │ ▲
//!                          orders, table │ │ reports
//!                                        ▼ │
//!                    requests ──▶ router ──▶ instances
//! ```
//! Guarantees: at most one supervisor acts (an advisory file lock decides). What a client was told is done survives the death
//! of the supervisor at any instant. Instances and the listening socket outlive it; the standby carries on.

mod admin;
mod core;
mod door;
mod health;
mod instance;
mod launch;
mod logs;
mod metrics;
mod ops;
mod ports;
mod reign;
mod rest;
mod server;
mod sets;
mod standby;
mod state;
mod strays;
mod view;

use std::fs::{File, TryLockError};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use self::door::Door;
use self::standby::{Link, Word};
use self::state::{Durable, Secrets};
use super::control::{disk, failure};
use super::paths::{Paths, private_dir};
use super::proxy::{Proxy, ProxySettings};
use crate::target::TargetError;

/// Text in Prometheus' format that is added to the supervisor's own metrics.
pub type Extra = Arc<dyn Fn() -> String + Send + Sync>;

/// How a supervisor is run.
#[derive(Clone)]
pub struct SuperviseOptions {
    /// The state directory of the environment.
    pub state: PathBuf,
    /// Metrics to be added.
    pub extra: Option<Extra>,
}

/// A standby that finds the lock held waits this long for its turn.
const TURN: Duration = Duration::from_secs(5);

/// What passes from one reign of this process to the next, when another supervisor failed to take over.
pub(crate) struct Seat {
    pub(crate) paths: Paths,
    pub(crate) extra: Option<Extra>,
    pub(crate) proxy: Proxy,
    pub(crate) door: Option<Door>,
    /// The listening socket of the supervisor before this one. Nothing is accepted from it before the routes are restored.
    pub(crate) inherited: Option<TcpListener>,
    /// True once no earlier supervisor passes requests to instances.
    pub(crate) alone: watch::Receiver<bool>,
    pub(crate) since: jiff::Timestamp,
    /// The secrets that are on disk, where known.
    pub(crate) saved_secrets: Option<Secrets>,
    /// True once this process was asked by a signal to end. Listened to before the lock is taken, so that no signal can end a
    /// supervisor without its instances.
    pub(crate) ending: watch::Receiver<bool>,
    /// Held as long as this process acts.
    pub(crate) lock: Option<File>,
}

impl Seat {
    fn new(
        paths: Paths,
        extra: Option<Extra>,
        lock: File,
        alone: watch::Receiver<bool>,
        ending: watch::Receiver<bool>,
    ) -> Self {
        Self {
            ending,
            paths,
            extra,
            proxy: Proxy::new(ProxySettings::default()),
            door: None,
            inherited: None,
            alone,
            since: jiff::Timestamp::now(),
            saved_secrets: None,
            lock: Some(lock),
        }
    }

    /// A number that differs between environments.
    pub(crate) fn seed(&self) -> u64 {
        let path = self.paths.root.as_os_str().as_encoded_bytes();
        path.iter().fold(5381, |hash: u64, byte| hash.wrapping_mul(33) ^ u64::from(*byte))
    }
}

/// Runs something that waits for the disk, away from the tasks that serve.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TargetError> + Send + 'static,
) -> Result<T, TargetError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| {
        Err(failure(
            "supervisor-failed",
            format!("the disk could not be reached: {e}"),
            "look into supervisor.log",
        ))
    })
}

/// Keeps the environment whose state directory is given, until it is told to stop or receives SIGTERM or SIGINT. It is the
/// body of the hidden command `tidegate local supervise`.
///
/// # Errors
/// `supervisor-runs` where one runs already; `state-corrupt`, `state-newer`, `port-taken`, and what the disk says.
pub async fn supervise(options: SuperviseOptions) -> Result<(), TargetError> {
    detach()?;
    let paths = Paths::new(&options.state);
    private_dir(&paths.root)?;
    private_dir(&paths.logs())?;
    let ending = listen_for_the_end()?;
    let mut lock = try_lock(&paths)?;
    for _ in 0..5 {
        if lock.is_none() {
            // A client that looks whether the environment is free holds the lock for an instant.
            tokio::time::sleep(Duration::from_millis(20)).await;
            lock = try_lock(&paths)?;
        }
    }
    let lock = lock.ok_or_else(|| {
        let pid = std::fs::read_to_string(paths.lock()).unwrap_or_default();
        let sentence =
            format!("a supervisor for {} runs already (process {})", paths.root.display(), pid.trim());
        failure("supervisor-runs", sentence, "use that one, or stop it first")
    })?;
    let (_sender, alone) = watch::channel(true);
    reign::reign(Seat::new(paths, options.extra, lock, alone, ending), None).await
}

/// Waits to take the place of the supervisor that started this process. It is the body of the hidden command
/// `tidegate local standby`; only a supervisor can start it, since it inherits its sockets.
///
/// # Errors
/// As [`supervise`]; also where the process was not started by a supervisor.
pub async fn standby(options: SuperviseOptions) -> Result<(), TargetError> {
    let paths = Paths::new(&options.state);
    let (socket, mut link) = Link::inherited().map_err(|e| {
        failure(
            "supervisor-failed",
            format!("this standby inherited no sockets: {e}"),
            "let the supervisor start it",
        )
    })?;
    detach()?;
    // A state that this binary cannot read is better found now than when it is needed. Nothing of it is kept.
    Durable::load(&paths)?;
    let broken = |e: std::io::Error| disk("speak to the supervisor", &e);
    link.say_ready().await.map_err(broken)?;
    let word = link.word().await;
    if word == Word::Quit {
        return Ok(());
    }
    let ending = listen_for_the_end()?;
    let lock = lock_in_turn(&paths).await?;
    if word == Word::Orphaned {
        tracing::warn!("the supervisor is gone; taking over");
    }
    let (sender, alone) = watch::channel(word == Word::Orphaned);
    let mut seat = Seat::new(paths, options.extra, lock, alone, ending);
    seat.inherited = Some(socket);
    reign::reign(seat, Some((link, sender)).filter(|_| word == Word::TakeOver)).await
}

/// Leaves the terminal and the group of the command that started this process.
fn detach() -> Result<(), TargetError> {
    // Refused only to a leader of a group, which has its own already.
    let _ = rustix::process::setsid();
    let mut hangups = signal(SignalKind::hangup()).map_err(|e| disk("listen for signals", &e))?;
    tokio::spawn(async move { while hangups.recv().await.is_some() {} });
    Ok(())
}

/// Becomes true with the first SIGTERM or SIGINT.
fn listen_for_the_end() -> Result<watch::Receiver<bool>, TargetError> {
    let listen = |kind| signal(kind).map_err(|e| disk("listen for signals", &e));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let (sender, ending) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_replace(true);
        // Kept, so that those who come later still see it.
        sender.closed().await;
    });
    Ok(ending)
}

/// The lock of the environment; `None` while somebody else has it.
pub(crate) fn try_lock(paths: &Paths) -> Result<Option<File>, TargetError> {
    let path = paths.lock();
    let doing = format!("lock {}", path.display());
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|e| disk(&doing, &e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(e)) => return Err(disk(&doing, &e)),
    }
    // For people only; the lock itself is what counts, so a full disk is no obstacle here.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(Some(file))
}

/// Whether nobody holds the environment.
pub(super) fn is_free(paths: &Paths) -> bool {
    // Shared and let go at once, so that asking never stands in the way of a supervisor for long.
    File::open(paths.lock()).map_or(true, |file| file.try_lock_shared().is_ok())
}

/// Opens the supervisor's own log.
pub(super) fn open_log(path: &Path) -> std::io::Result<File> {
    logs::open(path)
}

/// The last words of a supervisor that began at `start` of the log.
pub(super) fn log_tail(path: &Path, start: u64, lines: usize) -> Vec<String> {
    logs::tail(path, start, lines, &[])
}

/// Gives a supervisor the few variables that it needs and no other: the deploying command's environment may hold secrets, and
/// marks by which a CI runner, or the supervisor of another environment, would take it for a part of its own.
pub(super) fn plain_environment(command: &mut tokio::process::Command) {
    command.env_clear();
    for name in launch::INHERITED.into_iter().chain(["RUST_LOG", "RUST_BACKTRACE"]) {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// The lock, once its holder has gone.
pub(crate) async fn lock_in_turn(paths: &Paths) -> Result<File, TargetError> {
    let until = tokio::time::Instant::now() + TURN;
    loop {
        if let Some(lock) = try_lock(paths)? {
            return Ok(lock);
        }
        if tokio::time::Instant::now() > until {
            let sentence = format!("another supervisor for {} was faster", paths.root.display());
            return Err(failure("supervisor-runs", sentence, "nothing has to be done"));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
