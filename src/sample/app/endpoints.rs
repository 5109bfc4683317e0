//! The endpoints of the sample app and the faults that strike them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::body::{self, Body};
use super::fate::{Fate, Fates};
use super::metrics::Metrics;
use super::{AppOptions, Faults, websocket};
use crate::sample::{SampleError, VERSION_HEADER};

/// The longest wait that a request may ask for.
const LONGEST_WAIT_MS: u64 = 60_000;
/// The most bytes that a request may ask for.
const MOST_BYTES: u64 = 1 << 30;
/// The most events that a request may ask for.
const MOST_EVENTS: u64 = 100_000;

/// One running sample app, shared by its connections.
#[derive(Debug)]
pub(super) struct App {
    pub(super) version: String,
    pub(super) instance: String,
    header: HeaderValue,
    faults: Faults,
    fates: Fates,
    metrics: Metrics,
    /// Fires when the app should come to its end in good order.
    pub(super) stop: CancellationToken,
    /// Fires when whatever is still open is cut off.
    pub(super) kill: CancellationToken,
    /// Connections and WebSocket sessions.
    pub(super) tasks: TaskTracker,
}

impl App {
    pub(super) fn new(options: AppOptions, port: u16, stop: CancellationToken) -> Result<Self, SampleError> {
        let AppOptions { version, instance, faults, .. } = options;
        let header =
            HeaderValue::from_str(&version).map_err(|_| SampleError::Version { version: version.clone() })?;
        let instance = instance.unwrap_or_else(|| format!("{}-{port}", std::process::id()));
        let (fates, metrics) = (Fates::new(&faults), Metrics::default());
        let (kill, tasks) = (CancellationToken::new(), TaskTracker::new());
        Ok(Self { version, instance, header, faults, fates, metrics, stop, kill, tasks })
    }

    /// Answers one request.
    pub(super) async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path();
        let is_http1 = request.version() <= Version::HTTP_11;
        let mut response = if path == "/health" {
            self.health()
        } else if path == "/metrics" {
            body::text(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.metrics.text(&self.version),
            )
        } else {
            let open = Open::begin(&self.metrics);
            open.finish(self.fated(request).await)
        };
        response.headers_mut().insert(VERSION_HEADER, self.header.clone());
        if is_http1 && self.stop.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // Says so as early as can be, so that nobody sends another request on this connection.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    async fn fated(self: &Arc<Self>, mut request: Request<Incoming>) -> Response<Body> {
        if self.faults.leak_kib > 0 {
            // Written to, or the system would not give it.
            Box::leak(vec![1_u8; self.faults.leak_kib as usize * 1024].into_boxed_slice());
        }
        let Fate { fails, delay } = self.fates.next(request.uri().path());
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        if fails {
            // The upload is read to its end first: an answer before that would cut the sender off, which is another fault.
            let _ = uploaded(request.body_mut()).await;
            return self.json(
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({"error": "failed on purpose, as SAMPLE_FAIL asks"}),
            );
        }
        self.route(request).await.unwrap_or_else(|refusal| self.refuse(&refusal))
    }

    async fn route(self: &Arc<Self>, mut request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let path = request.uri().path().to_owned();
        let number = |name, default, most| number(request.uri().query(), name, default, most);
        let waits = |default| number("ms", default, LONGEST_WAIT_MS).map(Duration::from_millis);
        match (request.method(), path.as_str()) {
            (&Method::POST, "/upload") => match uploaded(request.body_mut()).await {
                Ok(bytes) => Ok(self.json(StatusCode::OK, json!({"bytes": bytes}))),
                Err(error) => Err(Refusal::bad(format!("the upload broke off: {error}"))),
            },
            (_, "/") => Ok(self.json(StatusCode::OK, json!({}))),
            (_, "/slow") => {
                tokio::time::sleep(waits(100)?).await;
                Ok(self.json(StatusCode::OK, json!({})))
            }
            (_, "/poll") => {
                // Whoever polls is asked to come again when the app ends: it must not hold up the end.
                let news = tokio::time::timeout(waits(1000)?, self.stop.cancelled()).await.is_ok();
                Ok(self.json(StatusCode::OK, json!({"again": news})))
            }
            (_, "/bytes") => Ok(body::streamed(number("n", 65_536, MOST_BYTES)?)),
            (_, "/events") => {
                let every = Duration::from_millis(number("every", 100, LONGEST_WAIT_MS)?);
                Ok(body::events(number("n", 10, MOST_EVENTS)?, every, self.version.clone()))
            }
            (&Method::GET, "/ws") => websocket::accept(self, request),
            (_, path) => match path.strip_prefix("/status/").map(status) {
                Some(Some(status)) => Ok(self.json(status, json!({"status": status.as_u16()}))),
                Some(None) => Err(Refusal::bad("a status is a number from 200 to 599")),
                None => Err(Refusal { status: StatusCode::NOT_FOUND, error: "no such path".to_owned() }),
            },
        }
    }

    /// An object of JSON with version and instance before its own fields.
    pub(super) fn json(&self, status: StatusCode, fields: Value) -> Response<Body> {
        let mut object = json!({"version": self.version, "instance": self.instance});
        if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
            object.extend(fields);
        }
        body::json(status, &object)
    }

    fn refuse(&self, refusal: &Refusal) -> Response<Body> {
        let mut response = self.json(refusal.status, json!({"error": refusal.error}));
        if refusal.status == StatusCode::UPGRADE_REQUIRED {
            // RFC 9110 section 15.5.22 and RFC 6455 section 4.2.2: say what to upgrade to.
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }

    fn health(&self) -> Response<Body> {
        let (status, word) = match (self.faults.never_ready, self.stop.is_cancelled()) {
            (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
            (false, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            (false, false) => (StatusCode::OK, "healthy"),
        };
        let version = self.faults.health_version.as_ref().unwrap_or(&self.version);
        let store = if self.faults.never_ready { "unhealthy" } else { "healthy" };
        let answer = json!({
            "status": word,
            "version": version,
            "timestamp": jiff::Timestamp::now().to_string(),
            "dependencies": [{"name": "memory", "status": store, "response_time_ms": 0}],
        });
        body::json(status, &answer)
    }
}

/// Why a request is not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: String,
}

impl Refusal {
    /// The request itself is wrong.
    pub(super) fn bad(error: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: error.into() }
    }
}

/// A request between its begin and its end in the metrics; one that is cut off in between ends with status 499, which is what
/// proxies write down for "the client went away".
struct Open<'a> {
    metrics: &'a Metrics,
    begun: Instant,
    status: Option<StatusCode>,
}

impl<'a> Open<'a> {
    fn begin(metrics: &'a Metrics) -> Self {
        metrics.begin();
        Self { metrics, begun: Instant::now(), status: None }
    }

    fn finish(mut self, response: Response<Body>) -> Response<Body> {
        self.status = Some(response.status());
        response
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.metrics.end(self.status.map_or(499, |s| s.as_u16()), self.begun.elapsed());
    }
}

async fn uploaded(body: &mut Incoming) -> Result<u64, hyper::Error> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(bytes)
}

fn status(text: &str) -> Option<StatusCode> {
    let status = text.parse::<u16>().ok().filter(|n| (200..600).contains(n))?;
    StatusCode::from_u16(status).ok()
}

/// The whole number `name` of a query such as `n=5&every=20`.
fn number(query: Option<&str>, name: &str, default: u64, most: u64) -> Result<u64, Refusal> {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.find(|(key, _)| *key == name) else { return Ok(default) };
    match text.parse() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(Refusal::bad(format!("query: {name} is a whole number from 0 to {most}, not {text:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_from_the_query_or_the_default() {
        assert_eq!(number(None, "n", 7, 10), Ok(7));
        assert_eq!(number(Some("every=3&n=5"), "n", 7, 10), Ok(5));
        assert_eq!(number(Some("nn=5"), "n", 7, 10), Ok(7));
        assert!(number(Some("n=11"), "n", 7, 10).is_err());
        assert!(number(Some("n=-1"), "n", 7, 10).is_err());
    }

    #[test]
    fn informational_statuses_cannot_be_asked_for() {
        assert_eq!(status("503"), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!((status("101"), status("600"), status("x")), (None, None, None));
    }
}
