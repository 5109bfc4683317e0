//! What a proxy does to messages, and what it leaves alone.

use http::{Method, Request, Response, StatusCode};
use tidegate::target::local::proxy::ProxySettings;
use tokio::io::AsyncWriteExt;

use super::kit::{Router, client, full, head, instance, pool, raw, text};

/// Answers with the head of the request as it arrived, in lower case.
async fn mirror() -> std::net::SocketAddr {
    raw(|mut stream| async move {
        let seen = head(&mut stream).await.to_lowercase();
        let answer = format!("HTTP/1.1 200 OK\r\nconnection: close, x-secret\r\nx-secret: 1\r\nkeep-alive: timeout=5\r\nserver: app\r\ncontent-length: {}\r\n\r\n{seen}", seen.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

#[tokio::test]
async fn headers_of_one_connection_stay_on_it() {
    let router = Router::before(mirror().await).await;
    let answer = router
        .raw("GET /p?q=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 3\r\nProxy-Connection: x\r\nTE: trailers, gzip\r\nX-Stays: 1\r\n\r\n")
        .await;
    let (response, request) = answer.split_once("\r\n\r\n").unwrap();
    assert!(request.starts_with("get /p?q=1 http/1.1\r\n"), "{request}");
    assert!(request.contains("host: shop.example\r\n") && request.contains("x-stays: 1"), "{request}");
    assert!(request.contains("te: trailers\r\n"), "{request}");
    for gone in ["x-hop", "keep-alive", "proxy-connection", "gzip", "connection: close"] {
        assert!(!request.contains(gone), "{gone} in {request}");
    }
    assert!(response.contains("server: app"), "{response}");
    for gone in ["x-secret", "keep-alive"] {
        assert!(!response.contains(gone), "{gone} in {response}");
    }
}

#[tokio::test]
async fn the_client_is_named_to_the_instance() {
    let router = Router::before(mirror().await).await;
    let request = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nForwarded: for=9.9.9.9\r\n\r\n";
    let seen = router.raw(request).await;
    for line in [
        "x-forwarded-for: 127.0.0.1\r\n",
        "x-forwarded-proto: http\r\n",
        "x-forwarded-host: shop.example\r\n",
    ] {
        assert!(seen.contains(line), "{line} in {seen}");
    }
    assert!(!seen.contains("9.9.9.9"), "what a client claims is not believed: {seen}");
    router.proxy.configure(ProxySettings { trust_forwarded: true, ..ProxySettings::default() });
    let seen = router.raw(request).await;
    for line in [
        "x-forwarded-for: 9.9.9.9, 127.0.0.1\r\n",
        "x-forwarded-proto: https\r\n",
        "forwarded: for=9.9.9.9\r\n",
    ] {
        assert!(seen.contains(line), "{line} in {seen}");
    }
}

#[tokio::test]
async fn an_absolute_target_becomes_a_path_and_a_host() {
    let router = Router::before(mirror().await).await;
    let seen = router
        .raw("GET http://real.example/x HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n")
        .await;
    assert!(seen.contains("get /x http/1.1\r\n") && seen.contains("host: real.example\r\n"), "{seen}");
    let seen = router.raw("GET /old HTTP/1.0\r\n\r\n").await;
    assert!(seen.contains("get /old http/1.1\r\n") && seen.contains("host: localhost\r\n"), "{seen}");
    assert!(seen.starts_with("HTTP/1.0 200 "), "{seen}");
}

#[tokio::test]
async fn responses_without_a_body_are_passed_right() {
    let address = instance(|request| async move {
        let mut response = Response::new(full(""));
        match request.uri().path() {
            "/204" => *response.status_mut() = StatusCode::NO_CONTENT,
            "/304" => {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response.headers_mut().insert("etag", "\"1\"".parse().unwrap());
            }
            _ => *response.body_mut() = full("a body of 20 bytes..."),
        }
        response
    })
    .await;
    let router = Router::before(address).await;
    let ask = |method: Method, path: &str| {
        client().request(Request::builder().method(method).uri(router.url(path)).body(full("")).unwrap())
    };
    let response = ask(Method::HEAD, "/").await.unwrap();
    assert_eq!(response.headers()["content-length"], "21");
    assert_eq!(text(response).await.1, "");
    for (path, status) in [("/204", 204), ("/304", 304)] {
        let response = ask(Method::GET, path).await.unwrap();
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("content-length"), "{:?}", response.headers());
        assert_eq!(text(response).await.1, "");
    }
    assert_eq!(router.counts("one", 3).await.requests, 3);
    assert_eq!(router.proxy.in_flight(&super::kit::key("one-0")), 0);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let address =
        instance(|request| async move { Response::new(full(request.uri().path().to_owned())) }).await;
    let router = Router::start(ProxySettings::default(), vec![pool("one", 100, &[address])]).await;
    let answer = router
        .raw("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\nGET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    let places: Vec<_> =
        ["\r\n\r\n/1", "\r\n\r\n/2", "\r\n\r\n/3"].iter().map(|path| answer.find(path)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{answer}");
}
