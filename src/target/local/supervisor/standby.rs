//! The process that waits to take the place of the supervisor, seen from both sides.
//!
//! The supervisor starts it with the listening socket as its standard input and one end of a socket pair as its standard
//! output. It says `R` when it could take over. Then it does nothing until the pair says `T` (take over), `Q` (quit) or ends,
//! which it does in the very instant in which the supervisor is gone, however it went. Connections that arrive in between
//! wait in the kernel at the same listening socket: none is refused. Having taken over by `T` it says `A`.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::core::{Core, Event};
use super::logs;
use crate::target::local::paths::Paths;

const READY: u8 = b'R';
const ACTIVE: u8 = b'A';
const TAKE_OVER: u8 = b'T';
const QUIT: u8 = b'Q';

/// The file that this process runs, even when its path holds another one by now.
const OURSELVES: &str = "/proc/self/exe";

/// How far a standby is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Starting,
    Ready,
    Active,
    Gone,
}

/// A standby, seen from the supervisor that started it.
#[derive(Debug)]
pub(crate) struct Standby {
    pub(crate) serial: u64,
    pub(crate) pid: u32,
    stage: watch::Receiver<Stage>,
    write: OwnedWriteHalf,
    dismissed: CancellationToken,
}

impl Standby {
    /// Starts one from `binary`.
    pub(crate) fn spawn(
        paths: &Paths,
        binary: &Path,
        door: &TcpListener,
        serial: u64,
        events: mpsc::UnboundedSender<Event>,
    ) -> io::Result<Self> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(binary);
        command
            .arg0("tidegate")
            .args(["local", "standby", "--state"])
            .arg(&paths.root)
            .stdin(Stdio::from(OwnedFd::from(door.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(logs::open(&paths.log())?)
            .kill_on_drop(false);
        let child = command.spawn()?;
        let pid = child.id().unwrap_or_default();
        let (read, write) = UnixStream::from_std(ours)?.into_split();
        let (stage, seen) = watch::channel(Stage::Starting);
        let dismissed = CancellationToken::new();
        tokio::spawn(attend(child, read, stage, dismissed.clone(), serial, events));
        Ok(Self { serial, pid, stage: seen, write, dismissed })
    }

    /// Another one like ourselves.
    pub(crate) fn own(
        paths: &Paths,
        door: &TcpListener,
        serial: u64,
        events: mpsc::UnboundedSender<Event>,
    ) -> io::Result<Self> {
        Self::spawn(paths, Path::new(OURSELVES), door, serial, events)
    }

    /// Waits until it came as far as `stage`; false when it ended first or time ran out.
    pub(crate) async fn reached(&self, stage: Stage, within: Duration) -> bool {
        let mut seen = self.stage.clone();
        let found = tokio::time::timeout(within, seen.wait_for(|s| *s >= stage)).await;
        matches!(found, Ok(Ok(s)) if *s != Stage::Gone)
    }

    /// Whether it could take over now.
    pub(crate) fn is_ready(&self) -> bool {
        *self.stage.borrow() == Stage::Ready
    }

    /// Tells it to take over.
    pub(crate) async fn promote(&mut self) -> io::Result<()> {
        self.write.write_all(&[TAKE_OVER]).await
    }

    /// Ends it, and waits for its end.
    pub(crate) async fn dismiss(mut self) {
        let _ = self.write.write_all(&[QUIT]).await;
        self.dismissed.cancel();
        let _ =
            tokio::time::timeout(Duration::from_secs(5), self.stage.wait_for(|s| *s == Stage::Gone)).await;
    }
}

/// Follows one standby to its end.
async fn attend(
    mut child: Child,
    mut read: OwnedReadHalf,
    stage: watch::Sender<Stage>,
    dismissed: CancellationToken,
    serial: u64,
    events: mpsc::UnboundedSender<Event>,
) {
    loop {
        let mut byte = [0];
        let got = tokio::select! {
            got = read.read(&mut byte) => got,
            () = dismissed.cancelled() => break,
        };
        match (got, byte[0]) {
            (Ok(1), READY) => {
                stage.send_replace(Stage::Ready);
                let _ = events.send(Event::StandbyReady);
            }
            (Ok(1), ACTIVE) => {
                stage.send_replace(Stage::Active);
            }
            _ => break,
        }
    }
    if *stage.borrow() == Stage::Active {
        // It rules now; its silence no longer means that something is wrong with it.
        return;
    }
    let _ = child.kill().await;
    stage.send_replace(Stage::Gone);
    if !dismissed.is_cancelled() {
        let _ = events.send(Event::StandbyGone(serial));
    }
}

impl Core {
    /// Sees to it that there is a standby which holds the present listening socket.
    pub(crate) async fn renew_standby(&mut self) {
        if let Some(old) = self.standby.take() {
            old.dismiss().await;
        }
        let Some(door) = &self.seat.door else { return };
        self.next_id += 1;
        match Standby::own(&self.seat.paths, &door.socket, self.next_id, self.events.clone()) {
            Ok(standby) => self.standby = Some(standby),
            Err(e) => tracing::warn!("no standby can be started: {e}"),
        }
        self.publish();
    }
}

/// What a standby was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The supervisor is gone.
    Orphaned,
    /// The supervisor gives way.
    TakeOver,
    /// It is not needed any more.
    Quit,
}

/// The link to the supervisor, seen from the standby.
#[derive(Debug)]
pub(crate) struct Link(UnixStream);

impl Link {
    /// Takes the listening socket and the link from where [`Standby::spawn`] put them, and frees those places: a socket that
    /// stays open there would keep its address taken for ever.
    pub(crate) fn inherited() -> io::Result<(TcpListener, Self)> {
        let socket = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
        socket.local_addr()?;
        let link = StdStream::from(io::stdout().as_fd().try_clone_to_owned()?);
        let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        link.set_nonblocking(true)?;
        Ok((socket, Self(UnixStream::from_std(link)?)))
    }

    /// Says that it could take over.
    pub(crate) async fn say_ready(&mut self) -> io::Result<()> {
        self.0.write_all(&[READY]).await
    }

    /// Says that it has taken over.
    pub(crate) async fn say_active(&mut self) -> io::Result<()> {
        self.0.write_all(&[ACTIVE]).await
    }

    /// Waits for a word; anything not known counts as the end of the supervisor's wits.
    pub(crate) async fn word(&mut self) -> Word {
        let mut byte = [0];
        match (self.0.read(&mut byte).await, byte[0]) {
            (Ok(1), TAKE_OVER) => Word::TakeOver,
            (Ok(1), QUIT) => Word::Quit,
            _ => Word::Orphaned,
        }
    }
}
