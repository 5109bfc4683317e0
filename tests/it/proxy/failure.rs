//! Instances that are away, go away, or never answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tidegate::target::local::proxy::ProxySettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::kit::{Router, client, full, head, instance, nobody, pool, raw, says, text, within};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_refused_connection_is_tried_elsewhere() {
    let addresses = [nobody().await, says("here").await, nobody().await];
    let router = Router::start(ProxySettings::default(), vec![pool("one", 100, &addresses)]).await;
    for _ in 0..12 {
        let post = Request::post(router.url("/")).body(full("some body")).unwrap();
        assert_eq!(
            text(client().request(post).await.unwrap()).await.1,
            "here",
            "nothing was sent yet: a body is no bar"
        );
    }
    assert_eq!(router.counts("one", 12).await.errors, 0);
}

#[tokio::test]
async fn nobody_there_is_a_502_without_an_address() {
    let address = nobody().await;
    let router = Router::before(address).await;
    let (status, sentence) = router.get("/").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(!sentence.contains("127.0.0.1") && !sentence.contains(&address.port().to_string()), "{sentence}");
    let counts = router.counts("one", 1).await;
    assert_eq!((counts.requests, counts.errors), (1, 1));
}

#[tokio::test]
async fn a_new_table_saves_a_request_whose_instances_all_failed() {
    let router = Router::before(nobody().await).await;
    let here = says("here").await;
    let (answer, ()) = tokio::join!(router.get("/"), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        router.table(vec![pool("two", 100, &[here])]);
    });
    assert_eq!(answer.1, "here");
}

/// Answers one request on each connection and closes it `after` that much time, without having said so.
async fn closes_idle(after: Duration, connections: Arc<AtomicUsize>) -> std::net::SocketAddr {
    raw(move |mut stream| {
        let connections = Arc::clone(&connections);
        async move {
            connections.fetch_add(1, Ordering::SeqCst);
            head(&mut stream).await;
            let _ = stream.write_all(OK).await;
            tokio::time::sleep(after).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_stale_connection_costs_no_request() {
    let connections = Arc::new(AtomicUsize::new(0));
    let router = Router::before(closes_idle(Duration::ZERO, Arc::clone(&connections)).await).await;
    for number in 0..50 {
        let method = if number % 2 == 0 { Method::GET } else { Method::POST };
        let request = Request::builder().method(method).uri(router.url("/")).body(full("")).unwrap();
        assert_eq!(text(client().request(request).await.unwrap()).await, (StatusCode::OK, "ok".to_owned()));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 50);
}

#[tokio::test]
async fn a_connection_that_closes_on_the_second_request_is_replaced_for_a_get_only() {
    // The worst moment: the instance reads the request and closes without an answer.
    let address = raw(|mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(OK).await;
        head(&mut stream).await;
    })
    .await;
    let router = Router::before(address).await;
    for _ in 0..20 {
        assert_eq!(router.get("/").await.0, StatusCode::OK);
    }
    let post = |_| {
        let request = Request::post(router.url("/")).body(full("pay")).unwrap();
        async { text(client().request(request).await.unwrap()).await.0 }
    };
    let statuses = [post(0).await, post(1).await, post(2).await, post(3).await];
    assert!(statuses.contains(&StatusCode::BAD_GATEWAY), "a payment is never sent twice: {statuses:?}");
}

#[tokio::test]
async fn kept_connections_are_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let address = raw(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            while !head(&mut stream).await.is_empty() {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    let router = Router::before(address).await;
    for _ in 0..100 {
        assert_eq!(router.get("/").await.1, "ok");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_that_kills_instances_kills_two_at_most() {
    let killed = Arc::new(AtomicUsize::new(0));
    let mut addresses = Vec::new();
    for _ in 0..5 {
        let killed = Arc::clone(&killed);
        addresses.push(
            raw(move |mut stream| {
                let killed = Arc::clone(&killed);
                async move {
                    head(&mut stream).await;
                    killed.fetch_add(1, Ordering::SeqCst);
                }
            })
            .await,
        );
    }
    let router = Router::start(ProxySettings::default(), vec![pool("one", 100, &addresses)]).await;
    assert_eq!(router.get("/poison").await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(killed.load(Ordering::SeqCst), 2);
    assert_eq!(router.counts("one", 1).await.errors, 1);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_not_passed_as_complete() {
    for framing in ["content-length: 100", "transfer-encoding: chunked"] {
        let address = raw(move |mut stream| async move {
            head(&mut stream).await;
            let part = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n4\r\nabcd\r\n");
            let _ = stream.write_all(part.as_bytes()).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        })
        .await;
        let router = Router::before(address).await;
        let response = client().request(Request::get(router.url("/")).body(full("")).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.into_body().collect().await.is_err(), "{framing}");
        let counts = router.counts("one", 1).await;
        assert_eq!((counts.requests, counts.errors), (1, 1), "{framing}");
    }
}

#[tokio::test]
async fn no_head_in_time_is_a_504() {
    let address = instance(|_| async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Response::new(full(""))
    })
    .await;
    let settings =
        ProxySettings { response_header_timeout: Duration::from_millis(100), ..ProxySettings::default() };
    let router = Router::start(settings, vec![pool("one", 100, &[address])]).await;
    assert_eq!(within(5, router.get("/")).await.0, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(router.counts("one", 1).await.errors, 1);
    assert_eq!(router.proxy.in_flight(&super::kit::key("one-0")), 0);
}

#[tokio::test]
async fn a_body_that_stands_still_is_broken_off() {
    let address = raw(|mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc").await;
        let _ = stream.read_u8().await;
    })
    .await;
    let settings = ProxySettings { idle_timeout: Duration::from_millis(100), ..ProxySettings::default() };
    let router = Router::start(settings, vec![pool("one", 100, &[address])]).await;
    let response = client().request(Request::get(router.url("/")).body(full("")).unwrap()).await.unwrap();
    assert!(within(5, response.into_body().collect()).await.is_err());
    assert_eq!(router.counts("one", 1).await.errors, 1);
}

#[tokio::test]
async fn an_upload_that_stands_still_is_a_408_and_no_error_of_the_release() {
    let address = instance(|request| async move {
        let _ = request.into_body().collect().await;
        Response::new(full("done"))
    })
    .await;
    let settings = ProxySettings { idle_timeout: Duration::from_millis(100), ..ProxySettings::default() };
    let router = Router::start(settings, vec![pool("one", 100, &[address])]).await;
    let answer = router.raw("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(router.counts("one", 1).await.errors, 0);
}

#[tokio::test]
async fn a_client_that_goes_away_is_no_error() {
    let address = instance(|_| async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Response::new(full(""))
    })
    .await;
    let router = Router::before(address).await;
    let mut stream = tokio::net::TcpStream::connect(router.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    while router.proxy.in_flight(&super::kit::key("one-0")) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(stream);
    let counts = router.counts("one", 1).await;
    assert_eq!((counts.requests, counts.errors), (1, 0));
    assert_eq!(router.proxy.in_flight(&super::kit::key("one-0")), 0);
}
