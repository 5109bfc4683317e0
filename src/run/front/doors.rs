//! The ports of the front: each a router of its own before the pods of a Service.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::select_all;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::Event;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::rollout::{ReleaseId, Weight};
use crate::target::kubernetes::front::{Lead, ready};
use crate::target::local::proxy::{Access, Instance, InstanceKey, Pool, Proxy, ProxySettings, Table};

/// So long a request waits for an app that wakes.
const HOLD: Duration = Duration::from_secs(180);
/// A pod that goes is no longer among the endpoints after this time.
const GOING: Duration = Duration::from_secs(10);
/// So long requests may go on once the pod is to end; less than its grace.
const LAST: Duration = Duration::from_secs(30);

/// All of them.
pub(super) struct Doors {
    settings: ProxySettings,
    open: BTreeMap<Lead, Door>,
    /// The endpoints of the namespace, by the names of their slices.
    slices: BTreeMap<String, EndpointSlice>,
    /// Those of a look that is under way.
    coming: BTreeMap<String, EndpointSlice>,
    /// Requests are led on, where there are pods that take them.
    is_led: bool,
    /// Until then pods that were left are taken for going, though the API server may not have told so yet.
    left_until: Option<Instant>,
    stop: CancellationToken,
}

/// One port.
struct Door {
    proxy: Proxy,
    /// The pods to which requests were led last.
    behind: BTreeSet<SocketAddr>,
    /// Those that were there when the app lay down.
    left: BTreeSet<SocketAddr>,
    stop: CancellationToken,
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
        let (open, slices, coming) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            settings,
            open,
            slices,
            coming,
            is_led: false,
            left_until: None,
            stop: CancellationToken::new(),
        }
    }

    /// Serves a port, from now on; requests wait until there is a pod that takes them.
    pub(super) async fn open(&mut self, lead: Lead) -> Result<(), Error> {
        if self.open.contains_key(&lead) {
            return Ok(());
        }
        // What led here by that port before does so no more.
        let former: Vec<Lead> = self.open.keys().filter(|other| other.at == lead.at).cloned().collect();
        for door in former.iter().filter_map(|former| self.open.remove(former)) {
            // What it has taken goes on to its end; nobody waits for that.
            door.stop.cancel();
        }
        let (proxy, listener) = (Proxy::new(self.settings.clone()), super::listen(lead.at).await?);
        let (own, stop) = (proxy.clone(), self.stop.child_token());
        let token = stop.clone();
        let serving = tokio::spawn(async move { own.serve(listener, token).await });
        tracing::info!("port {} leads to {} {}", lead.at, lead.service, lead.port);
        self.open.insert(lead, Door { proxy, behind: BTreeSet::new(), left: BTreeSet::new(), stop, serving });
        self.lead();
        Ok(())
    }

    /// Takes what the API server tells of endpoints.
    pub(super) fn hear(&mut self, event: Event<EndpointSlice>) {
        let named = |slice: EndpointSlice| Some((slice.metadata.name.clone()?, slice));
        match event {
            Event::Init => self.coming.clear(),
            Event::InitApply(slice) => self.coming.extend(named(slice)),
            Event::InitDone => self.slices = std::mem::take(&mut self.coming),
            Event::Apply(slice) => self.slices.extend(named(slice)),
            Event::Delete(slice) => drop(slice.metadata.name.and_then(|name| self.slices.remove(&name))),
        }
        self.lead();
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

    /// Has every request wait from now on. What is on its way goes on.
    pub(super) fn shut(&mut self) {
        self.is_led = false;
        self.open.values().for_each(|door| door.proxy.set_table(Table::default()));
    }

    /// The app lies down: the pods that are there now go.
    pub(super) fn leave(&mut self) {
        self.left_until = Some(Instant::now() + GOING);
        self.open.values_mut().for_each(|door| door.left = std::mem::take(&mut door.behind));
    }

    /// Leads requests on again, to whatever pods take them.
    pub(super) fn lead_on(&mut self) {
        self.is_led = true;
        self.lead();
    }

    /// Whether any pod takes requests.
    pub(super) fn leads_anywhere(&self) -> bool {
        self.open.values().any(|door| !door.behind.is_empty())
    }

    fn lead(&mut self) {
        if !self.is_led {
            return;
        }
        let are_going = self.left_until.is_some_and(|until| until > Instant::now());
        for (lead, door) in &mut self.open {
            let all = ready(lead, self.slices.values());
            // One that comes again by the same address is another pod.
            door.left.retain(|left| are_going && all.contains(left));
            let found: BTreeSet<SocketAddr> = all.difference(&door.left).copied().collect();
            if found != door.behind || door.proxy.table().pools.is_empty() {
                door.lead(lead, found);
            }
        }
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
    fn lead(&mut self, lead: &Lead, found: BTreeSet<SocketAddr>) {
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
    }
}

fn key(lead: &Lead, at: SocketAddr) -> InstanceKey {
    InstanceKey::new(format!("{}-{at}", lead.at))
}
