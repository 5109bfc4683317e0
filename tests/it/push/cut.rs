//! A way to a registry that breaks: connections are cut after a number of bytes, in either direction.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Where connections are cut: so many bytes there, so many back. When there are no more, none is cut.
pub(crate) type Cuts = Arc<Mutex<VecDeque<(usize, usize)>>>;

/// The address of a way to `target` that breaks.
pub(crate) async fn way(target: SocketAddr, cuts: Vec<(usize, usize)>) -> (SocketAddr, Cuts) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cuts: Cuts = Arc::new(Mutex::new(cuts.into()));
    let left = Arc::clone(&cuts);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                // The first bytes of a client that tries https are no request; some connections are made and never used.
                let (there, back) = match is_https(&near).await {
                    true => (usize::MAX, usize::MAX),
                    false => left.lock().unwrap().pop_front().unwrap_or((usize::MAX, usize::MAX)),
                };
                let Ok(far) = TcpStream::connect(target).await else { return };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                // Whichever ends first ends both.
                tokio::select! {
                    () = carry(near_in, far_out, there) => {}
                    () = carry(far_in, near_out, back) => {}
                }
            });
        }
    });
    (address, cuts)
}

async fn is_https(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1)) && first[0] == 0x16
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut left: usize) {
    let mut part = vec![0; 16 << 10];
    while left > 0 {
        let wanted = part.len().min(left);
        let Ok(read @ 1..) = from.read(&mut part[..wanted]).await else { return };
        if to.write_all(&part[..read]).await.is_err() {
            return;
        }
        left = left.saturating_sub(read);
    }
}

/// The address of a way to `target` that changes one byte of each connection that has so many.
pub(crate) async fn bending(target: SocketAddr, at: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(far) = TcpStream::connect(target).await else { return };
                let ((mut near_in, near_out), (far_in, mut far_out)) = (near.into_split(), far.into_split());
                let there = async {
                    let (mut part, mut seen) = (vec![0; 16 << 10], 0);
                    while let Ok(read @ 1..) = near_in.read(&mut part).await {
                        if (seen..seen + read).contains(&at) {
                            part[at - seen] ^= 1;
                        }
                        seen += read;
                        if far_out.write_all(&part[..read]).await.is_err() {
                            return;
                        }
                    }
                };
                tokio::select! {
                    () = there => {}
                    () = carry(far_in, near_out, usize::MAX) => {}
                }
            });
        }
    });
    address
}
