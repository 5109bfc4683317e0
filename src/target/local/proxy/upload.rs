//! The body of a request on its way to an instance.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::deadline::Deadline;

/// How long an instance may take to say `100 Continue` before the body is sent without it (RFC 9110 §10.1.1 lets a client
/// wait for a while but not for ever).
const CONTINUE: Duration = Duration::from_secs(1);

/// Nothing is read from the client yet.
const SHUT: u8 = 0;
/// The client's body is read.
const OPEN: u8 = 1;
/// The instance answered without the body; it is never read.
const REFUSED: u8 = 2;

/// The body of a request.
pub(super) enum Upload {
    /// There is none.
    Empty,
    /// What the client sends, frame by frame.
    Stream(Box<Streaming>),
}

/// A body that is read from the client only as fast as the instance takes it.
pub(super) struct Streaming {
    inner: Incoming,
    progress: Arc<Progress>,
    deadline: Deadline,
    idle: Duration,
}

/// How far a body has come, as both sides of the exchange see it.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    last: AtomicU64,
    bytes: AtomicU64,
    done: AtomicBool,
    failed: AtomicBool,
    gate: AtomicU8,
    waker: AtomicWaker,
}

/// The client did not finish its body.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    /// It stood still for too long.
    #[error("the client stopped sending the body of its request")]
    Stalled,
    /// The connection broke or its framing is wrong.
    #[error("the client broke off the body of its request")]
    Broken(#[source] hyper::Error),
}

impl Upload {
    /// Wraps the body of a request. With `wait`, nothing is read from the client before [`Progress::open`] is called.
    pub(super) fn new(inner: Incoming, idle: Duration, wait: bool) -> (Self, Option<Arc<Progress>>) {
        if inner.is_end_stream() {
            return (Self::Empty, None);
        }
        let progress = Arc::new(Progress {
            begun: Instant::now(),
            last: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            done: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            gate: AtomicU8::new(if wait { SHUT } else { OPEN }),
            waker: AtomicWaker::new(),
        });
        let stream =
            Streaming { inner, progress: Arc::clone(&progress), deadline: Deadline::default(), idle };
        (Self::Stream(Box::new(stream)), Some(progress))
    }
}

impl Progress {
    /// The instance wants the body.
    pub(super) fn open(&self) {
        if self.gate.compare_exchange(SHUT, OPEN, SeqCst, SeqCst).is_ok() {
            self.waker.wake();
        }
    }

    /// The instance has answered. True if it did so without having asked for the body, which then stays unread.
    pub(super) fn refuse(&self) -> bool {
        self.gate.compare_exchange(SHUT, REFUSED, SeqCst, SeqCst).is_ok()
    }

    /// True once the instance's side has taken the last byte.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Relaxed)
    }

    /// True when it was the client that did not finish.
    pub(super) fn is_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Bytes that were handed on so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// When the last bytes were handed on.
    pub(super) fn last(&self) -> Instant {
        self.begun + Duration::from_millis(self.last.load(Relaxed))
    }

    fn touch(&self) {
        let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(elapsed, Relaxed);
    }
}

impl Streaming {
    fn poll_gate(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let progress = &self.progress;
        if progress.gate.load(SeqCst) == OPEN {
            return Poll::Ready(());
        }
        progress.waker.register(cx.waker());
        self.deadline.set(progress.begun + CONTINUE);
        if self.deadline.poll(cx).is_ready() {
            progress.open();
        }
        if progress.gate.load(SeqCst) == OPEN {
            self.deadline.lift();
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        ready!(self.poll_gate(cx));
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.deadline.lift();
                if let Some(data) = frame.data_ref() {
                    self.progress.bytes.fetch_add(data.len() as u64, Relaxed);
                }
                self.progress.touch();
                if self.inner.is_end_stream() {
                    self.progress.done.store(true, Relaxed);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.progress.failed.store(true, Relaxed);
                Poll::Ready(Some(Err(UploadError::Broken(error))))
            }
            Poll::Ready(None) => {
                self.progress.touch();
                self.progress.done.store(true, Relaxed);
                Poll::Ready(None)
            }
            Poll::Pending => {
                // The time runs while the client is waited for, not while the instance is.
                self.deadline.start(self.idle);
                ready!(self.deadline.poll(cx));
                self.progress.failed.store(true, Relaxed);
                Poll::Ready(Some(Err(UploadError::Stalled)))
            }
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(stream) => stream.poll_inner(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(stream) => stream.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(stream) => stream.inner.size_hint(),
        }
    }
}
