//! Requests that are wrong, or never end.

use std::time::Duration;

use tidegate::target::local::proxy::ProxySettings;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::kit::{Router, pool, raw, says, within};

#[tokio::test]
async fn wrong_heads_are_answered_and_reach_nobody() {
    let router = Router::before(says("reached").await).await;
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(5_000));
    for (request, status) in [
        ("GARBAGE\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nconnection: close\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", "400"),
        ("CONNECT other:443 HTTP/1.1\r\nhost: other:443\r\n\r\n", "501"),
        (&long, "431"),
        (&many, "431"),
    ] {
        let answer = router.raw(request).await;
        let short = &request[..request.len().min(60)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{short:?}: {answer:?}");
        assert!(!answer.contains("reached"));
    }
    assert_eq!(router.get("/").await.1, "reached", "the router is well");
}

#[tokio::test]
async fn a_length_beside_a_transfer_coding_does_not_smuggle() {
    let address = raw(|mut stream| async move {
        let mut buffer = vec![0; 4096];
        let mut all = Vec::new();
        while !all.ends_with(b"0\r\n\r\n") {
            let Ok(count @ 1..) = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await else {
                return;
            };
            all.extend_from_slice(&buffer[..count]);
        }
        let seen = String::from_utf8(all).unwrap().to_lowercase();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{seen}", seen.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let router = Router::before(address).await;
    let answer = router
        .raw("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n")
        .await;
    let (_, seen) = answer.split_once("\r\n\r\n").unwrap();
    // Either refused outright or passed on with one meaning.
    assert!(
        answer.starts_with("HTTP/1.1 400") || (!seen.contains("content-length") && seen.contains("abcde")),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_that_dawdles_is_cut() {
    let settings =
        ProxySettings { client_header_timeout: Duration::from_millis(300), ..ProxySettings::default() };
    let router = Router::start(settings, vec![pool("one", 100, &[says("x").await])]).await;
    for start in ["", "P", "GET / HTTP/1.1\r\nhost: a\r\nx: "] {
        let mut stream = TcpStream::connect(router.address).await.unwrap();
        let (mut read, mut write) = stream.split();
        write.write_all(start.as_bytes()).await.unwrap();
        let drip = async {
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if start.len() > 5 && write.write_all(b"y").await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let mut rest = Vec::new();
        tokio::select! {
            () = drip => unreachable!(),
            _ = within(5, tokio::io::AsyncReadExt::read_to_end(&mut read, &mut rest)) => {}
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let address = raw(|mut stream| async move {
        super::kit::head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
        let block = vec![0; 1 << 16];
        while stream.write_all(&block).await.is_ok() {}
    })
    .await;
    let settings = ProxySettings { idle_timeout: Duration::from_millis(300), ..ProxySettings::default() };
    let router = Router::start(settings, vec![pool("one", 100, &[address])]).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let counts = within(10, async {
        loop {
            let counts = router.counts("one", 1).await;
            if counts.requests == 1 {
                return counts;
            }
        }
    })
    .await;
    assert_eq!(counts.errors, 0, "the client's fault");
    assert_eq!(router.proxy.in_flight(&super::kit::key("one-0")), 0);
}

#[tokio::test]
async fn a_wrong_response_is_a_502() {
    let address = raw(|mut stream| async move {
        super::kit::head(&mut stream).await;
        let _ = stream.write_all(b"NONSENSE 200\r\n\r\n").await;
    })
    .await;
    let router = Router::before(address).await;
    assert_eq!(router.get("/").await.0, http::StatusCode::BAD_GATEWAY);
    assert_eq!(router.counts("one", 1).await.errors, 1);
}
