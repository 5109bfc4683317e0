//! The listening socket for requests.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ports;
use crate::target::TargetError;
use crate::target::local::control::failure;
use crate::target::local::proxy::Proxy;

/// Connections that the kernel holds while nobody accepts, as during a change of supervisors.
const BACKLOG: u32 = 4096;

/// How long an address is asked for that a supervisor before this one may be just leaving.
const PATIENCE: Duration = Duration::from_secs(5);

/// An address at which requests are served.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// The same socket once more, to be handed to the standby.
    pub(crate) socket: TcpListener,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Door {
    /// Serves at a socket that listens already.
    pub(crate) fn open(socket: TcpListener, proxy: &Proxy) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(socket.try_clone()?)?;
        let stop = CancellationToken::new();
        let (proxy, token) = (proxy.clone(), stop.clone());
        let task = tokio::spawn(async move { proxy.serve(listener, token).await });
        Ok(Self { address, socket, stop, task })
    }

    /// Takes no more connections, finishes the requests in flight within `time`, and leaves the address.
    pub(crate) async fn close(self, time: Duration) {
        self.stop.cancel();
        let abort = self.task.abort_handle();
        if tokio::time::timeout(time, self.task).await.is_err() {
            tracing::warn!("requests at {} did not end within {time:?}; broken off", self.address);
            abort.abort();
        }
    }
}

/// Binds an address.
///
/// # Errors
/// `port-taken` naming the address and, where `/proc` tells, the holder.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, TargetError> {
    let listen = || {
        let socket = if address.is_ipv4() {
            tokio::net::TcpSocket::new_v4()?
        } else {
            tokio::net::TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listen().map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => {
            let holder = match ports::holder(address) {
                Some((pid, name)) => format!(" by process {pid} ({name})"),
                None => String::new(),
            };
            failure(
                "port-taken",
                format!("{address} is in use{holder}"),
                "stop that program or choose another port",
            )
        }
        std::io::ErrorKind::PermissionDenied => failure(
            "port-taken",
            format!("this user may not listen on {address}"),
            "choose a port from 1024 upwards, or allow the port to the binary with setcap",
        ),
        _ => failure("port-taken", format!("cannot listen on {address}: {e}"), "correct the address"),
    })
}

/// Opens the address of a supervisor that ended: the one that it had, else the one that the settings name.
pub(crate) async fn reopen(
    had: Option<SocketAddr>,
    wanted: SocketAddr,
    proxy: &Proxy,
) -> Result<Door, TargetError> {
    let first = had.filter(|h| wanted.port() == 0 || *h == wanted).unwrap_or(wanted);
    let until = Instant::now() + PATIENCE;
    let socket = loop {
        match bind(first) {
            Ok(socket) => break socket,
            Err(e) if Instant::now() > until => {
                if first == wanted {
                    return Err(e);
                }
                break bind(wanted)?;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    Door::open(socket, proxy).map_err(|e| unusable(wanted, &e))
}

/// A socket that was bound and cannot be served.
pub(crate) fn unusable(address: SocketAddr, error: &std::io::Error) -> TargetError {
    failure("port-taken", format!("cannot serve at {address}: {error}"), "correct the address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_told_with_its_holder() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = bind(held.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.code, "port-taken");
        assert!(error.sentence.contains(&format!("by process {}", std::process::id())), "{}", error.sentence);
    }
}
