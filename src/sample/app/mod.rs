//! The sample app: a small HTTP service with every kind of traffic that a deployment can break, and with faults to order.
//!
//! | path | answer |
//! |---|---|
//! | `/` | `{version, instance}` |
//! | `/health` | `{status, version, timestamp, dependencies}`; 503 while it is not ready and while it ends |
//! | `/slow?ms=N` | after `N` ms |
//! | `/bytes?n=N` | `N` bytes, streamed |
//! | `POST /upload` | `{bytes}`: how many came |
//! | `/events?n=N&every=MS` | Server-Sent Events |
//! | `/poll?ms=N` | a long poll: after `N` ms, or at once when the app ends |
//! | `/ws` | a WebSocket that echoes |
//! | `/status/NNN` | that status |
//! | `/metrics` | Prometheus text |
//!
//! It speaks HTTP/1.1 and HTTP/2 in clear text (prior knowledge, RFC 9113 section 3.3) on one port. Each answer carries its
//! version in [`VERSION_HEADER`](super::VERSION_HEADER).

mod body;
mod connection;
mod endpoints;
mod fate;
mod metrics;
mod options;
mod websocket;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use endpoints::App;
pub use options::{AppOptions, Faults};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::SampleError;

/// How long the end waits for requests in flight. The contract is ten seconds; the rest is for the way out.
const DRAIN_LIMIT: Duration = Duration::from_millis(9500);
/// The pause after an accept that failed, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Runs the sample app on the address of its options until SIGTERM or SIGINT, then lets requests in flight end, for ten seconds at most.
///
/// # Errors
/// [`SampleError`] when the port is taken, when the version cannot be a header, and when the crash that
/// `SAMPLE_EXIT_AFTER_MS` asks for is due: the caller ends the process with [`SampleError::exit_code`].
pub async fn serve(options: AppOptions) -> Result<(), SampleError> {
    let stop = CancellationToken::new();
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let [terminate, interrupt] = signals.map(|s| s.map_err(SampleError::Signal));
    let ignores = options.faults.ignore_term;
    let _watch = AbortOnDropHandle::new(tokio::spawn(watch(terminate?, interrupt?, ignores, stop.clone())));

    let delay = Duration::from_millis(options.faults.start_delay_ms);
    if stop.run_until_cancelled(sleep(delay)).await.is_none() {
        return Ok(());
    }
    let address = SocketAddr::from((options.host, options.port));
    let listener =
        TcpListener::bind(address).await.map_err(|source| SampleError::Bind { address, source })?;
    serve_on(listener, options, stop).await
}

/// Runs the sample app on a socket that already listens, until `stop` fires; then as [`serve`] does. The address in `options`,
/// the delay of the start and the deafness to SIGTERM mean nothing here.
///
/// # Errors
/// As [`serve`], the port excepted.
pub async fn serve_on(
    listener: TcpListener,
    options: AppOptions,
    stop: CancellationToken,
) -> Result<(), SampleError> {
    let address = listener.local_addr().map_err(SampleError::Listener)?;
    let (exit_after, code) = (options.faults.exit_after(), options.faults.exit_code);
    let app = Arc::new(App::new(options, address.port(), stop.clone())?);
    tracing::info!(%address, version = app.version, instance = app.instance, "sample app: listening");

    // Whichever way this function is left, nothing of the app outlives it.
    let _kill = app.kill.clone().drop_guard();
    let life = async {
        stop.run_until_cancelled(accept(&listener, &app)).await;
        take_the_rest(listener, &app);
        app.tasks.close();
        if tokio::time::timeout(DRAIN_LIMIT, app.tasks.wait()).await.is_err() {
            tracing::warn!(
                open = app.tasks.len(),
                "sample app: connections did not end in time and are cut off"
            );
        }
    };
    let crash = async {
        match exit_after {
            Some(after) => sleep(after).await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = life => Ok(()),
        () = crash => Err(SampleError::Crashed { code }),
    }
}

/// Takes connections for ever.
async fn accept(listener: &TcpListener, app: &Arc<App>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => connection::spawn(app, stream),
            Err(error) => {
                tracing::warn!(%error, "sample app: cannot take a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Takes the connections that the system has already made for us, which are ours to answer, and closes the socket.
///
/// The system is asked directly: tokio knows of a connection only once its driver has run, and would say that there is none.
fn take_the_rest(listener: TcpListener, app: &Arc<App>) {
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, _)) = listener.accept() {
        match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
            Ok(stream) => connection::spawn(app, stream),
            Err(error) => tracing::warn!(%error, "sample app: cannot take a connection"),
        }
    }
}

/// Fires `stop` on the first signal that counts.
async fn watch(
    mut terminate: Signal,
    mut interrupt: Signal,
    ignores_terminate: bool,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            _ = terminate.recv() => if !ignores_terminate { break },
            _ = interrupt.recv() => break,
        }
    }
    stop.cancel();
}
