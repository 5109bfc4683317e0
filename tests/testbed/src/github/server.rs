//! The thread on which a GitHub is served.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body as Bytes, to_bytes};
use axum::extract::{ConnectInfo, Query, Request, State as Shared};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::answering::{Delivery, Incoming, State};
use super::contract::Contract;
use super::line::{Cut, Lines};
use super::reply::{Body, Reply};

/// GitHub takes no larger body.
const LARGEST_BODY: usize = 25 * 1024 * 1024;

/// What every request needs.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) contract: Arc<Contract>,
    /// Where the API is served, without a slash at the end.
    pub(crate) base: Arc<str>,
    state: Arc<Mutex<State>>,
}

/// A running server. It has a thread and a runtime of its own, so that a test may block its own.
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// One request or one look at a time.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves a state on a free port of the loopback address.
pub(crate) fn launch(contract: Arc<Contract>, state: State) -> io::Result<(Served, Server)> {
    let listener = StdListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    listener.set_nonblocking(true)?;
    let base = format!("http://{}", listener.local_addr()?);
    let served = Served { contract, base: base.into(), state: Arc::new(Mutex::new(state)) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _guard = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let (stop, stopped) = oneshot::channel();
    let app = Router::new().fallback(handle).with_state(served.clone());
    let thread = std::thread::Builder::new().name("github".to_owned()).spawn(move || {
        runtime.block_on(async {
            let service = app.into_make_service_with_connect_info::<Cut>();
            tokio::select! {
                _ = axum::serve(Lines(listener), service) => {}
                // The sender goes with the server; connections go with the runtime.
                _ = stopped => {}
            }
        });
    })?;
    Ok((served, Server { stop: Some(stop), thread: Some(thread) }))
}

impl Server {
    /// Ends the server and every connection to it.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nothing more to do about it here.
            let _ = thread.join();
        }
    }
}

async fn handle(
    Shared(served): Shared<Served>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|it| it.0).unwrap_or_default();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let incoming = Incoming {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query,
        headers: parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: body.to_vec(),
    };
    let delivery = served.state().serve(&served.contract, &served.base, &incoming);
    match delivery {
        Delivery::Now(reply) => response(reply),
        Delivery::After(wait, reply) => {
            tokio::time::sleep(wait).await;
            response(reply)
        }
        Delivery::Cut => {
            cut.now();
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

fn response(reply: Reply) -> Response {
    let (kind, bytes) = match reply.body {
        Body::Nothing => (None, Vec::new()),
        Body::Json(body) => (Some("application/json; charset=utf-8"), body.to_string().into_bytes()),
        Body::Raw(kind, bytes) => (Some(kind), bytes),
    };
    let mut response = Response::new(Bytes::from(bytes));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert("content-type", HeaderValue::from_static(kind));
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
