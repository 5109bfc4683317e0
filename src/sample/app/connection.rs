//! One connection of the sample app.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::endpoints::App;

/// How long a connection without any request is kept when the app ends: its first request may be on the way.
const FIRST_REQUEST: Duration = Duration::from_millis(200);
/// What HTTP/2 connections begin with, as far as it takes to know them: no method begins so (RFC 9113 section 3.4).
const HTTP2_BEGINS: &[u8] = b"PRI ";

/// Serves a connection until it ends or the app is killed.
pub(super) fn spawn(app: &Arc<App>, stream: TcpStream) {
    let task = run(Arc::clone(app), stream);
    let kill = app.kill.clone();
    app.tasks.spawn(async move { kill.run_until_cancelled_owned(task).await });
}

/// The protocol is found by a look at the first bytes rather than by hyper-util's automatic builder: that one drops a
/// connection whose first bytes it has not read yet when a graceful end begins, and with it a request that is already there.
async fn run(app: Arc<App>, stream: TcpStream) {
    // Without this an answer in two writes waits 40 ms for the other side's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let begins = tokio::select! {
        begins = begins_as_http2(&stream) => begins,
        () = async { app.stop.cancelled().await; sleep(FIRST_REQUEST).await } => None,
    };
    let Some(is_http2) = begins else { return };
    // Biased below: hyper closes a connection at once when it is asked to end before it has read anything. The first poll
    // reads the request that is waiting, after which the end waits for its answer.
    let (io, stop) = (TokioIo::new(stream), app.stop.clone());
    let service = service_fn(move |request| Arc::clone(&app).respond(request));
    let ended = if is_http2 {
        let mut connection = Box::pin(
            http2::Builder::new(TokioExecutor::new()).timer(TokioTimer::new()).serve_connection(io, service),
        );
        tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    } else {
        let mut connection = Box::pin(
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(io, service).with_upgrades(),
        );
        tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "sample app: connection ended");
    }
}

/// Whether the connection begins as HTTP/2 does; `None` when it ends before that can be told.
async fn begins_as_http2(stream: &TcpStream) -> Option<bool> {
    let mut first = [0; HTTP2_BEGINS.len()];
    loop {
        let seen = match stream.peek(&mut first).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => &first[..length],
        };
        if !HTTP2_BEGINS.starts_with(seen) {
            return Some(false);
        }
        if seen.len() == HTTP2_BEGINS.len() {
            return Some(true);
        }
        // The bytes stay in the socket, which therefore stays readable: without a pause this would spin.
        sleep(Duration::from_millis(1)).await;
    }
}
