//! The router as a program of its own, and a small instance for it: what `tests/bench/proxy_vs_nginx.sh` compares with nginx.
//!
//! `proxy --route LISTEN WORKERS INSTANCE` routes; `proxy --instance LISTEN` answers every request with 64 bytes. Without
//! either it does nothing, so that `cargo bench` and `cargo test` may run it.

use std::net::SocketAddr;

use tidegate::rollout::{ReleaseId, Weight};
use tidegate::target::local::proxy::{Instance, InstanceKey, Pool, Proxy, ProxySettings, Table};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--route", listen, workers, instance] => route(listen.parse()?, workers.parse()?, instance.parse()?),
        ["--instance", listen] => answer(listen.parse()?),
        _ => Ok(()),
    }
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn route(listen: SocketAddr, workers: usize, instance: SocketAddr) -> Outcome {
    runtime()?.block_on(async {
        let proxy = Proxy::new(ProxySettings { workers, ..ProxySettings::default() });
        let instances = vec![Instance { key: InstanceKey::new("bench-0"), address: instance }];
        let release = ReleaseId::new("bench");
        let version = "1.0.0".to_owned();
        let pool = Pool { release, version, weight: Weight::FULL, candidate: false, instances };
        proxy.set_table(Table { pools: vec![pool] });
        proxy.serve(TcpListener::bind(listen).await?, CancellationToken::new()).await;
        Ok(())
    })
}

/// As little as an HTTP server can be: it answers each read that ends a head, and looks at nothing else.
fn answer(listen: SocketAddr) -> Outcome {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 64\r\n\r\n\
        0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    runtime()?.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            drop(tokio::spawn(async move {
                let mut buffer = [0; 8192];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    let ends = buffer.get(..count).is_some_and(|bytes| bytes.ends_with(b"\r\n\r\n"));
                    if ends && stream.write_all(ANSWER).await.is_err() {
                        break;
                    }
                }
            }));
        }
    })
}
