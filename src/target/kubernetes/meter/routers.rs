//! What the pods of a router have counted of each Service that they lead to, read through the API server: neither a Prometheus nor anything of
//! the app is needed. Each pod of the router is read by itself, so that one that comes, goes or begins anew changes its own part only.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::time::{Instant, sleep, timeout};

use super::ledger::{Ledger, Visit};
use super::routed::{self, Asked, RouterCounts};
use super::{AT_ONCE, EVERY, Instance, fetch};
use crate::cluster::trouble;

/// How long one pod may take: what a router shows of all that it leads to may be long.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long what pods the router has is taken as known.
const POD_LIST: Duration = Duration::from_secs(5);

/// The pods of a router that count what they lead to each Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterSource {
    /// Whose counts they are.
    pub counts: RouterCounts,
    /// The namespace of the pods.
    pub namespace: String,
    /// Their labels, as a label selector.
    pub selector: String,
    /// The port at which they show their counts.
    pub port: u16,
}

/// A pod of the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Router {
    pub(super) pod: String,
    pub(super) uid: String,
}

/// Reads all pods of the router again and again, for the Services that the ledger watches in `namespace`.
pub(super) async fn rounds(
    client: Client,
    source: RouterSource,
    namespace: String,
    ledger: Arc<Mutex<Ledger>>,
    wake: impl Fn(),
) {
    let with = || ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let mut listed: Option<Instant> = None;
    let mut took = Duration::ZERO;
    loop {
        // What takes long is read less often: half of the time, the routers and the API server are left alone.
        sleep(took.max(EVERY)).await;
        let began = Instant::now();
        if with().rests() {
            listed = None;
            continue;
        }
        if listed.is_none_or(|at| at.elapsed() >= POD_LIST) {
            let routers = pods(&client, &source).await;
            listed = routers.is_ok().then(Instant::now);
            with().through(routers);
        }
        let (by_router, bound) = with().by_router();
        let path = source.counts.path(&namespace);
        let visits = by_router.into_iter().map(|(router, services)| {
            let (client, source, namespace, path) = (&client, &source, &namespace, &path);
            async move {
                let at = format!("{router}:{}/proxy{path}", source.port);
                let object = format!("the counts of {router}, a pod of {}", source.counts.name());
                let text = fetch(client, &source.namespace, &at, &object, PATIENCE).await;
                (text.is_ok(), visits(text, source.counts, &router, namespace, services, bound))
            }
        });
        let mut visits = std::pin::pin!(stream::iter(visits).buffer_unordered(AT_ONCE));
        let mut has_changed = false;
        while let Some((is_there, visits)) = visits.next().await {
            if !is_there {
                // It may have given way to another one.
                listed = None;
            }
            let mut ledger = with();
            for (service, visit) in visits {
                has_changed |= ledger.take(&service, bound, visit);
            }
        }
        if has_changed {
            wake();
        }
        took = began.elapsed();
    }
}

/// Why nothing would be known of the router, were it asked now: no such pods, or a pod that does not show its counts. Nothing where all is well.
pub(in super::super) async fn objection(
    client: &Client,
    source: &RouterSource,
    namespace: &str,
) -> Option<String> {
    let routers = match pods(client, source).await {
        Ok(routers) => routers,
        Err(why) => return Some(why),
    };
    let mut objection = None;
    for Router { pod, .. } in &routers {
        let at = format!("{pod}:{}/proxy{}", source.port, source.counts.path(namespace));
        let object = format!("the counts of {pod}, a pod of {}", source.counts.name());
        match fetch(client, &source.namespace, &at, &object, PATIENCE).await {
            // One that does not is perhaps coming or going.
            Ok(_) => return None,
            Err(why) => objection = objection.or(Some(why)),
        }
    }
    objection
}

/// The running pods of the router.
async fn pods(client: &Client, source: &RouterSource) -> Result<Vec<Router>, String> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &source.namespace);
    let object = format!("the pods of {} in namespace {}", source.counts.name(), source.namespace);
    let wanted = ListParams::default().labels(&source.selector).fields("status.phase=Running");
    let list = match timeout(PATIENCE, api.list(&wanted)).await {
        Ok(Ok(list)) => list,
        Ok(Err(error)) => return Err(trouble("list", &object, &error).sentence),
        Err(_) => return Err(format!("cannot list {object}: no answer within {PATIENCE:?}")),
    };
    let stays = list.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let routers = stays.filter_map(|pod| {
        let uid = pod.metadata.uid.clone()?;
        Some(Router { pod: pod.name_any(), uid })
    });
    let routers: Vec<Router> = routers.collect();
    if routers.is_empty() {
        return Err(format!(
            "no pod of {} runs in namespace {} with the labels {}",
            source.counts.name(),
            source.namespace,
            source.selector
        ));
    }
    Ok(routers)
}

/// What one text tells of each Service. A router that shows nothing of one has led nothing to it.
fn visits(
    text: Result<String, String>,
    counts: RouterCounts,
    router: &str,
    namespace: &str,
    services: Vec<Instance>,
    bound: Option<Duration>,
) -> Vec<(Instance, Visit)> {
    let text = match text {
        Ok(text) => text,
        Err(why) => return services.into_iter().map(|one| (one, Visit::Failed(why.clone()))).collect(),
    };
    let asked: Vec<Asked<'_>> =
        services.iter().map(|one| Asked { name: &one.pod, ports: &one.ports }).collect();
    let mut read = routed::read(&text, counts, namespace, &asked, bound);
    let visits: Vec<Visit> = asked
        .iter()
        .map(|Asked { name, .. }| match read.remove(name) {
            Some(Some(reading)) => Visit::Read(reading),
            Some(None) => Visit::Failed(format!(
                "{router} counts no latency of Service {name}, which `slower-than` needs"
            )),
            None => Visit::Nothing(format!("{router} has led no request to Service {name}")),
        })
        .collect();
    services.into_iter().zip(visits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::ReleaseId;

    #[test]
    fn a_router_tells_of_each_service_by_itself() {
        let service = |name: &str| Instance {
            pod: name.to_owned(),
            uid: format!("r/{name}"),
            release: ReleaseId::new(name),
            offer: None,
            ports: vec!["80".to_owned()],
        };
        let text = "traefik_service_requests_total{code=\"200\",service=\"shop-web-80@kubernetescrd\"} 5\n";
        let told = |text: Result<String, String>, bound| -> Vec<String> {
            let services = vec![service("web"), service("web-new")];
            let all = visits(text, RouterCounts::Traefik, "traefik-1", "shop", services, bound);
            let told = |visit| match visit {
                Visit::Read(reading) => reading.counts.requests.to_string(),
                Visit::Nothing(why) | Visit::Failed(why) => why,
            };
            all.into_iter().map(|(_, visit)| told(visit)).collect()
        };
        let none = "traefik-1 has led no request to Service web-new";
        assert_eq!(told(Ok(text.to_owned()), None), ["5", none]);
        let slow = "traefik-1 counts no latency of Service web, which `slower-than` needs";
        assert_eq!(told(Ok(text.to_owned()), Some(Duration::from_millis(5))), [slow, none]);
        assert_eq!(told(Err("gone".to_owned()), None), ["gone", "gone"]);
    }
}
