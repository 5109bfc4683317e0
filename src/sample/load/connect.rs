//! Connections: a pool of kept HTTP/1.1 ones and one shared HTTP/2 one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::trail::Failure;

/// The body of a request.
pub(super) type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// One HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) sender: http1::SendRequest<Body>,
    pub(super) opened: Instant,
    /// Requests sent on it, the present one included.
    pub(super) used: u64,
    received: Arc<AtomicU64>,
}

impl Link {
    /// Bytes received so far.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// The shared HTTP/2 connection.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) sender: http2::SendRequest<Body>,
    pub(super) opened: Instant,
    /// Whether it served a request before this one.
    pub(super) reused: bool,
}

/// The connections of a load.
#[derive(Debug)]
pub(super) struct Connections {
    address: SocketAddr,
    most_idle: usize,
    idle: Mutex<VecDeque<Link>>,
    shared: tokio::sync::Mutex<Option<Shared>>,
}

impl Connections {
    pub(super) fn new(address: SocketAddr, most_idle: usize) -> Self {
        let (idle, shared) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { address, most_idle, idle, shared }
    }

    /// A kept connection that is not known to be closed; `None` when there is none. The longest idle one comes first, so
    /// that all are used and the old ones show what a change of configuration does to them.
    pub(super) async fn kept(&self) -> Option<Link> {
        loop {
            let mut link = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
            if link.sender.ready().await.is_ok() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection whose answer is whole, for the next request.
    pub(super) fn keep(&self, link: Link) {
        if link.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.most_idle {
            idle.push_back(link);
        }
    }

    /// A new TCP connection.
    pub(super) async fn tcp(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A new HTTP/1.1 connection.
    pub(super) async fn open(&self) -> Result<Link, Failure> {
        let stream = self.tcp().await.map_err(|e| Failure::refused(&e))?;
        let received = Arc::new(AtomicU64::new(0));
        let io = TokioIo::new(Counted { stream, received: Arc::clone(&received) });
        let opened = Instant::now();
        let (sender, connection) = http1::handshake(io).await.map_err(|e| Failure::within_body(&e))?;
        tokio::spawn(async move {
            // What goes wrong here reaches the request that waits on the connection.
            let _ = connection.await;
        });
        Ok(Link { sender, opened, used: 0, received })
    }

    /// The shared HTTP/2 connection, made anew when it is closed or when `afresh` asks for it.
    pub(super) async fn shared(&self, afresh: Option<Instant>) -> Result<Shared, Failure> {
        let mut slot = self.shared.lock().await;
        if let Some(shared) = slot.as_mut() {
            // Another request may have replaced the connection that failed this one.
            if !shared.sender.is_closed() && afresh != Some(shared.opened) {
                shared.reused = true;
                return Ok(shared.clone());
            }
        }
        let stream = self.tcp().await.map_err(|e| Failure::refused(&e))?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|e| Failure::within_body(&e))?;
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let shared = Shared { sender, opened: Instant::now(), reused: false };
        *slot = Some(shared.clone());
        Ok(shared)
    }

    /// Closes what is kept.
    pub(super) async fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.shared.lock().await = None;
    }
}

/// A stream that counts the bytes received: whether a request may be repeated depends on whether any byte of an answer came.
#[derive(Debug)]
struct Counted {
    stream: TcpStream,
    received: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.received.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
