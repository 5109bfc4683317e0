//! Requests over HTTP and the check that their answers are whole.

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONNECTION, HOST};
use http::request::Builder;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::connect::{Body, Connections, Link};
use super::service::Service;
use super::trail::{Failure, Trail, Whole};
use super::{Kind, websocket};
use crate::sample::LossKind;

/// The size of one piece of an upload.
const PIECE: usize = 16 * 1024;

/// Sends one request of a kind and takes its answer.
pub(super) async fn perform(
    kind: Kind,
    service: &Service,
    connections: &Connections,
    trail: &mut Trail,
) -> Result<Whole, Failure> {
    let get = |target: &str| Request::get(target).header(HOST, &service.host);
    match kind {
        Kind::Get => plain(connections, service, trail, || empty(get("/"))).await,
        Kind::LongPoll { wait } => {
            let target = format!("/poll?ms={}", wait.as_millis());
            plain(connections, service, trail, || empty(get(&target))).await
        }
        Kind::NewConnection => {
            let link = connections.open().await?;
            trail.goes_out(link.opened);
            let (response, _link) =
                send(link, empty(get("/").header(CONNECTION, "close"))?).await.map_err(|e| e.failure)?;
            whole(service, response, |_| Ok(())).await
        }
        Kind::Upload { kib } => upload(connections, service, trail, kib).await,
        Kind::Events { count, every } => {
            let target = format!("/events?n={count}&every={}", every.as_millis());
            let (response, link) = exchange(connections, trail, || empty(get(&target))).await?;
            let head = Instant::now();
            let events = |body: &[u8]| match body.windows(2).filter(|pair| pair == b"\n\n").count() {
                n if n == count as usize => Ok(()),
                n => Err(Failure::new(LossKind::Truncated, format!("{n} of {count} events came"))),
            };
            let answer = whole(service, response, events).await?;
            connections.keep(link);
            Ok(Whole { served: head, ..answer })
        }
        Kind::Http2 => {
            let request = || empty(Request::get(format!("http://{}/", service.host)));
            whole(service, over_http2(connections, trail, request).await?, |_| Ok(())).await
        }
        Kind::WebSocket { messages, pause } => {
            websocket::session(connections, trail, service, messages, pause).await
        }
    }
}

/// A request whose answer only has to be whole.
async fn plain(
    connections: &Connections,
    service: &Service,
    trail: &mut Trail,
    request: impl Fn() -> Result<Request<Body>, Failure>,
) -> Result<Whole, Failure> {
    let (response, link) = exchange(connections, trail, request).await?;
    let answer = whole(service, response, |_| Ok(())).await?;
    connections.keep(link);
    Ok(answer)
}

async fn upload(
    connections: &Connections,
    service: &Service,
    trail: &mut Trail,
    kib: u32,
) -> Result<Whole, Failure> {
    let size = kib as usize * 1024;
    let request = || {
        let pieces = stream::unfold(size, async |left| {
            let piece = left.min(PIECE);
            (left > 0).then(|| (Ok(Frame::data(Bytes::from(vec![b'u'; piece]))), left - piece))
        });
        let post = Request::post("/upload").header(HOST, &service.host);
        built(post.body(StreamBody::new(pieces).boxed_unsync()))
    };
    let (response, link) = exchange(connections, trail, request).await?;
    let failed = !response.status().is_success();
    let same_size = |body: &[u8]| {
        let told = serde_json::from_slice::<serde_json::Value>(body)
            .ok()
            .and_then(|json| json.get("bytes")?.as_u64());
        if failed || told == Some(size as u64) {
            return Ok(());
        }
        Err(Failure::new(LossKind::Wrong, format!("{size} bytes were sent, the answer tells {told:?}")))
    };
    let answer = whole(service, response, same_size).await?;
    connections.keep(link);
    Ok(answer)
}

/// Sends a request on a kept connection, or on a new one where none is kept.
///
/// A kept connection may be closed by the other side at any time, also just as a request goes out. Then a client sends it
/// once more on a new connection, if that is safe: no byte of an answer came, and either the request never went out or
/// doing it twice is as good as once (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1).
async fn exchange(
    connections: &Connections,
    trail: &mut Trail,
    request: impl Fn() -> Result<Request<Body>, Failure>,
) -> Result<(Response<Incoming>, Link), Failure> {
    let mut first = request()?;
    if let Some(link) = connections.kept().await {
        trail.goes_out(link.opened);
        let idempotent = *first.method() == Method::GET;
        match send(link, first).await {
            Ok(answered) => return Ok(answered),
            Err(broken) if broken.silent && (idempotent || broken.unsent) => {
                trail.goes_again(broken.failure);
                first = request()?;
            }
            Err(broken) => return Err(broken.failure),
        }
    }
    let link = connections.open().await?;
    trail.goes_out(link.opened);
    send(link, first).await.map_err(|broken| broken.failure)
}

/// A request that got no head of an answer.
struct Broken {
    failure: Failure,
    /// No byte of an answer came.
    silent: bool,
    /// The request did not go out.
    unsent: bool,
}

async fn send(mut link: Link, request: Request<Body>) -> Result<(Response<Incoming>, Link), Broken> {
    let before = link.received();
    link.used += 1;
    match link.sender.try_send_request(request).await {
        Ok(response) => Ok((response, link)),
        Err(error) => {
            let silent = link.received() == before;
            let failure = Failure::before_head(error.error(), &link, silent);
            Err(Broken { failure, silent, unsent: error.message().is_some() })
        }
    }
}

async fn over_http2(
    connections: &Connections,
    trail: &mut Trail,
    request: impl Fn() -> Result<Request<Body>, Failure>,
) -> Result<Response<Incoming>, Failure> {
    let failure = |error: &hyper::Error| Failure::new(LossKind::Reset, super::trail::chain(error));
    let mut shared = connections.shared(None).await?;
    trail.goes_out(shared.opened);
    match shared.sender.send_request(request()?).await {
        Ok(response) => return Ok(response),
        Err(error) if !shared.reused => return Err(failure(&error)),
        Err(error) => trail.goes_again(failure(&error)),
    }
    let mut shared = connections.shared(Some(shared.opened)).await?;
    trail.goes_out(shared.opened);
    shared.sender.send_request(request()?).await.map_err(|error| failure(&error))
}

/// Reads an answer to its end. Who gave it is known by the version that it tells; without one it is no answer of the app.
async fn whole(
    service: &Service,
    response: Response<Incoming>,
    fits: impl FnOnce(&[u8]) -> Result<(), Failure>,
) -> Result<Whole, Failure> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|e| Failure::within_body(&e))?.to_bytes();
    let version = service.version(head.status.as_u16(), &head.headers, &body)?;
    if head.status.is_success() {
        fits(&body)?;
    }
    Ok(Whole { version, status: head.status.as_u16(), served: Instant::now() })
}

fn empty(builder: Builder) -> Result<Request<Body>, Failure> {
    built(builder.body(Empty::new().boxed_unsync()))
}

fn built(request: http::Result<Request<Body>>) -> Result<Request<Body>, Failure> {
    request.map_err(|e| Failure::new(LossKind::Wrong, format!("the request cannot be made: {e}")))
}
