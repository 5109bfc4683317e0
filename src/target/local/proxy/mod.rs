//! The router of the `local` target: a reverse proxy whose table can be changed between two requests without losing one.
//!
//! # The way of a request
//! ```text
//! client ─ serve ─ forward ─┬─ shared + route: which release, which instance (or hold)
//!                           ├─ upstream + link: a kept or new connection; again elsewhere where that is safe
//!                           └─ respond ─ relay | tunnel: the response on its way, counted at its end by meter
//! ```
//!
//! # What is counted
//! A request belongs to the release that answered it, or that was asked last. It is counted when the last byte of the
//! response came from the instance, or when the client went away. Its time runs from the choice of the instance (time held at
//! the router is not the release's fault) to that last byte; for event streams and upgraded connections, to the head of the
//! response. An error is a status of 500 or more by the instance, a response that was broken off or stood still, or the
//! router's own 502 or 504. What the client broke off itself is no error.
//!
//! # What is sent again
//! A request that was not sent goes to another instance: of the same release, else of any release with a share. A request
//! that may have been seen by an instance is sent again only if it is idempotent and has no body (RFC 9110 §9.2.2).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::rollout::{Counts, ReleaseId};

mod access;
mod client;
mod crew;
mod deadline;
mod forward;
mod frame;
mod headers;
mod histogram;
mod link;
mod load;
mod meter;
mod refusal;
mod relay;
mod respond;
mod route;
mod serve;
mod settings;
mod shared;
mod table;
mod tunnel;
mod upload;
mod upstream;

pub use access::{Access, TOKEN};
pub use histogram::{Bucket, Latency};
pub use meter::Statistics;
pub use settings::{HeaderMatch, ProxySettings, UpstreamProtocol};
pub use table::{Instance, InstanceKey, Pool, Table};

use shared::Shared;

/// The router. Clones share one table and one set of counts.
#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
    epoch: u64,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("epoch", &self.epoch)
            .field("table", &self.table())
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// A router with an empty table: it holds every request.
    #[must_use]
    pub fn new(settings: ProxySettings) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = u64::try_from(now.as_micros()).unwrap_or_default();
        Self { shared: Arc::new(Shared::new(settings)), epoch }
    }

    /// Puts other settings in force, for requests that come from now on.
    pub fn configure(&self, settings: ProxySettings) {
        self.shared.settings.store(Arc::new(settings));
    }

    /// Puts a table in force and lets held requests go by it. Once this has returned, [`Proxy::in_flight`] and
    /// [`Proxy::wait_drained`] see every request that still goes to an instance which is no longer listed.
    pub fn set_table(&self, table: Table) {
        self.shared.set_table(table);
    }

    /// The table in force.
    #[must_use]
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.shared.routes.load().table)
    }

    /// What was counted for each release that was ever in a table, since the process began.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<ReleaseId, Counts> {
        self.shared.meters().into_iter().map(|(release, meter)| (release, meter.counts())).collect()
    }

    /// Counts, latencies and bytes of each release that was ever in a table.
    #[must_use]
    pub fn statistics(&self) -> BTreeMap<ReleaseId, Statistics> {
        self.shared.meters().into_iter().map(|(release, meter)| (release, meter.statistics())).collect()
    }

    /// Names this run of counters.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Waits for a request that no instance can take: one that is held. One that was held since the last time counts.
    pub async fn wanted(&self) {
        self.shared.wanted.notified().await;
    }

    /// Requests that are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.shared.held()
    }

    /// Requests and upgraded connections that are on an instance now.
    #[must_use]
    pub fn in_flight(&self, instance: &InstanceKey) -> u64 {
        self.shared.load(instance).map_or(0, |load| load.total())
    }

    /// Waits until nothing is on an instance any more. Take it out of the table first. Requests are waited for without limit
    /// (set one around this call); upgraded connections and event streams are told to end after `grace_for_upgraded` and cut a
    /// few seconds later.
    pub async fn wait_drained(&self, instance: &InstanceKey, grace_for_upgraded: Duration) {
        if let Some(load) = self.shared.load(instance) {
            load.drained(grace_for_upgraded).await;
        }
    }

    /// Accepts connections until `stop`. Then requests under way end, kept connections are closed or told to close, upgraded
    /// ones get [`ProxySettings::upgraded_grace`]; returns when all have ended or [`ProxySettings::shutdown_grace`] has passed.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) {
        serve::serve(&self.shared, listener, stop).await;
    }
}
