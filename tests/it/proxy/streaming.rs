//! Bodies that are long, slow, or come with conditions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::kit::{Body, Router, client, full, head, instance, raw, text, within};

const PIECE: usize = 64 * 1024;
const PIECES: u64 = 200 * 1024 * 1024 / PIECE as u64;

/// A body of 200 MB; counts what was taken from it.
fn large(taken: Arc<AtomicU64>) -> Body {
    let pieces = stream::unfold(0, move |number| {
        let taken = Arc::clone(&taken);
        async move {
            if number == PIECES {
                return None;
            }
            taken.fetch_add(PIECE as u64, Ordering::Relaxed);
            Some((Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(&[7; PIECE]))), number + 1))
        }
    });
    BodyExt::boxed(StreamBody::new(
        Box::pin(pieces) as std::pin::Pin<Box<dyn stream::Stream<Item = _> + Send + Sync>>
    ))
}

/// Takes a body slowly enough to see how much the router holds, and gives its length.
async fn measure(mut body: Incoming, sent: &AtomicU64) -> (u64, u64) {
    let (mut seen, mut held) = (0_u64, 0);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.unwrap().into_data() {
            seen += data.len() as u64;
            held = held.max(sent.load(Ordering::Relaxed).saturating_sub(seen));
        }
        if seen % (64 * PIECE as u64) < PIECE as u64 {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }
    (seen, held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_200_mb_is_not_kept_in_memory() {
    let sent = Arc::new(AtomicU64::new(0));
    let measured = Arc::clone(&sent);
    let address = instance(move |request| {
        let sent = Arc::clone(&measured);
        async move {
            let (seen, held) = measure(request.into_body(), &sent).await;
            Response::new(full(format!("{seen} {held}")))
        }
    })
    .await;
    let router = Router::before(address).await;
    let request = Request::post(router.url("/")).body(large(sent)).unwrap();
    let (_, answer) = within(60, async { text(client().request(request).await.unwrap()).await }).await;
    let (seen, held) = answer.split_once(' ').unwrap();
    assert_eq!(seen.parse::<u64>().unwrap(), PIECES * PIECE as u64);
    // Socket buffers of three hops are the most of this.
    assert!(held.parse::<u64>().unwrap() < 40 << 20, "{held} bytes were on the way at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_of_200_mb_is_not_kept_in_memory() {
    let sent = Arc::new(AtomicU64::new(0));
    let source = Arc::clone(&sent);
    let address = instance(move |_| {
        let body = large(Arc::clone(&source));
        async move { Response::new(body) }
    })
    .await;
    let router = Router::before(address).await;
    let response = client().request(Request::get(router.url("/")).body(full("")).unwrap()).await.unwrap();
    let (seen, held) = within(60, measure(response.into_body(), &sent)).await;
    assert_eq!(seen, PIECES * PIECE as u64);
    assert!(held < 40 << 20, "{held} bytes were on the way at once");
}

#[tokio::test]
async fn bodies_flow_both_ways_at_once() {
    let address = instance(|request| async move {
        Response::new(request.into_body().map_err(std::io::Error::other).boxed())
    })
    .await;
    let router = Router::before(address).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let answer = within(5, head(&mut stream)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for text in ["one", "two", "six"] {
        stream.write_all(format!("3\r\n{text}\r\n").as_bytes()).await.unwrap();
        let mut echo = [0; 8];
        within(5, stream.read_exact(&mut echo)).await.unwrap();
        assert_eq!(&echo, format!("3\r\n{text}\r\n").as_bytes());
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut end = [0; 5];
    within(5, stream.read_exact(&mut end)).await.unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
}

#[tokio::test]
async fn an_upload_goes_on_while_nobody_reads_the_response() {
    // The response is larger than all buffers and the client reads it only after its upload.
    let address = raw(|mut stream| async move {
        head(&mut stream).await;
        let (mut read, mut write) = stream.split();
        let answer = async {
            write.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n").await.unwrap();
            write.write_all(&vec![b'x'; 50_000_000]).await.unwrap();
        };
        let mut upload = vec![0; 50_000_000];
        let (_, _) = tokio::join!(answer, read.read_exact(&mut upload));
    })
    .await;
    let router = Router::before(address).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    within(30, async {
        stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50000000\r\n\r\n").await.unwrap();
        stream.write_all(&vec![b'y'; 50_000_000]).await.unwrap();
        head(&mut stream).await;
        let mut answer = vec![0; 50_000_000];
        stream.read_exact(&mut answer).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let (send, receive) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let receive = Arc::new(std::sync::Mutex::new(Some(receive)));
    let address = instance(move |_| {
        let receive = receive.lock().unwrap().take().unwrap();
        async move {
            let events = stream::unfold(receive, |mut receive| async move {
                let event = receive.recv().await?;
                Some((Ok::<_, std::io::Error>(Frame::data(Bytes::from(event))), receive))
            });
            let body: std::pin::Pin<Box<dyn stream::Stream<Item = _> + Send + Sync>> = Box::pin(events);
            let mut response = Response::new(BodyExt::boxed(StreamBody::new(body)));
            response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
            response
        }
    })
    .await;
    let router = Router::before(address).await;
    let response = client().request(Request::get(router.url("/")).body(full("")).unwrap()).await.unwrap();
    let mut body = response.into_body();
    for event in ["data: a\n\n", "data: b\n\n", "data: c\n\n"] {
        send.send(event).unwrap();
        let frame = within(2, body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event);
    }
}

#[tokio::test]
async fn trailers_are_kept_in_both_directions() {
    let address = instance(|request| async move {
        let body = request.into_body().collect().await.unwrap();
        let sum = body.trailers().and_then(|trailers| trailers.get("x-sum")).cloned().unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-echo", sum);
        let frames = [Frame::data(Bytes::from_static(b"body")), Frame::trailers(trailers)];
        let body = StreamBody::new(stream::iter(frames.map(Ok::<_, std::io::Error>)));
        let mut response = Response::new(BodyExt::boxed(body));
        response.headers_mut().insert("trailer", HeaderValue::from_static("x-echo"));
        response
    })
    .await;
    let router = Router::before(address).await;
    let answer = router
        .raw("POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 42\r\n\r\n")
        .await;
    assert!(answer.ends_with("0\r\nx-echo: 42\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_the_instance_wants_it() {
    let address = raw(|mut stream| async move {
        let request = head(&mut stream).await;
        assert!(request.contains("expect: 100-continue"), "{request}");
        if request.starts_with("POST /no ") {
            let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        let mut body = [0; 3];
        stream.read_exact(&mut body).await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n").await;
        let _ = stream.write_all(&body).await;
    })
    .await;
    let router = Router::before(address).await;
    let ask = |path: &'static str| {
        let address = router.address;
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!(
                "POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let answer = within(5, head(&mut stream)).await;
            (stream, answer)
        }
    };
    let (_, refused) = ask("/no").await;
    assert!(refused.starts_with("HTTP/1.1 413 "), "no body was asked for: {refused}");
    let (mut stream, wanted) = ask("/yes").await;
    assert!(wanted.starts_with("HTTP/1.1 100 "), "{wanted}");
    stream.write_all(b"abc").await.unwrap();
    assert!(within(5, head(&mut stream)).await.starts_with("HTTP/1.1 200 "));
    let mut body = [0; 3];
    stream.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"abc");
}

#[tokio::test]
async fn an_instance_that_never_says_continue_gets_the_body_all_the_same() {
    let address = raw(|mut stream| async move {
        head(&mut stream).await;
        let mut body = [0; 3];
        stream.read_exact(&mut body).await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let router = Router::before(address).await;
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        .await
        .unwrap();
    assert!(within(5, head(&mut stream)).await.starts_with("HTTP/1.1 100 "));
    stream.write_all(b"abc").await.unwrap();
    assert!(within(5, head(&mut stream)).await.starts_with("HTTP/1.1 200 "));
}
