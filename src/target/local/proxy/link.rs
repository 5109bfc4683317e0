//! One connection to an instance.
//!
//! An HTTP/1.1 connection is driven by whoever uses it, in the task of the client's connection, rather than by a task of its
//! own: a request then needs no message between tasks, no second wake-up and no move between cores. Between requests nobody
//! drives it; whether it was closed meanwhile is looked at when it is taken again.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::deadline::Deadline;
use super::upload::{Progress, Upload};
use super::upstream::since;

type Driver = http1::Connection<TokioIo<TcpStream>, Upload>;

/// Largest head of a response, and largest piece of a body that is moved at once.
const BUFFER: usize = 256 * 1024;

/// A kept HTTP/1.1 connection.
pub(super) struct Link {
    sender: http1::SendRequest<Upload>,
    driver: Driver,
    closed: bool,
    idle_since: Instant,
    deadline: Deadline,
}

/// What became of one request on one connection.
pub(super) enum Fate {
    /// The head of a response came.
    Answered(Response<Incoming>),
    /// The connection was closed before anything was sent; the request comes back whole.
    NotSent(Box<Request<Upload>>),
    /// The connection broke before the head of a response came. The instance may have seen the request.
    Broken,
    /// No head of a response came in time.
    TimedOut,
    /// The client did not finish its body.
    ClientFailed,
}

/// Why no connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoConnection {
    /// Refused, or no way there.
    Unreachable,
    /// No answer in time.
    TimedOut,
}

impl Link {
    /// Opens a connection.
    pub(super) async fn open(address: SocketAddr, patience: Duration) -> Result<Box<Self>, NoConnection> {
        let stream = connect(address, patience).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER);
        let (sender, driver) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|_| NoConnection::Unreachable)?;
        Ok(Box::new(Self {
            sender,
            driver,
            closed: false,
            idle_since: Instant::now(),
            deadline: Deadline::default(),
        }))
    }

    /// How long it was not used.
    pub(super) fn idle_for(&self) -> Duration {
        since(self.idle_since)
    }

    /// Looks whether it can take a request: the instance has not closed it and the last exchange is complete.
    pub(super) fn is_usable(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.closed && self.sender.is_ready()
    }

    /// The last exchange ended just now.
    pub(super) fn rest(&mut self) {
        self.idle_since = Instant::now();
        self.deadline.lift();
    }

    /// Moves bytes in both directions as far as they go.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.closed && Pin::new(&mut self.driver).poll(cx).is_ready() {
            self.closed = true;
        }
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn exchange(
        &mut self,
        request: Box<Request<Upload>>,
        progress: Option<&Arc<Progress>>,
        patience: Duration,
    ) -> Fate {
        let mut answer = pin!(self.sender.try_send_request(*request));
        let (driver, deadline, closed) = (&mut self.driver, &mut self.deadline, &mut self.closed);
        let mut advance = |cx: &mut Context<'_>| {
            if !*closed && Pin::new(&mut *driver).poll(cx).is_ready() {
                *closed = true;
            }
            *closed
        };
        let mut sent = false;
        let fate = poll_fn(|cx| {
            let mut quiet = Context::from_waker(Waker::noop());
            // Only the driver can bring the answer. Once it is there, nothing must be left behind that would wake this task
            // for nothing; so the driver learns whom to wake only when it has nothing yet.
            if sent {
                advance(&mut quiet);
                if let Poll::Ready(answer) = answer.as_mut().poll(&mut quiet) {
                    return Poll::Ready(fate(answer, progress));
                }
            }
            sent = true;
            let closed = advance(cx);
            if let Poll::Ready(answer) = answer.as_mut().poll(&mut quiet) {
                return Poll::Ready(fate(answer, progress));
            }
            if closed {
                return Poll::Ready(Fate::Broken);
            }
            poll_patience(deadline, progress, patience, cx).map(|()| Fate::TimedOut)
        })
        .await;
        self.deadline.lift();
        fate
    }

    /// Leaves the driving to a task of its own. Needed where a response is to be read while the request is still being sent:
    /// the response may be read slowly, and the request must not stand still for that.
    pub(super) fn detach(self: Box<Self>) -> Detached {
        // Without a sender the driver ends after this exchange.
        let Self { driver, .. } = *self;
        let task = tokio::spawn(async move {
            let _ = driver.await;
        });
        Detached(Some(task))
    }

    /// Gives the connection away once the instance has changed its protocol, with what was read beyond the head.
    pub(super) async fn hand_over(mut self: Box<Self>) -> (TcpStream, Bytes) {
        poll_fn(|cx| {
            self.drive(cx);
            if self.closed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let parts = self.driver.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}

/// A connection that is driven by its own task, which ends with this.
pub(super) struct Detached(Option<tokio::task::JoinHandle<()>>);

impl Detached {
    /// The response is complete; what is left of the request may still go its way.
    pub(super) fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Opens an HTTP/2 connection. Its task ends when the connection does.
pub(super) async fn open_multiplexed(
    address: SocketAddr,
    patience: Duration,
) -> Result<http2::SendRequest<Upload>, NoConnection> {
    let stream = connect(address, patience).await?;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.adaptive_window(true).max_header_list_size(64 * 1024);
    let handshake = builder.handshake(TokioIo::new(stream));
    let (sender, driver) = match timeout(patience, handshake).await {
        Ok(Ok(both)) => both,
        Ok(Err(_)) => return Err(NoConnection::Unreachable),
        Err(_) => return Err(NoConnection::TimedOut),
    };
    drop(tokio::spawn(async move {
        let _ = driver.await;
    }));
    Ok(sender)
}

/// The same as [`Link::exchange`] on an HTTP/2 connection.
pub(super) async fn exchange_multiplexed(
    mut sender: http2::SendRequest<Upload>,
    request: Box<Request<Upload>>,
    progress: Option<&Arc<Progress>>,
    patience: Duration,
) -> Fate {
    let mut answer = pin!(sender.try_send_request(*request));
    let mut deadline = Deadline::default();
    poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(fate(answer, progress));
        }
        poll_patience(&mut deadline, progress, patience, cx).map(|()| Fate::TimedOut)
    })
    .await
}

async fn connect(address: SocketAddr, patience: Duration) -> Result<TcpStream, NoConnection> {
    let stream = match timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) => return Err(NoConnection::Unreachable),
        Err(_) => return Err(NoConnection::TimedOut),
    };
    // A segment held back for more would add up to 40 ms to small messages. Keep-alive probes find dead peers on upgraded
    // connections, which have no time limit.
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
    Ok(stream)
}

/// Ready when the instance has had the whole request for longer than `patience`. While the client is still sending, the time
/// begins anew with every piece.
fn poll_patience(
    deadline: &mut Deadline,
    progress: Option<&Arc<Progress>>,
    patience: Duration,
    cx: &mut Context<'_>,
) -> Poll<()> {
    deadline.start(patience);
    while deadline.poll(cx).is_ready() {
        let due = progress.map(|progress| progress.last() + patience);
        match due {
            Some(due) if due > Instant::now() => deadline.set(due),
            _ => return Poll::Ready(()),
        }
    }
    Poll::Pending
}

fn fate(
    answer: Result<Response<Incoming>, TrySendError<Request<Upload>>>,
    progress: Option<&Arc<Progress>>,
) -> Fate {
    match answer {
        Ok(response) => Fate::Answered(response),
        Err(mut error) => match error.take_message() {
            Some(request) => Fate::NotSent(Box::new(request)),
            None if progress.is_some_and(|progress| progress.is_failed()) => Fate::ClientFailed,
            None => Fate::Broken,
        },
    }
}
