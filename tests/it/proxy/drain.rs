//! Taking instances away, and the router itself.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tidegate::target::local::proxy::ProxySettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::kit::{Body, Router, client, full, head, instance, key, pool, says, within};

/// A body of so many pieces, one every so often.
fn drips(pieces: usize, pause: Duration) -> Body {
    let drops = stream::unfold(0, move |number| async move {
        if number == pieces {
            return None;
        }
        tokio::time::sleep(pause).await;
        Some((Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"data: drop\n\n"))), number + 1))
    });
    BodyExt::boxed(StreamBody::new(
        Box::pin(drops) as std::pin::Pin<Box<dyn stream::Stream<Item = _> + Send + Sync>>
    ))
}

#[tokio::test]
async fn a_drain_waits_for_a_slow_body() {
    let address = instance(|_| async { Response::new(drips(6, Duration::from_millis(50))) }).await;
    let router = Router::before(address).await;
    let response = client().request(Request::get(router.url("/")).body(full("")).unwrap()).await.unwrap();
    router.table(vec![pool("two", 100, &[says("new").await])]);
    assert_eq!(router.proxy.in_flight(&key("one-0")), 1);
    let start = Instant::now();
    let (body, ()) = tokio::join!(response.into_body().collect(), within(5, router.drained(Duration::ZERO)));
    assert_eq!(body.unwrap().to_bytes().len(), 6 * 12);
    assert!(start.elapsed() > Duration::from_millis(150), "{:?}", start.elapsed());
    assert_eq!(router.proxy.in_flight(&key("one-0")), 0);
    within(1, router.proxy.wait_drained(&key("never-seen"), Duration::ZERO)).await;
}

#[tokio::test]
async fn an_event_stream_ends_properly_after_the_grace() {
    let address = instance(|_| async {
        let mut response = Response::new(drips(100_000, Duration::from_millis(20)));
        response.headers_mut().insert("content-type", "text/event-stream; charset=utf-8".parse().unwrap());
        response
    })
    .await;
    let router = Router::before(address).await;
    let response = client().request(Request::get(router.url("/")).body(full("")).unwrap()).await.unwrap();
    assert_eq!(router.counts("one", 1).await.errors, 0, "counted at its head");
    router.table(Vec::new());
    let start = Instant::now();
    let drained = router.drained(Duration::from_millis(150));
    let (body, ()) = within(5, async { tokio::join!(response.into_body().collect(), drained) }).await;
    assert!(body.is_ok(), "the client sees a proper end");
    assert!(start.elapsed() >= Duration::from_millis(150));
    assert_eq!(router.counts("one", 1).await.errors, 0);
}

#[tokio::test]
async fn a_stop_lets_requests_end_and_closes_idle_connections() {
    let address = instance(|_| async { Response::new(drips(5, Duration::from_millis(40))) }).await;
    let settings = ProxySettings { workers: 2, ..ProxySettings::default() };
    let router = Router::start(settings, vec![pool("one", 100, &[address])]).await;
    let mut idle = TcpStream::connect(router.address).await.unwrap();
    let mut used = TcpStream::connect(router.address).await.unwrap();
    used.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut late = TcpStream::connect(router.address).await.unwrap();
    late.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    while router.proxy.in_flight(&key("one-0")) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    router.stop.cancel();
    let mut nothing = Vec::new();
    within(2, idle.read_to_end(&mut nothing)).await.unwrap();
    assert!(nothing.is_empty());
    let mut answer = String::new();
    within(5, used.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
    drop(late);
    within(5, router.serving).await.unwrap();
    assert!(TcpStream::connect(router.address).await.is_err(), "the port is free");
}

#[tokio::test]
async fn a_response_after_the_stop_says_close() {
    let address = instance(|_| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Response::new(full("x"))
    })
    .await;
    let router = Router::before(address).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    while router.proxy.in_flight(&key("one-0")) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    router.stop.cancel();
    let answer = head(&mut stream).await.to_lowercase();
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_stop_cuts_what_does_not_end() {
    let address = instance(|_| async { Response::new(drips(100_000, Duration::from_millis(20))) }).await;
    let settings = ProxySettings { shutdown_grace: Duration::from_millis(200), ..ProxySettings::default() };
    let router = Router::start(settings, vec![pool("one", 100, &[address])]).await;
    let response = client().request(Request::get(router.url("/")).body(full("")).unwrap()).await.unwrap();
    router.stop.cancel();
    let start = Instant::now();
    let (body, done) = tokio::join!(response.into_body().collect(), within(5, router.serving));
    done.unwrap();
    assert!(body.is_err(), "what was cut does not look complete");
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_client_that_was_let_in_before_the_stop_is_answered() {
    for workers in [0, 2] {
        let settings = ProxySettings { workers, ..ProxySettings::default() };
        let router = Router::start(settings, vec![pool("one", 100, &[says("here").await])]).await;
        let mut visitors = Vec::new();
        for _ in 0..20 {
            visitors.push(TcpStream::connect(router.address).await.unwrap());
        }
        // Let in by the router, not only by the kernel.
        tokio::time::sleep(Duration::from_millis(50)).await;
        router.stop.cancel();
        tokio::time::sleep(Duration::from_millis(50)).await;
        for visitor in &mut visitors {
            visitor.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            within(2, visitor.read_to_string(&mut answer)).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{workers} workers: {answer:?}");
            assert!(answer.to_lowercase().contains("connection: close"), "{answer:?}");
        }
    }
}
