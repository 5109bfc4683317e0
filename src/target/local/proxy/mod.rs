//! Stand-in for the reverse proxy until the real one is merged: same signatures, no strategy beyond weights.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::rollout::{Counts, ReleaseId, Weight};

/// Settings of the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProxySettings {}

/// Names one process of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceKey(String);

impl InstanceKey {
    /// A key from its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where an instance listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub key: InstanceKey,
    /// Its address.
    pub address: SocketAddr,
}

/// The ready instances of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Whose.
    pub release: ReleaseId,
    /// Its version.
    pub version: String,
    /// Its share.
    pub weight: Weight,
    /// Whether it is the newest of several.
    pub candidate: bool,
    /// Its ready instances.
    pub instances: Vec<Instance>,
}

/// What the proxy routes by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// The pools; with none, requests are held.
    pub pools: Vec<Pool>,
}

#[derive(Default)]
struct Inner {
    table: Mutex<Table>,
    counts: Mutex<BTreeMap<ReleaseId, Counts>>,
    flights: Mutex<HashMap<InstanceKey, Arc<AtomicU64>>>,
    turn: AtomicU64,
    epoch: u64,
}

/// The reverse proxy.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn answer(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

impl Proxy {
    /// A proxy with an empty table.
    #[must_use]
    pub fn new(_settings: ProxySettings) -> Self {
        let epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |d| u64::try_from(d.as_micros()).unwrap_or(1));
        Self(Arc::new(Inner { epoch, ..Inner::default() }))
    }

    /// Takes new settings.
    pub fn configure(&self, _settings: ProxySettings) {}

    /// Routes by `table` from now on.
    pub fn set_table(&self, table: Table) {
        *locked(&self.0.table) = table;
    }

    /// What was counted, by release.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<ReleaseId, Counts> {
        locked(&self.0.counts).clone()
    }

    /// Names the run of counters.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.0.epoch
    }

    /// Requests that `key` is answering.
    #[must_use]
    pub fn in_flight(&self, key: &InstanceKey) -> u64 {
        locked(&self.0.flights).get(key).map_or(0, |n| n.load(Ordering::SeqCst))
    }

    /// Waits until `key` answers nothing.
    pub async fn wait_drained(&self, key: &InstanceKey, _grace_for_upgraded: Duration) {
        while self.in_flight(key) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Serves until `stop`, then finishes what is in flight.
    pub async fn serve(&self, listener: tokio::net::TcpListener, stop: CancellationToken) {
        let tracker = TaskTracker::new();
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => match accepted { Ok((s, _)) => s, Err(_) => continue },
            };
            let (proxy, stop) = (self.clone(), stop.clone());
            tracker.spawn(async move {
                let service = hyper::service::service_fn(move |r| {
                    let proxy = proxy.clone();
                    async move { Ok::<_, Infallible>(proxy.forward(r).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::pin!(connection);
                tokio::select! {
                    _ = connection.as_mut() => return,
                    () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
                }
                let _ = connection.await;
            });
        }
        tracker.close();
        tracker.wait().await;
    }

    fn pick(&self) -> Option<(ReleaseId, Instance, Arc<AtomicU64>)> {
        let table = locked(&self.0.table);
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let mut point = u16::try_from(turn.wrapping_mul(7919) % 10_000).unwrap_or(0);
        let open: Vec<_> =
            table.pools.iter().filter(|p| p.weight > Weight::ZERO && !p.instances.is_empty()).collect();
        for pool in &open {
            if point < pool.weight.basis_points() || open.len() == 1 {
                let at = usize::try_from(turn).unwrap_or(0) % pool.instances.len();
                let instance = pool.instances.get(at)?.clone();
                let flights = locked(&self.0.flights).entry(instance.key.clone()).or_default().clone();
                flights.fetch_add(1, Ordering::SeqCst);
                return Some((pool.release.clone(), instance, flights));
            }
            point -= pool.weight.basis_points();
        }
        None
    }

    async fn forward(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let until = tokio::time::Instant::now() + Duration::from_secs(10);
        let (release, instance, flights) = loop {
            if let Some(found) = self.pick() {
                break found;
            }
            if tokio::time::Instant::now() > until {
                return answer(StatusCode::SERVICE_UNAVAILABLE, "no instance");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let response = relay(instance.address, request).await;
        flights.fetch_sub(1, Ordering::SeqCst);
        let mut counts = locked(&self.0.counts);
        let count = counts.entry(release).or_default();
        count.requests += 1;
        response.unwrap_or_else(|| {
            count.errors += 1;
            answer(StatusCode::BAD_GATEWAY, "broken off")
        })
    }
}

async fn relay(address: SocketAddr, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    let stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let response = sender.send_request(request).await.ok()?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Response::from_parts(parts, Full::new(body)))
}
