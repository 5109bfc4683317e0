//! An upgraded connection: bytes both ways until one side ends it, or until it has to make way.

use std::future::Future;
use std::io::Cursor;
use std::pin::pin;

use futures_util::future::{Either, select};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::frame::{Frames, GOING_AWAY, GOING_AWAY_MASKED};
use super::link::Link;
use super::load::{GOODBYE, Ticket};
use super::meter::Tally;

/// Bytes that are moved at once.
const BUFFER: usize = 16 * 1024;

/// Two connections that were changed to another protocol, and what ends with them.
pub(super) struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) instance: Box<Link>,
    pub(super) websocket: bool,
    pub(super) ticket: Ticket,
    pub(super) tally: Tally,
    /// The router stops.
    pub(super) goodbye: CancellationToken,
    /// Nothing may go on.
    pub(super) cut: CancellationToken,
}

impl Tunnel {
    /// Moves bytes until both sides have ended.
    pub(super) async fn run(self) {
        let Self { client, instance, websocket, ticket, mut tally, goodbye, cut } = self;
        let farewell = ticket.farewell();
        let leave = || async {
            tokio::select! {
                () = farewell.cancelled() => {}
                () = goodbye.cancelled() => {}
            }
        };
        // A peer that takes nothing any more must not keep the other from its end.
        let overdue = async {
            leave().await;
            sleep(GOODBYE * 2).await;
        };
        let carry = async {
            let both = async { tokio::join!(client, instance.hand_over()) };
            let Ok((Ok(client), (instance, early))) = timeout(GOODBYE, both).await else { return };
            let (from_client, to_client) = split(TokioIo::new(client));
            let (from_instance, to_instance) = instance.into_split();
            // What came with the head of the response is the beginning of the new protocol.
            let from_instance = AsyncReadExt::chain(Cursor::new(early), from_instance);
            // WebSocket peers say goodbye to each other; other protocols have no such word and are closed.
            let (down, up) =
                if websocket { (&GOING_AWAY[..], &GOING_AWAY_MASKED[..]) } else { (&[][..], &[][..]) };
            let down =
                Direction { from: from_instance, to: to_client, goodbye: down, moved: &mut tally.bytes_out };
            let up =
                Direction { from: from_client, to: to_instance, goodbye: up, moved: &mut tally.bytes_in };
            let (down, up) = (pin!(down.carry(leave())), pin!(up.carry(leave())));
            match select(down, up).await {
                // An instance that has ended does not listen any more; the client has a moment to see it.
                Either::Left(((), up)) => drop(timeout(GOODBYE, up).await),
                Either::Right(((), down)) if websocket => drop(timeout(GOODBYE, down).await),
                // A client may end its half and wait for the rest of the answer.
                Either::Right(((), down)) => down.await,
            }
        };
        tokio::select! {
            () = cut.cancelled() => {}
            () = overdue => {}
            () = carry => {}
        }
        drop(ticket);
    }
}

/// One way of a tunnel.
struct Direction<'a, R, W> {
    from: R,
    to: W,
    goodbye: &'a [u8],
    moved: &'a mut u64,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Direction<'_, R, W> {
    /// Moves bytes until the sender ends, or until `leave` and the next boundary between frames.
    async fn carry(mut self, leave: impl Future<Output = ()>) {
        let mut frames = Frames::default();
        let mut buffer = vec![0; BUFFER];
        tokio::pin!(leave);
        loop {
            let read = tokio::select! {
                biased;
                () = &mut leave => break,
                read = self.from.read(&mut buffer) => read,
            };
            let bytes = match read {
                Ok(count) if count > 0 => buffer.get(..count).unwrap_or_default(),
                // A side that ends its half may still listen; the other direction goes on until it ends too.
                _ => {
                    let _ = self.to.shutdown().await;
                    return;
                }
            };
            frames.advance(bytes, false);
            if self.to.write_all(bytes).await.is_err() {
                return;
            }
            *self.moved += bytes.len() as u64;
        }
        let _ = timeout(GOODBYE, self.part(&mut frames, &mut buffer)).await;
    }

    /// Sends what belongs to the frame under way, then the goodbye; then reads on without sending, so that the peer's own
    /// goodbye is taken and its connection is not reset.
    async fn part(&mut self, frames: &mut Frames, buffer: &mut [u8]) -> std::io::Result<()> {
        if self.goodbye.is_empty() {
            return self.to.shutdown().await;
        }
        while !frames.at_boundary() {
            let count = self.from.read(buffer).await?;
            let bytes = buffer.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            let ours = frames.advance(bytes, true);
            self.to.write_all(bytes.get(..ours).unwrap_or_default()).await?;
            *self.moved += ours as u64;
        }
        self.to.write_all(self.goodbye).await?;
        self.to.flush().await?;
        while self.from.read(buffer).await? > 0 {}
        self.to.shutdown().await
    }
}
