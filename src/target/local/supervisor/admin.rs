//! Health and metrics of the environment, at an address of their own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Extra;
use super::core::Core;
use super::door;
use super::metrics::metrics;
use super::view::View;
use crate::rollout::Weight;
use crate::target::TargetError;
use crate::target::local::proxy::Proxy;

/// Conversations at one time; more have to wait.
const MOST: usize = 64;

/// A conversation ends after this time, whatever it does.
const LONGEST: Duration = Duration::from_secs(10);

/// Serves `/health` and `/metrics`, until dropped.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) address: SocketAddr,
    _open: DropGuard,
}

#[derive(Clone)]
struct Desk {
    view: watch::Receiver<Arc<View>>,
    proxy: Proxy,
    extra: Option<Extra>,
}

impl Admin {
    fn desk(core: &Core) -> Desk {
        Desk { view: core.view.subscribe(), proxy: core.seat.proxy.clone(), extra: core.seat.extra.clone() }
    }

    /// Opens the address.
    pub(crate) fn open(address: SocketAddr, core: &Core) -> Result<Self, TargetError> {
        let unusable = |e: &std::io::Error| door::unusable(address, e);
        let socket = door::bind(address)?;
        let address = socket.local_addr().map_err(|e| unusable(&e))?;
        let listener = TcpListener::from_std(socket).map_err(|e| unusable(&e))?;
        let stop = CancellationToken::new();
        let desk = Self::desk(core);
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve(listener, desk)));
        Ok(Self { address, _open: stop.drop_guard() })
    }

    /// Opens the address as soon as a supervisor before this one has left it. What is missing meanwhile is metrics, which is
    /// no reason to hold up requests.
    pub(crate) fn open_patiently(address: SocketAddr, core: &Core) -> Self {
        let stop = CancellationToken::new();
        let desk = Self::desk(core);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            let mut told = false;
            loop {
                match door::bind(address).map(TcpListener::from_std) {
                    Ok(Ok(listener)) => return serve(listener, desk).await,
                    Ok(Err(e)) => tracing::warn!("health and metrics are not served at {address}: {e}"),
                    Err(e) if !told => {
                        told = true;
                        tracing::warn!("health and metrics are not served yet: {}", e.sentence);
                    }
                    Err(_) => {}
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }));
        Self { address, _open: stop.drop_guard() }
    }
}

async fn serve(listener: TcpListener, desk: Desk) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let desk = desk.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| {
                let response = desk.answer(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            let conversation =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = tokio::time::timeout(LONGEST, conversation).await;
            drop(place);
        });
    }
}

impl Desk {
    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let view = self.view.borrow().clone();
        let (status, kind, text) = match request.uri().path() {
            "/health" => {
                let (status, text) = health(&view, jiff::Timestamp::now());
                (status, "application/json", text)
            }
            "/metrics" => {
                let mut text = metrics(&view, &self.proxy);
                if let Some(extra) = &self.extra {
                    text.push_str(&extra());
                }
                (StatusCode::OK, "text/plain; version=0.0.4", text)
            }
            _ => (StatusCode::NOT_FOUND, "text/plain", "there are /health and /metrics here\n".to_owned()),
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
        response
    }
}

/// The standard answer. Unhealthy is an environment in which a release that takes requests has nobody to answer them.
fn health(view: &View, now: jiff::Timestamp) -> (StatusCode, String) {
    let mut worst = "healthy";
    let mut dependencies = Vec::new();
    for (id, set) in &view.sets {
        let carries = view.weights.get(id).is_some_and(|w| *w > Weight::ZERO);
        let status = match (set.ready, set.desired) {
            // The next request starts it.
            _ if view.asleep => "healthy",
            (0, d) if d > 0 && carries => "unhealthy",
            (ready, desired) if ready < desired => "degraded",
            _ => "healthy",
        };
        if status == "unhealthy" || (status == "degraded" && worst == "healthy" && carries) {
            worst = status;
        }
        let version = view.versions.get(id).map(String::as_str).unwrap_or_default();
        dependencies.push(serde_json::json!({ "name": format!("release {version}"), "status": status }));
    }
    let code = if worst == "unhealthy" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let answer = serde_json::json!({
        "status": worst,
        "version": env!("CARGO_PKG_VERSION"),
        "timestamp": now.to_string(),
        "dependencies": dependencies,
    });
    (code, answer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{ReleaseId, SetView};

    fn view(desired: u32, ready: u32, weight: Weight) -> View {
        let id = ReleaseId::new("abc");
        let mut view = View::default();
        view.sets.insert(id.clone(), SetView { desired, ready, running: desired, ..SetView::default() });
        view.versions.insert(id.clone(), "v\"1".to_owned());
        view.weights.insert(id, weight);
        view
    }

    #[test]
    fn health_is_judged_by_who_takes_requests() {
        let status = |desired, ready, weight| {
            let (code, text) = health(&view(desired, ready, weight), jiff::Timestamp::UNIX_EPOCH);
            let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
            (code.as_u16(), answer["status"].as_str().unwrap().to_owned())
        };
        assert_eq!(status(2, 2, Weight::FULL), (200, "healthy".to_owned()));
        assert_eq!(status(2, 1, Weight::FULL), (200, "degraded".to_owned()));
        assert_eq!(status(2, 0, Weight::FULL), (503, "unhealthy".to_owned()));
        assert_eq!(status(2, 0, Weight::ZERO), (200, "healthy".to_owned()));
    }
}
