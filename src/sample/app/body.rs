//! The bodies that the sample app answers with.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

/// A body of the sample app: it never fails by itself.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The size of one piece of a streamed body.
const PIECE: u64 = 16 * 1024;

/// An answer of JSON.
pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    typed(status, "application/json", Full::from(value.to_string()).boxed_unsync())
}

/// An answer of plain text.
pub(super) fn text(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    typed(status, kind, Full::from(text).boxed_unsync())
}

/// `n` bytes in pieces, of unknown length to the receiver: it can tell a whole answer from a cut one only by the protocol.
pub(super) fn streamed(n: u64) -> Response<Body> {
    let pieces = stream::unfold(n, async |left| {
        let size = left.min(PIECE);
        let piece = Bytes::from(vec![b'.'; usize::try_from(size).unwrap_or_default()]);
        (left > 0).then(|| (Ok(Frame::data(piece)), left - size))
    });
    typed(StatusCode::OK, "application/octet-stream", StreamBody::new(pieces).boxed_unsync())
}

/// `n` Server-Sent Events, the first at once, then one `every` so long.
///
/// Format: WHATWG HTML, section 9.2 "Server-sent events".
pub(super) fn events(n: u64, every: Duration, version: String) -> Response<Body> {
    let start = Instant::now();
    let events = stream::unfold(0, move |i| {
        let event = format!("id: {i}\ndata: {version}\n\n");
        async move {
            if i >= n {
                return None;
            }
            sleep_until(start + every.saturating_mul(u32::try_from(i).unwrap_or(u32::MAX))).await;
            Some((Ok(Frame::data(Bytes::from(event))), i + 1))
        }
    });
    let mut response = typed(StatusCode::OK, "text/event-stream", StreamBody::new(events).boxed_unsync());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn typed(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
