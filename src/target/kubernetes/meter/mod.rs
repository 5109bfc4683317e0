//! What the instances have answered, by their own counts: no Prometheus is needed, and nothing is put into the cluster.
//!
//! Each pod says by the annotations `prometheus.io/scrape`, `prometheus.io/port` and `prometheus.io/path` that it shows metrics,
//! as it would to a Prometheus, and where. They are fetched through the API server's proxy of pods, which is all that a runner
//! outside of the cluster can reach; that takes the right to `get` `pods/proxy`. Which counts are understood is told in [`text`].
//!
//! Where the settings name a Prometheus ([`prometheus`]) or a router ([`routers`]), that is asked instead, and the pods are not.

mod buckets;
mod ledger;
mod line;
mod pods;
mod prometheus;
mod routed;
mod routers;
mod services;
mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::Request;
use http::header::ACCEPT;
use kube::Client;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::cluster::trouble;
use crate::rollout::{Counts, ReleaseId};
use ledger::{Ledger, Visit};
use pods::Offer;
pub(super) use pods::{Instance, instances};
use prometheus::Asker;
pub use prometheus::{By, Credential, PrometheusSource, Queries};
pub use routed::RouterCounts;
pub use routers::RouterSource;
pub(super) use routers::objection;
pub(super) use services::led_to;
use text::Unreadable;

/// How long after one round of all pods the next one begins.
const EVERY: Duration = Duration::from_millis(500);
/// How long after one round of questions to a Prometheus the next one begins. It knows nothing new more often.
const EVERY_QUESTION: Duration = Duration::from_secs(1);
/// How long one pod may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many pods are asked at a time.
const AT_ONCE: usize = 16;

/// Who counts requests for a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CountSource {
    /// The pods themselves.
    #[default]
    Pods,
    /// A Prometheus.
    Prometheus(PrometheusSource),
    /// The pods of a router.
    Routers(RouterSource),
}

impl CountSource {
    /// What there is a count for.
    pub(super) const fn by(&self) -> By {
        match self {
            Self::Pods => By::Pod,
            Self::Prometheus(source) => source.queries.by,
            Self::Routers(_) => By::Service,
        }
    }
}

/// The counts of the instances of one namespace, read again and again as long as it lives.
pub(super) struct Meter {
    epoch: u64,
    ledger: Arc<Mutex<Ledger>>,
    _task: AbortOnDropHandle<()>,
}

impl Meter {
    /// Asks who is to be asked. Reads nothing before it is told what to watch. `wake` is called after each round in which a count
    /// has changed.
    pub(super) fn begin(
        source: &CountSource,
        client: Client,
        namespace: &str,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let shared = |ledger| Arc::new(Mutex::new(ledger));
        let (ledger, task) = match source {
            CountSource::Pods => {
                let ledger = shared(Ledger::of_pods());
                let rounds = rounds(client, namespace.to_owned(), Arc::clone(&ledger), wake);
                (ledger, tokio::spawn(rounds))
            }
            CountSource::Prometheus(source) => {
                let ledger = shared(Ledger::of_another(source.queries.by));
                let asker = Asker::new(source.clone(), namespace);
                let questions = questions(asker, Arc::clone(&ledger), wake);
                (ledger, tokio::spawn(questions))
            }
            CountSource::Routers(source) => {
                let ledger = shared(Ledger::of_routers());
                let (source, namespace) = (source.clone(), namespace.to_owned());
                let rounds = routers::rounds(client, source, namespace, Arc::clone(&ledger), wake);
                (ledger, tokio::spawn(rounds))
            }
        };
        let epoch = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
        Self { epoch, ledger, _task: AbortOnDropHandle::new(task) }
    }

    /// These instances are there now, and requests that took longer than the bound are slow. An empty list lets it rest. Those
    /// of the first list count from their first reading on, those that come later from zero.
    pub(super) fn watch(&self, instances: Vec<Instance>, slow_bound: Option<Duration>) {
        self.with(|ledger| ledger.watch(instances, slow_bound));
    }

    /// What each release has answered since the meter began, instances that are gone included, and the name of this run of
    /// counters: its start in milliseconds.
    pub(super) fn counts(&self) -> (u64, BTreeMap<ReleaseId, Counts>) {
        (self.epoch, self.with(|ledger| ledger.counts()))
    }

    /// Why there are no counts of a release whose instances run, where that is so.
    pub(super) fn why_silent(&self) -> Option<String> {
        self.with(|ledger| ledger.why_silent())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn rounds(client: Client, namespace: String, ledger: Arc<Mutex<Ledger>>, wake: impl Fn()) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (wanted, bound) = ledger.lock().unwrap_or_else(PoisonError::into_inner).wanted();
        let visits = wanted.into_iter().map(|instance| {
            let (client, namespace) = (&client, &namespace);
            async move {
                let visit = visit(client, namespace, &instance, bound).await;
                (instance, visit)
            }
        });
        let mut visits = std::pin::pin!(stream::iter(visits).buffer_unordered(AT_ONCE));
        let mut has_changed = false;
        while let Some((instance, visit)) = visits.next().await {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            has_changed |= ledger.take(&instance, bound, visit);
        }
        if has_changed {
            wake();
        }
    }
}

async fn questions(asker: Asker, ledger: Arc<Mutex<Ledger>>, wake: impl Fn()) {
    let mut ticks = interval(EVERY_QUESTION);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (wanted, bound) = ledger.lock().unwrap_or_else(PoisonError::into_inner).wanted();
        if wanted.is_empty() {
            continue;
        }
        let visits = asker.visits(&wanted, bound).await;
        let has_changed = {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            let took = |(one, visit)| ledger.take(one, bound, visit);
            wanted.iter().zip(visits).map(took).fold(false, |any, one| any | one)
        };
        if has_changed {
            wake();
        }
    }
}

async fn visit(client: &Client, namespace: &str, from: &Instance, bound: Option<Duration>) -> Visit {
    let Some(offer) = &from.offer else {
        return Visit::Failed(format!("pod {} offers no metrics", from.pod));
    };
    let object = format!("the metrics of pod {}", from.pod);
    let answer = match fetch(client, namespace, &address(&from.pod, offer), &object, PATIENCE).await {
        Ok(text) => text,
        Err(why) => return Visit::Failed(why),
    };
    let told = |why: Unreadable| format!("pod {} {why}", from.pod);
    match text::read(&answer, bound, &offer.aside) {
        Ok(reading) => Visit::Read(reading),
        Err(why @ Unreadable::Requests) => Visit::Nothing(told(why)),
        Err(why) => Visit::Failed(told(why)),
    }
}

/// What a pod shows, passed on by the API server: `at` is the pod with its port, and the path after `/proxy`.
///
/// # Errors
/// Why not, in a sentence about `object`.
async fn fetch(
    client: &Client,
    namespace: &str,
    at: &str,
    object: &str,
    patience: Duration,
) -> Result<String, String> {
    let request = Request::get(format!("/api/v1/namespaces/{namespace}/pods/{at}"))
        .header(ACCEPT, "text/plain;version=0.0.4")
        .body(Vec::new())
        .map_err(|error| format!("cannot ask for {object} at {at}: {error}"))?;
    match timeout(patience, client.request_text(request)).await {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(error)) => Err(trouble("read", object, &error).sentence),
        Err(_) => Err(format!("cannot read {object}: no answer within {patience:?}")),
    }
}

/// Where a pod shows its metrics.
fn address(pod: &str, offer: &Offer) -> String {
    let scheme = if offer.is_https { "https:" } else { "" };
    format!("{scheme}{pod}:{}/proxy{}", offer.port, offer.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_asked_through_the_api_server() {
        let mut offer = Offer { is_https: false, port: 8080, path: "/metrics".to_owned(), aside: Vec::new() };
        assert_eq!(address("web-1", &offer), "web-1:8080/proxy/metrics");
        offer.is_https = true;
        assert_eq!(address("web-1", &offer), "https:web-1:8080/proxy/metrics");
    }
}
