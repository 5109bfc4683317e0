//! The control socket.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Seat;
use super::core::Event;
use super::view::View;
use crate::target::TargetError;
use crate::target::local::control::{Hello, Line, PROTOCOL, Reply, Request, disk, failure};
use crate::target::local::process::FileId;
use crate::target::local::program::digest_file;
use crate::target::local::proxy::Proxy;

/// The longest wait for a change that one request may ask for.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);

/// Answers clients, each in a task of its own.
#[derive(Debug)]
pub(crate) struct Server {
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What a conversation needs.
struct Desk {
    hello: Hello,
    since: Timestamp,
    events: mpsc::UnboundedSender<Event>,
    view: watch::Receiver<Arc<View>>,
    proxy: Proxy,
    stop: CancellationToken,
}

impl Server {
    /// Binds the socket in place of an old one.
    pub(crate) fn open(
        seat: &Seat,
        events: mpsc::UnboundedSender<Event>,
        view: watch::Receiver<Arc<View>>,
    ) -> Result<Self, TargetError> {
        let doing = format!("bind {}", seat.paths.socket().display());
        let listener = seat.paths.bind().map_err(|e| disk(&doing, &e))?;
        let file =
            FileId::of("/proc/self/exe".as_ref()).map_err(|e| disk("look at the running binary", &e))?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let hello = Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            file,
        };
        let desk = Arc::new(Desk {
            hello,
            since: seat.since,
            events,
            view,
            proxy: seat.proxy.clone(),
            stop: stop.clone(),
        });
        tasks.spawn(accept(listener, desk, tasks.clone()));
        Ok(Self { stop, tasks })
    }

    /// Takes no more requests and lets the replies out that are on their way.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(1), self.tasks.wait()).await;
    }

    /// Takes no more conversations.
    pub(crate) fn shut(&self) {
        self.stop.cancel();
    }
}

async fn accept(listener: UnixListener, desk: Arc<Desk>, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = desk.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) if may_speak(&stream) => {
                tasks.spawn(converse(stream, desk.clone()));
            }
            Ok(_) => tracing::warn!("another user tried the control socket"),
            Err(e) => {
                tracing::warn!("the control socket takes no connection: {e}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Only the owner and root may speak; the file's mode says the same, this holds even when somebody changed that.
fn may_speak(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == rustix::process::geteuid().as_raw())
}

async fn converse(stream: UnixStream, desk: Arc<Desk>) {
    let mut line = Line::new(stream);
    if line.send(&desk.hello).await.is_err() {
        return;
    }
    loop {
        let request = tokio::select! {
            request = line.next::<Request>() => request,
            () = desk.stop.cancelled() => return,
        };
        let reply = match request {
            Ok(Some(request)) => desk.answer(request).await,
            Ok(None) => return,
            Err(e) => {
                tracing::warn!("a request could not be read: {e}");
                let sentence = format!(
                    "the supervisor (tidegate {}) could not read the request: {e}",
                    desk.hello.version
                );
                let hint = "use the version of tidegate that supervises, or a newer one";
                let _ = line.send(&Reply::Refused(failure("protocol", sentence, hint).into())).await;
                return;
            }
        };
        // No reply means that this supervisor gives way: hanging up makes the client ask the next one.
        let Some(reply) = reply else { return };
        if line.send(&reply).await.is_err() {
            return;
        }
    }
}

impl Desk {
    async fn answer(&self, request: Request) -> Option<Reply> {
        match request {
            Request::Observe { newer_than, patience } => self.observe(newer_than, patience).await,
            Request::Status => {
                let view = self.view.borrow().clone();
                Some(Reply::Status(Box::new(view.status(&self.proxy, self.since))))
            }
            Request::Digest => {
                let digest =
                    tokio::task::spawn_blocking(|| digest_file("/proc/self/exe".as_ref())).await.ok()?;
                Some(Reply::Digest { sha256: digest.ok()? })
            }
            other => {
                let (reply, answered) = oneshot::channel();
                self.events.send(Event::Ask(Box::new(other), reply)).ok()?;
                answered.await.ok()
            }
        }
    }

    async fn observe(&self, newer_than: Option<u64>, patience: Duration) -> Option<Reply> {
        let mut view = self.view.clone();
        if let Some(old) = newer_than {
            // Whoever waits for changes works on it.
            let _ = self.events.send(Event::Watched);
            let newer = view.wait_for(|v| v.generation > old);
            // With the view gone this supervisor gives way; time that ran out is no failure.
            if let Ok(Err(_)) = tokio::time::timeout(patience.min(LONGEST_PATIENCE), newer).await {
                return None;
            }
        }
        let view = view.borrow().clone();
        Some(Reply::Observation(view.observation(&self.proxy)))
    }
}
