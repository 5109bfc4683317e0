//! The ports of the front: each a router of its own before one port of a Service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{join_all, select_all};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::rollout::{ReleaseId, Weight};
use crate::target::kubernetes::front::Lead;
use crate::target::local::proxy::{Access, Instance, InstanceKey, Pool, Proxy, ProxySettings, Table};

/// So long a request waits for an app that wakes.
const HOLD: Duration = Duration::from_secs(180);
/// So long requests may go on once the pod is to end; less than its grace.
const LAST: Duration = Duration::from_secs(30);
/// A Service that has ready pods takes a connection within this time.
const REACH: Duration = Duration::from_secs(1);

/// All of them.
pub(super) struct Doors {
    settings: ProxySettings,
    open: BTreeMap<Lead, Door>,
    stop: CancellationToken,
}

/// One port.
struct Door {
    proxy: Proxy,
    /// Where the Service is, while requests are led there.
    behind: Vec<SocketAddr>,
    serving: JoinHandle<()>,
}

impl Doors {
    pub(super) fn new(access: Option<Access>) -> Self {
        let settings = ProxySettings {
            access,
            hold: HOLD,
            shutdown_grace: LAST,
            // The route's own router stands before this one.
            trust_forwarded: true,
            announce: false,
            ..ProxySettings::default()
        };
        Self { settings, open: BTreeMap::new(), stop: CancellationToken::new() }
    }

    /// Serves a port, from now on; requests wait until it is known where they go.
    pub(super) async fn open(&mut self, lead: Lead) -> Result<(), Error> {
        if self.open.contains_key(&lead) {
            return Ok(());
        }
        // What led here by that port before does so no more.
        let former: Vec<Lead> = self.open.keys().filter(|other| other.at == lead.at).cloned().collect();
        for door in former.iter().filter_map(|former| self.open.remove(former)) {
            door.serving.abort();
            let _ = door.serving.await;
        }
        let (proxy, listener) = (Proxy::new(self.settings.clone()), super::listen(lead.at).await?);
        let (own, stop) = (proxy.clone(), self.stop.clone());
        let serving = tokio::spawn(async move { own.serve(listener, stop).await });
        tracing::info!("port {} leads to {}:{}", lead.at, lead.service, lead.port);
        self.open.insert(lead, Door { proxy, behind: Vec::new(), serving });
        Ok(())
    }

    /// Waits for a request that is held.
    pub(super) async fn wanted(&self) {
        if self.open.is_empty() {
            return std::future::pending().await;
        }
        select_all(self.open.values().map(|door| door.proxy.wanted().boxed())).await;
    }

    /// Requests that have been answered.
    pub(super) fn answered(&self) -> u64 {
        let counts = self.open.values().flat_map(|door| door.proxy.counts().into_values());
        counts.map(|counts| counts.requests).sum()
    }

    /// Requests that wait.
    pub(super) fn held(&self) -> usize {
        self.open.values().map(|door| door.proxy.held()).sum()
    }

    /// Whether a request is on its way to the app.
    pub(super) fn is_busy(&self) -> bool {
        let is_busy = |(lead, door): (&Lead, &Door)| {
            door.behind.iter().any(|at| door.proxy.in_flight(&key(lead, *at)) > 0)
        };
        self.open.iter().any(is_busy)
    }

    /// Has every request wait. What is on its way goes on.
    pub(super) fn shut(&mut self) {
        self.open.values().for_each(|door| door.proxy.set_table(Table::default()));
    }

    /// Leads requests to the Services again that take a connection; tells whether all do.
    pub(super) async fn lead_on(&mut self) -> bool {
        let reached = join_all(self.open.iter_mut().map(|(lead, door)| door.lead_on(lead))).await;
        reached.into_iter().all(|is_led| is_led)
    }

    /// Ends in good order.
    pub(super) async fn close(self) {
        self.stop.cancel();
        for door in self.open.into_values() {
            let _ = door.serving.await;
        }
    }
}

impl Door {
    async fn lead_on(&mut self, lead: &Lead) -> bool {
        let reach = async {
            let mut found: Vec<SocketAddr> =
                lookup_host((lead.service.as_str(), lead.port)).await.ok()?.collect();
            found.sort_unstable();
            for at in &found {
                TcpStream::connect(at).await.ok()?;
            }
            Some(found).filter(|found| !found.is_empty())
        };
        let Ok(Some(found)) = timeout(REACH, reach).await else { return false };
        let instance = |at: &SocketAddr| Instance { key: key(lead, *at), address: *at };
        let pool = Pool {
            release: ReleaseId::new("app"),
            version: String::new(),
            weight: Weight::FULL,
            candidate: false,
            instances: found.iter().map(instance).collect(),
        };
        self.proxy.set_table(Table { pools: vec![pool] });
        self.behind = found;
        true
    }
}

fn key(lead: &Lead, at: SocketAddr) -> InstanceKey {
    InstanceKey::new(format!("{}-{at}", lead.at))
}
