//! Each endpoint of the sample app, and its end in good order.

use std::io::{Read, Write};
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tidegate::sample::app::Faults;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::{Error, Message, protocol::frame::coding::CloseCode};

use super::{Running, ms};

async fn json(url: String) -> Value {
    serde_json::from_str(&reqwest::get(url).await.unwrap().text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_answer_names_its_version() {
    let app = Running::start("1.2.3", Faults::default()).await;
    for target in [
        "/",
        "/health",
        "/slow?ms=1",
        "/bytes?n=3",
        "/events?n=1",
        "/poll?ms=1",
        "/status/404",
        "/metrics",
        "/none",
    ] {
        let response = reqwest::get(app.url(target)).await.unwrap();
        assert_eq!(response.headers()["x-sample-version"], "1.2.3", "{target}");
    }
    let root = json(app.url("/")).await;
    assert_eq!(root["version"], "1.2.3");
    assert!(
        root["instance"].as_str().is_some_and(|i| i.ends_with(&format!("-{}", app.address.port()))),
        "{root}"
    );
}

#[tokio::test]
async fn health_is_the_standard_answer() {
    let app = Running::start("1.2.3", Faults::default()).await;
    let health = json(app.url("/health")).await;
    assert_eq!((&health["status"], &health["version"]), (&"healthy".into(), &"1.2.3".into()));
    let told: jiff::Timestamp = health["timestamp"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(told).as_secs().abs() < 60);
    let dependency = &health["dependencies"][0];
    assert!(dependency["name"].is_string() && dependency["status"] == "healthy");
    assert!(dependency["response_time_ms"].is_number());
}

#[tokio::test]
async fn statuses_and_refusals() {
    let app = Running::start("1", Faults::default()).await;
    let cases = [
        ("/status/503", 503),
        ("/status/204", 204),
        ("/status/99", 400),
        ("/none", 404),
        ("/bytes?n=x", 400),
    ];
    for (target, status) in cases.into_iter().chain([("/slow?ms=60001", 400), ("/ws", 426)]) {
        assert_eq!(reqwest::get(app.url(target)).await.unwrap().status(), status, "{target}");
    }
}

#[tokio::test]
async fn bytes_are_streamed_to_the_exact_number() {
    let app = Running::start("1", Faults::default()).await;
    for n in [0, 1, 16 * 1024, 1_000_003] {
        let response = reqwest::get(app.url(&format!("/bytes?n={n}"))).await.unwrap();
        assert_eq!(response.content_length(), None, "a stream does not tell its length beforehand");
        assert_eq!(response.bytes().await.unwrap().len(), n);
    }
}

#[tokio::test]
async fn uploads_are_read_to_the_end() {
    let app = Running::start("1", Faults::default()).await;
    let post = reqwest::Client::new().post(app.url("/upload")).body(vec![7; 3_000_000]);
    let answer: Value = serde_json::from_str(&post.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(answer["bytes"], 3_000_000);
}

#[tokio::test]
async fn events_come_one_by_one_in_their_time() {
    let app = Running::start("1", Faults::default()).await;
    let begun = Instant::now();
    let mut response = reqwest::get(app.url("/events?n=3&every=60")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut times = Vec::new();
    let mut text = String::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        times.push(begun.elapsed());
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert_eq!(text, "id: 0\ndata: 1\n\nid: 1\ndata: 1\n\nid: 2\ndata: 1\n\n");
    assert!(times.len() == 3 && times[1] >= ms(60) && times[2] >= ms(120), "{times:?}");
}

#[tokio::test]
async fn http2_is_spoken_on_the_same_port() {
    let app = Running::start("1", Faults::default()).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let response = client.get(app.url("/")).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(response.headers()["x-sample-version"], "1");
}

#[tokio::test]
async fn websocket_echoes_texts_binaries_and_pings_and_closes() {
    let app = Running::start("1", Faults::default()).await;
    let stream = TcpStream::connect(app.address).await.unwrap();
    let (mut socket, response) = client_async(format!("ws://{}/ws", app.address), stream).await.unwrap();
    assert_eq!(response.headers()["x-sample-version"], "1");
    for message in [Message::text("héllo"), Message::binary(vec![0, 255]), Message::text("x".repeat(100_000))]
    {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("p".into()));
    socket.close(None).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
    assert!(matches!(socket.next().await, None | Some(Err(Error::ConnectionClosed))));
}

#[tokio::test]
async fn websocket_sessions_are_told_when_the_app_ends() {
    let app = Running::start("1", Faults::default()).await;
    let stream = TcpStream::connect(app.address).await.unwrap();
    let (mut socket, _) = client_async(format!("ws://{}/ws", app.address), stream).await.unwrap();
    app.stop.cancel();
    // A message after the signal is still echoed; Close comes behind it.
    socket.send(Message::text("last")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("last"));
    let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else { panic!("no Close came") };
    assert_eq!(frame.code, CloseCode::Away);
}

#[tokio::test]
async fn metrics_count_all_but_health_and_metrics() {
    let app = Running::start("1", Faults::default()).await;
    for target in ["/", "/", "/status/500", "/health", "/metrics"] {
        reqwest::get(app.url(target)).await.unwrap();
    }
    let text = reqwest::get(app.url("/metrics")).await.unwrap().text().await.unwrap();
    assert!(text.contains("http_requests_total{version=\"1\",code=\"200\"} 2\n"), "{text}");
    assert!(text.contains("http_requests_total{version=\"1\",code=\"500\"} 1\n"), "{text}");
    assert!(text.contains("http_requests_in_flight{version=\"1\"} 0\n"), "{text}");
}

#[tokio::test]
async fn the_end_lets_requests_in_flight_finish_and_takes_no_new_ones() {
    let app = Running::start("1", Faults::default()).await;
    let address = app.address;
    let slow = tokio::spawn(reqwest::get(app.url("/slow?ms=400")));
    let poll = tokio::spawn(reqwest::get(app.url("/poll?ms=30000")));
    let events = tokio::spawn(async move {
        reqwest::get(format!("http://{address}/events?n=6&every=50")).await.unwrap().text().await.unwrap()
    });
    let idle = TcpStream::connect(address).await.unwrap();
    sleep(ms(150)).await;
    let begun = Instant::now();
    app.stopped().await.unwrap();
    let took = begun.elapsed();
    assert!(
        took >= ms(150) && took < ms(3000),
        "neither the poll nor the idle connection may hold up the end: {took:?}"
    );
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    let poll: Value = serde_json::from_str(&poll.await.unwrap().unwrap().text().await.unwrap()).unwrap();
    assert_eq!(poll["again"], true);
    assert_eq!(events.await.unwrap().matches("data: ").count(), 6);
    assert!(TcpStream::connect(address).await.is_err());
    drop(idle);
}

/// Connections that the system has made and requests that have come before the end are answered, though the app has seen
/// neither of them when the end begins.
#[tokio::test]
async fn the_end_answers_what_has_come_before_it() {
    let app = Running::start("1", Faults::default()).await;
    let mut streams: Vec<std::net::TcpStream> = (0..30)
        .map(|_| {
            // Nothing here awaits, so the app does not run in between.
            let mut stream = std::net::TcpStream::connect(app.address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            stream
        })
        .collect();
    app.stopped().await.unwrap();
    for stream in &mut streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with('}'), "{answer:?}");
        assert!(answer.contains("connection: close\r\n"), "{answer:?}");
    }
}
