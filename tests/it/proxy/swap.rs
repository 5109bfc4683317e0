//! Tables that change under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Request;
use tidegate::target::local::proxy::ProxySettings;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::kit::{Router, client, full, key, pool, text, within};

/// An instance that can be stopped like a process: its listener and all its connections go at once.
async fn mortal(killed: CancellationToken) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        let service = hyper::service::service_fn(|_| async {
            tokio::time::sleep(Duration::from_micros(300)).await;
            Ok::<_, std::convert::Infallible>(http::Response::new(full("ok")))
        });
        loop {
            tokio::select! {
                () = killed.cancelled() => return,
                Ok((stream, _)) = listener.accept() => {
                    let io = hyper_util::rt::TokioIo::new(stream);
                    connections.spawn(async move {
                        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                    });
                }
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_replaced_every_few_milliseconds_lose_no_request() {
    replaced_under_load(ProxySettings::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_do_they_with_threads_of_its_own() {
    replaced_under_load(ProxySettings { workers: 2, ..ProxySettings::default() }).await;
}

async fn replaced_under_load(settings: ProxySettings) {
    let first = CancellationToken::new();
    let router = Router::start(settings, vec![pool("r0", 100, &[mortal(first.clone()).await])]).await;
    let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut senders = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (url, done, answered) = (router.url("/"), Arc::clone(&done), Arc::clone(&answered));
        senders.spawn(async move {
            let client = client();
            while !done.load(Ordering::Relaxed) {
                // Neither may be lost: what is safe to repeat, and what is not.
                let request = if number % 2 == 0 { Request::get(&url) } else { Request::post(&url) };
                let request = request.body(full(if number % 2 == 0 { "" } else { "pay" })).unwrap();
                let (status, body) = text(client.request(request).await.unwrap()).await;
                assert!(status.is_success(), "{status} {body}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut kill = first;
    for round in 1..=100 {
        let next = CancellationToken::new();
        let name = format!("r{round}");
        router.table(vec![pool(&name, 100, &[mortal(next.clone()).await])]);
        let gone = key(&format!("r{}-0", round - 1));
        within(5, router.proxy.wait_drained(&gone, Duration::ZERO)).await;
        kill.cancel();
        kill = next;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    done.store(true, Ordering::Relaxed);
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
    let answered = answered.load(Ordering::Relaxed);
    assert!(answered > 500, "{answered} requests are no load");
    let counts = router.proxy.counts();
    assert_eq!(counts.values().map(|counts| counts.errors).sum::<u64>(), 0);
    assert_eq!(counts.values().map(|counts| counts.requests).sum::<u64>(), answered);
}
