//! The body of a response on its way to the client.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::client::Visit;
use super::deadline::Deadline;
use super::link::{Detached, Link};
use super::load::Ticket;
use super::meter::Tally;
use super::upload::Progress;
use super::upstream::Upstream;

/// The body of a response.
pub(super) enum Answer {
    /// A sentence of the router's own, or nothing.
    Text(Option<Bytes>),
    /// What the instance sends, frame by frame.
    Relay(Box<Relay>),
}

/// The instance did not finish its response. The client's connection is broken off too, so that what it got does not look
/// complete.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    /// The connection broke or its framing is wrong.
    #[error("the instance broke off its response")]
    Broken(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("the instance stopped in the middle of its response")]
    Stalled,
}

/// Who moves the bytes of the response.
pub(super) enum Carrier {
    /// We do, whenever the client's side asks for more.
    Own(Box<Link>),
    /// A task of its own, because the request is still being sent.
    Detached(Detached),
    /// The HTTP/2 connection that the request shares with others.
    Multiplexed,
    /// Nobody: the response is complete.
    None,
}

/// A response on its way. Holds all that must end with it: the connection, the count of requests in flight, the account.
pub(super) struct Relay {
    pub(super) inner: Incoming,
    pub(super) carrier: Carrier,
    pub(super) upstream: Arc<Upstream>,
    pub(super) ticket: Option<Ticket>,
    pub(super) tally: Tally,
    pub(super) progress: Option<Arc<Progress>>,
    pub(super) visit: Visit,
    pub(super) idle: Duration,
    pub(super) deadline: Deadline,
    /// Of an event stream: fires when the instance is to go away.
    pub(super) farewell: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Relay {
    /// Reads on. Ends the exchange when this was the last of it.
    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        self.visit.client_asks();
        let Poll::Ready(item) = self.poll_carrier(cx) else { return self.poll_wait(cx) };
        match item {
            Some(Ok(frame)) => {
                self.deadline.lift();
                if let Some(data) = frame.data_ref() {
                    self.tally.bytes_out += data.len() as u64;
                    if self.inner.is_end_stream() {
                        self.finish();
                    } else {
                        self.visit.client_has_data();
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.fail();
                Poll::Ready(Some(Err(RelayError::Broken(error))))
            }
            None => {
                self.finish();
                Poll::Ready(None)
            }
        }
    }

    fn poll_carrier(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Carrier::Own(link) = &mut self.carrier else {
            return Pin::new(&mut self.inner).poll_frame(cx);
        };
        // The first look at the body tells the connection that more is wanted; only then does it read on. Both are driven
        // here, so neither needs to wake the other; the connection learns whom to wake only when it has nothing.
        let mut quiet = Context::from_waker(Waker::noop());
        for context in [None, Some(cx)] {
            if let ready @ Poll::Ready(_) = Pin::new(&mut self.inner).poll_frame(&mut quiet) {
                return ready;
            }
            link.drive(context.unwrap_or(&mut quiet));
        }
        Pin::new(&mut self.inner).poll_frame(&mut quiet)
    }

    /// Nothing to read: looks at what may end the waiting.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        if let Some(farewell) = &mut self.farewell {
            if farewell.as_mut().poll(cx).is_ready() {
                // The client sees a proper end and asks again, as the event stream's protocol has it.
                self.carrier = Carrier::None;
                self.finish();
                return Poll::Ready(None);
            }
            return Poll::Pending;
        }
        self.deadline.start(self.idle);
        if self.deadline.poll(cx).is_ready() {
            self.fail();
            return Poll::Ready(Some(Err(RelayError::Stalled)));
        }
        Poll::Pending
    }

    fn fail(&mut self) {
        self.carrier = Carrier::None;
        // A client that did not finish its request made the instance break off.
        if !self.progress.as_ref().is_some_and(|progress| progress.is_failed()) {
            self.tally.fail();
        }
        self.finish();
    }

    /// The response is complete: keeps the connection, enters the request into the books.
    pub(super) fn finish(&mut self) {
        if let Some(progress) = &self.progress {
            self.tally.bytes_in = progress.bytes();
        }
        self.tally.enter();
        match std::mem::replace(&mut self.carrier, Carrier::None) {
            Carrier::Own(mut link) => {
                if link.is_usable() {
                    link.rest();
                    self.upstream.keep(link, self.visit.worker());
                }
            }
            Carrier::Detached(task) => task.leave(),
            Carrier::Multiplexed | Carrier::None => {}
        }
        self.ticket = None;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(progress) = &self.progress {
            self.tally.bytes_in = progress.bytes();
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Relay(relay) if relay.ticket.is_none() => Poll::Ready(None),
            Self::Relay(relay) => relay.poll_inner(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Relay(relay) => relay.ticket.is_none() || relay.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Relay(relay) => relay.inner.size_hint(),
        }
    }
}
