//! What runs of an app, in words: each workload with what leads to it, what it is made of and what it asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Object;

/// Workloads that stay.
const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// One workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Hosts by which visitors reach it.
    pub hosts: BTreeSet<String>,
    /// The image of its first container.
    pub image: Option<String>,
    /// How many pods it has and what each asks for, such as `2 × 100m CPU, 64Mi`.
    pub size: String,
}

/// The workloads of an app. `behind` tells which Service stands behind one that a route leads to, where it is not that one itself.
#[must_use]
pub fn parts(objects: &[Object], behind: impl Fn(&Object) -> Option<String>) -> Vec<Part> {
    let services: BTreeMap<&str, &Object> = objects
        .iter()
        .filter(|object| object.key.kind == "Service")
        .map(|object| (object.key.name.as_str(), object))
        .collect();
    let mut led: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for object in objects {
        for (host, service) in ways(object) {
            let last = services.get(service.as_str()).and_then(|service| behind(service)).unwrap_or(service);
            led.entry(last).or_default().insert(host);
        }
    }
    let workloads = objects.iter().filter(|object| KINDS.contains(&object.key.kind.as_str()));
    let part = |object: &Object| {
        let template = object.pod_template()?;
        let labels = &template["metadata"]["labels"];
        let leads_here = |service: &Object| {
            let selector = service.value.pointer("/spec/selector").and_then(Value::as_object);
            selector.is_some_and(|all| {
                !all.is_empty() && all.iter().all(|(key, value)| labels.get(key) == Some(value))
            })
        };
        let hosts = led
            .iter()
            .filter(|(service, _)| services.get(service.as_str()).is_some_and(|one| leads_here(one)));
        let container = template.pointer("/spec/containers/0");
        Some(Part {
            name: object.key.name.clone(),
            hosts: hosts.flat_map(|(_, hosts)| hosts.iter().cloned()).collect(),
            image: container.and_then(|container| Some(container["image"].as_str()?.to_owned())),
            size: size(object, container),
        })
    };
    workloads.filter_map(part).collect()
}

/// The hosts of a route, each with the Services that it leads to by that.
fn ways(object: &Object) -> Vec<(String, String)> {
    let spec = &object.value["spec"];
    let names = |list: &Value, path: &str| -> Vec<String> {
        items(list).filter_map(|item| Some(item.pointer(path)?.as_str()?.to_owned())).collect()
    };
    let texts = |list: &Value| names(list, "");
    let cross = |hosts: Vec<String>, services: Vec<String>| -> Vec<(String, String)> {
        hosts.iter().flat_map(|host| services.iter().map(|service| (host.clone(), service.clone()))).collect()
    };
    match object.key.kind.as_str() {
        "HTTPRoute" | "GRPCRoute" => {
            let services = items(&spec["rules"]).flat_map(|rule| names(&rule["backendRefs"], "/name"));
            cross(texts(&spec["hostnames"]), services.collect())
        }
        "VirtualService" => {
            let hosts = items(&spec["http"]).flat_map(|route| names(&route["route"], "/destination/host"));
            let short = hosts.filter_map(|host| host.split('.').next().map(str::to_owned));
            cross(texts(&spec["hosts"]), short.collect())
        }
        "Ingress" => {
            let of = |rule: &Value| {
                let host = rule["host"].as_str().map(str::to_owned);
                cross(host.into_iter().collect(), names(&rule["http"]["paths"], "/backend/service/name"))
            };
            items(&spec["rules"]).flat_map(of).collect()
        }
        "IngressRoute" => {
            let of = |route: &Value| {
                let rule = route["match"].as_str().unwrap_or_default();
                let hosts = rule.split("Host(`").skip(1).filter_map(|rest| rest.split('`').next());
                cross(hosts.map(str::to_owned).collect(), names(&route["services"], "/name"))
            };
            items(&spec["routes"]).flat_map(of).collect()
        }
        _ => Vec::new(),
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn size(object: &Object, container: Option<&Value>) -> String {
    let replicas = object.value.pointer("/spec/replicas").and_then(Value::as_u64);
    let pods = match (object.key.kind.as_str(), replicas.unwrap_or(1)) {
        ("DaemonSet", _) => "a pod a node".to_owned(),
        (_, 1) => "1 pod".to_owned(),
        (_, many) => format!("{many} pods"),
    };
    let asks = |what: &str| {
        let value = container?.pointer(&format!("/resources/requests/{what}"))?;
        value.as_str().map(str::to_owned).or_else(|| value.as_f64().map(|number| number.to_string()))
    };
    let asked: Vec<String> =
        [asks("cpu").map(|cpu| format!("{cpu} CPU")), asks("memory")].into_iter().flatten().collect();
    if asked.is_empty() { pods } else { format!("{pods}, {}", asked.join(", ")) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::parse;
    use super::*;

    #[test]
    fn each_workload_is_told_with_what_leads_to_it() {
        let text = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: 2, selector: {}, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: a, image: 'r.test/web:1', resources: { requests: { cpu: 100m, memory: 64Mi } } }] } } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: worker }
spec: { selector: {}, template: { metadata: { labels: { app: worker } }, spec: { containers: [{ name: a, image: r.test/worker }] } } }
---
{ apiVersion: v1, kind: Service, metadata: { name: shop }, spec: { selector: { app: web } } }
---
{ apiVersion: v1, kind: Service, metadata: { name: shop-front, labels: { before: shop } }, spec: { selector: { front: 'true' } } }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: i }
spec: { rules: [{ host: a.test, http: { paths: [{ backend: { service: { name: shop-front } } }] } }, { host: x.test, http: { paths: [{ backend: { service: { name: other } } }] } }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: h }
spec: { hostnames: [b.test], rules: [{ backendRefs: [{ name: shop }] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: v }
spec: { hosts: [c.test], http: [{ route: [{ destination: { host: shop.x.svc.cluster.local } }] }] }
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: { name: t }
spec: { routes: [{ match: 'Host(`d.test`) && PathPrefix(`/`)', services: [{ name: shop }] }] }
";
        let objects = parse(Path::new("shop.yaml"), text).unwrap();
        let behind =
            |service: &Object| Some(service.value["metadata"]["labels"]["before"].as_str()?.to_owned());
        let all = parts(&objects, behind);
        let told: Vec<_> = all.iter().map(|part| (part.name.as_str(), part.size.as_str())).collect();
        assert_eq!(told, [("web", "2 pods, 100m CPU, 64Mi"), ("worker", "1 pod")]);
        assert_eq!(all[0].hosts.iter().collect::<Vec<_>>(), ["a.test", "b.test", "c.test", "d.test"]);
        assert!(all[1].hosts.is_empty());
        assert_eq!(all[0].image.as_deref(), Some("r.test/web:1"));
    }
}
