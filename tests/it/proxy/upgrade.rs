//! WebSockets and other protocols.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use super::kit::{Router, head, key, raw, within};

/// An instance that echoes messages and tells with which code a connection was closed.
async fn echo(closed: mpsc::UnboundedSender<Option<u16>>) -> std::net::SocketAddr {
    raw(move |stream| {
        let closed = closed.clone();
        async move {
            let Ok(mut socket) = accept_async(stream).await else { return };
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Close(frame) = message {
                    let _ = closed.send(frame.map(|frame| frame.code.into()));
                    continue;
                }
                if socket.send(message).await.is_err() {
                    break;
                }
            }
        }
    })
    .await
}

async fn open(router: &Router) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(router.address).await.unwrap();
    let (socket, response) = client_async("ws://shop.example/chat", stream).await.unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["x-tidegate-version"], "v-one");
    socket
}

#[tokio::test]
async fn a_websocket_is_carried_both_ways() {
    let (closed, _seen) = mpsc::unbounded_channel();
    let router = Router::before(echo(closed).await).await;
    let mut socket = open(&router).await;
    for text in ["hello", &"long ".repeat(50_000)] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(within(5, socket.next()).await.unwrap().unwrap(), Message::text(text));
    }
    assert_eq!(router.proxy.in_flight(&key("one-0")), 1, "counts for as long as it is open");
    assert_eq!(router.counts("one", 1).await.errors, 0);
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = within(5, socket.next()).await {}
    within(5, router.drained(Duration::from_secs(60))).await;
}

#[tokio::test]
async fn a_drain_says_going_away_to_both_sides() {
    let (closed, mut seen) = mpsc::unbounded_channel();
    let router = Router::before(echo(closed).await).await;
    let mut socket = open(&router).await;
    socket.send(Message::text("hello")).await.unwrap();
    within(5, socket.next()).await.unwrap().unwrap();
    router.table(Vec::new());
    let start = Instant::now();
    let grace = Duration::from_millis(200);
    let client = async {
        let mut code = None;
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(Some(frame)) = message {
                assert!(start.elapsed() >= grace, "not before the grace");
                code = Some(frame.code);
            }
        }
        code
    };
    let (code, ()) = within(10, async { tokio::join!(client, router.drained(grace)) }).await;
    assert_eq!(code, Some(CloseCode::Away));
    assert_eq!(within(5, seen.recv()).await.unwrap(), Some(1001));
    assert_eq!(router.proxy.in_flight(&key("one-0")), 0);
}

#[tokio::test]
async fn the_close_frame_waits_for_the_end_of_a_frame() {
    // The instance stands in the middle of a frame of 10 bytes when the drain begins.
    let address = raw(|mut stream| async move {
        head(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .await;
        let _ = stream.write_all(b"\x82\x0a01234").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let _ = stream.write_all(b"56789\x82\x01x").await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let router = Router::before(address).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    head(&mut stream).await;
    let mut part = [0; 7];
    within(5, stream.read_exact(&mut part)).await.unwrap();
    router.table(Vec::new());
    let drained = tokio::spawn({
        let proxy = router.proxy.clone();
        async move { proxy.wait_drained(&key("one-0"), Duration::ZERO).await }
    });
    let mut rest = [0; 9];
    within(5, stream.read_exact(&mut rest)).await.unwrap();
    assert_eq!(&rest, b"56789\x88\x02\x03\xe9", "the frame is whole, the next one is not sent");
    drop(stream);
    within(10, drained).await.unwrap();
}

#[tokio::test]
async fn any_protocol_can_be_upgraded_to() {
    let address = raw(|mut stream| async move {
        let request = head(&mut stream).await;
        assert!(request.contains("upgrade: tea"), "{request}");
        // The first bytes of the new protocol come with the head.
        let _ = stream
            .write_all(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: tea\r\n\r\nearly")
            .await;
        let mut cup = [0; 4];
        stream.read_exact(&mut cup).await.unwrap();
        let _ = stream.write_all(&cup).await;
    })
    .await;
    let router = Router::before(address).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: tea\r\n\r\n")
        .await
        .unwrap();
    let answer = head(&mut stream).await;
    assert!(answer.contains("upgrade: tea"), "{answer}");
    let mut early = [0; 5];
    within(5, stream.read_exact(&mut early)).await.unwrap();
    assert_eq!(&early, b"early");
    stream.write_all(b"mate").await.unwrap();
    let mut rest = Vec::new();
    within(5, stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"mate");
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_an_ordinary_response() {
    let router = Router::before(super::kit::says("no").await).await;
    let answer = router
        .raw("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
}

#[tokio::test]
async fn a_stop_ends_upgraded_connections() {
    let (closed, mut seen) = mpsc::unbounded_channel();
    let router = Router::before(echo(closed).await).await;
    let settings = tidegate::target::local::proxy::ProxySettings {
        upgraded_grace: Duration::from_millis(100),
        ..Default::default()
    };
    router.proxy.configure(settings);
    let mut socket = open(&router).await;
    router.stop.cancel();
    while let Some(Ok(_)) = within(5, socket.next()).await {}
    assert_eq!(within(5, seen.recv()).await.unwrap(), Some(1001));
    within(10, router.serving).await.unwrap();
}
