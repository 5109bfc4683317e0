//! Which pods are read, and where: by the annotations that Prometheus is commonly told by.

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;

use super::routers::Router;
use crate::rollout::ReleaseId;
use crate::target::kubernetes::names::RELEASE;
use crate::target::kubernetes::view::Frame;
use crate::target::kubernetes::world::Snapshot;

/// Annotation of a pod that offers metrics: `true`.
const SCRAPE: &str = "prometheus.io/scrape";
/// Annotation with the port, by number or by name; without it, the first one of the pod.
const PORT: &str = "prometheus.io/port";
/// Annotation with the path; without it, `/metrics`.
const PATH: &str = "prometheus.io/path";
/// Annotation with the scheme: `http` or `https`.
const SCHEME: &str = "prometheus.io/scheme";

/// A pod that answers visitors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Instance {
    /// Its name; of what is counted by Service, the name of that.
    pub(super) pod: String,
    pub(super) uid: String,
    pub(super) release: ReleaseId,
    /// Where it shows its metrics; nothing where it says that it does not.
    pub(super) offer: Option<Offer>,
    /// The ports of a Service, by their numbers and their names, as routers call them.
    pub(super) ports: Vec<String>,
}

impl Instance {
    /// The same Service as one of the router's pods counts it.
    pub(super) fn through(&self, router: &Router) -> Self {
        Self { uid: format!("{}/{}", router.uid, self.uid), ..self.clone() }
    }
}

/// Where a pod shows its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) is_https: bool,
    pub(super) port: u16,
    /// The path, with a query where one is asked for.
    pub(super) path: String,
    /// Paths that no visitor asks for: probes, and the metrics.
    pub(super) aside: Vec<String>,
}

/// The running pods that the Service of the rollout leads to, or would if it were not held to one release; all pods, where no
/// Service is known.
pub(in super::super) fn instances(snapshot: &Snapshot, frame: &Frame) -> Vec<Instance> {
    let name = frame.shape.service.as_deref();
    let service = snapshot.services.iter().find(|service| Some(service.name_any().as_str()) == name);
    let selector = service.and_then(|service| service.spec.as_ref()?.selector.as_ref());
    let is_led_to = |pod: &Pod| {
        selector.is_none_or(|selector| {
            selector.iter().all(|(key, value)| key == RELEASE || pod.labels().get(key) == Some(value))
        })
    };
    let runs =
        |pod: &Pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    let led_to = snapshot.pods.iter().filter(|pod| runs(pod) && is_led_to(pod));
    led_to
        .filter_map(|pod| {
            Some(Instance {
                pod: pod.name_any(),
                uid: pod.metadata.uid.clone()?,
                release: frame.release_of(pod.labels().get(RELEASE))?,
                offer: offer(pod),
                ports: Vec::new(),
            })
        })
        .collect()
}

fn offer(pod: &Pod) -> Option<Offer> {
    let told = |name: &str| pod.annotations().get(name).map(String::as_str).filter(|text| !text.is_empty());
    if told(SCRAPE) != Some("true") {
        return None;
    }
    let containers = pod.spec.as_ref().map_or(&[][..], |spec| &spec.containers);
    let ports = || containers.iter().flat_map(|container| container.ports.iter().flatten());
    let port = match told(PORT) {
        Some(text) => text.parse().ok().or_else(|| {
            let named = ports().find(|port| port.name.as_deref() == Some(text));
            named.map(|port| port.container_port)
        }),
        None => ports().next().map(|port| port.container_port),
    };
    let path = told(PATH).unwrap_or("/metrics");
    let path = format!("/{}", path.trim_start_matches('/'));
    let mut aside: Vec<String> = containers.iter().flat_map(probed).collect();
    aside.push(path.clone());
    Some(Offer { is_https: told(SCHEME) == Some("https"), port: u16::try_from(port?).ok()?, path, aside })
}

/// The paths that the kubelet asks a container for.
fn probed(container: &Container) -> impl Iterator<Item = String> {
    let probes = [&container.readiness_probe, &container.liveness_probe, &container.startup_probe];
    probes.into_iter().flatten().filter_map(|probe| probe.http_get.as_ref()?.path.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::core::v1::Service;
    use serde_json::{Value, json};

    use super::*;
    use crate::target::kubernetes::bundle::Shape;

    fn pod(name: &str, labels: Value, annotations: Value) -> Arc<Pod> {
        let probe = |path: &str| json!({ "httpGet": { "path": path, "port": "web" } });
        let pod = json!({
            "metadata": { "name": name, "uid": format!("uid-{name}"), "labels": labels, "annotations": annotations },
            "spec": { "containers": [{
                "name": "app",
                "ports": [{ "containerPort": 8080 }, { "containerPort": 9090, "name": "metrics" }],
                "readinessProbe": probe("/readyz"),
                "livenessProbe": probe("/healthz"),
            }] },
            "status": { "phase": "Running" },
        });
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    fn seen(pods: Vec<Arc<Pod>>) -> Vec<Instance> {
        let service: Service = serde_json::from_value(json!({
            "metadata": { "name": "shop" },
            "spec": { "selector": { "app": "shop", RELEASE: "old" } },
        }))
        .unwrap();
        let snapshot = Snapshot { pods, services: vec![Arc::new(service)], ..Snapshot::default() };
        let shape = Shape { service: Some("shop".to_owned()), ..Shape::default() };
        let frame = Frame { shape, baseline: Some(ReleaseId::new("before")), ..Frame::default() };
        instances(&snapshot, &frame)
    }

    #[test]
    fn pods_of_all_releases_that_the_service_could_lead_to_are_read_and_no_others() {
        let other = pod("worker", json!({ "app": "worker" }), json!({}));
        let mut pending = (*pod("pending", json!({ "app": "shop" }), json!({}))).clone();
        pending.status = None;
        let all = seen(vec![
            pod("a", json!({ "app": "shop", RELEASE: "old" }), json!({})),
            pod("b", json!({ "app": "shop", RELEASE: "new" }), json!({})),
            pod("c", json!({ "app": "shop" }), json!({})),
            other,
            Arc::new(pending),
        ]);
        let told: Vec<(&str, &str)> =
            all.iter().map(|one| (one.uid.as_str(), one.release.as_str())).collect();
        assert_eq!(told, [("uid-a", "old"), ("uid-b", "new"), ("uid-c", "before")]);
        assert!(all.iter().all(|one| one.offer.is_none()));
    }

    #[test]
    fn annotations_say_where_the_metrics_are() {
        let offered = |annotations: Value| {
            let all = seen(vec![pod("a", json!({ "app": "shop" }), annotations)]);
            all.first().and_then(|one| one.offer.clone())
        };
        assert_eq!(offered(json!({ SCRAPE: "false", PORT: "8080" })), None);
        let plain = offered(json!({ SCRAPE: "true" })).unwrap();
        assert_eq!((plain.is_https, plain.port, plain.path.as_str()), (false, 8080, "/metrics"));
        assert_eq!(plain.aside, ["/readyz", "/healthz", "/metrics"]);
        let told = offered(
            json!({ SCRAPE: "true", PORT: "metrics", PATH: "stats?format=prometheus", SCHEME: "https" }),
        );
        let told = told.unwrap();
        assert_eq!((told.is_https, told.port, told.path.as_str()), (true, 9090, "/stats?format=prometheus"));
        assert_eq!(offered(json!({ SCRAPE: "true", PORT: "7000" })).unwrap().port, 7000);
        assert_eq!(offered(json!({ SCRAPE: "true", PORT: "nowhere" })), None);
    }
}
