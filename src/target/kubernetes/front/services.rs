//! Services before Services: what routes lead to instead, and what the front's process makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::{BEFORE, PART};
use crate::target::TargetError;
use crate::target::kubernetes::manifests::{Key, Object};
use crate::target::kubernetes::names::joined;

/// The port of the front's pod that the first port of a Service leads to.
const FIRST: i64 = 20_000;
/// The label of a slice of endpoints: its Service.
const OF: &str = "kubernetes.io/service-name";
/// The longest name of a Service.
const LABEL: usize = 63;
/// Routes of what is no HTTP/1.1, before which the front cannot stand.
const OTHERS: [&str; 7] =
    ["GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute", "IngressRouteTCP", "IngressRouteUDP", "TraefikService"];

/// A port of the front, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lead {
    /// The port that the front listens on.
    pub at: u16,
    /// The Service behind it.
    pub service: String,
    /// The name of its port; empty where it has only one and no name for that.
    pub port: String,
}

/// Has routes lead to Services of the front, which are added to the objects.
///
/// # Errors
/// `front-unfit` where no route leads to a Service of the objects, or one to what the front cannot stand before.
pub fn stand_before(objects: &mut Vec<Object>) -> Result<(), TargetError> {
    if let Some(other) = objects.iter().find(|object| OTHERS.contains(&object.key.kind.as_str())) {
        let sentence = format!(
            "{} ({}) is no plain route of HTTP, and the front of a preview passes on nothing else",
            other.key, other.source
        );
        return Err(unfit(
            sentence,
            "take `sleep` and `access` out of `preview`, or that route out of its manifests",
        ));
    }
    let services: BTreeMap<String, Object> = objects
        .iter()
        .filter(|object| object.key.kind == "Service" && object.key.group().is_empty())
        .map(|object| (object.key.name.clone(), object.clone()))
        .collect();
    let mut led = BTreeMap::new();
    for object in objects.iter_mut() {
        let whose = format!("{} ({})", object.key, object.source);
        each_backend(object, &mut |name| drop(led.insert(name.clone(), whose.clone())));
    }
    if led.is_empty() {
        let sentence = "no route of the manifests leads to a Service: nothing for the front of a preview to stand before";
        return Err(unfit(
            sentence.to_owned(),
            "add an HTTPRoute, an Ingress, a VirtualService or an IngressRoute, or take `sleep` and `access` out",
        ));
    }
    let (mut names, mut at) = (BTreeMap::new(), FIRST);
    for (name, whose) in &led {
        let Some(service) = services.get(name) else {
            let sentence = format!("{whose} leads to the Service {name}, which the manifests do not have");
            return Err(unfit(sentence, "add it to the manifests of `preview`"));
        };
        let front = joined(name, "front", LABEL);
        let is_taken = services.contains_key(&front) || names.values().any(|other| *other == front);
        if is_taken {
            let sentence = format!("the Service before {name} would be called {front}, as another one is");
            return Err(unfit(sentence, "give one of the two another name"));
        }
        objects.push(before(service, name, &front, &mut at)?);
        names.insert(name.clone(), front);
    }
    for object in objects.iter_mut() {
        each_backend(object, &mut |name| {
            if let Some(front) = names.get(name) {
                front.clone_into(name);
            }
        });
    }
    Ok(())
}

/// The Service that leads to the front in place of another one.
fn before(service: &Object, name: &str, front: &str, at: &mut i64) -> Result<Object, TargetError> {
    if service.value.pointer("/spec/type").is_some_and(|kind| kind == "ExternalName") {
        let sentence =
            format!("the Service {name} ({}) stands for something outside of the cluster", service.source);
        return Err(unfit(sentence, "have the route lead to a Service with pods"));
    }
    let ports = service.value.pointer("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut led = Vec::new();
    for port in ports.iter().filter(|port| port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP"))
    {
        let mut own = json!({ "port": port["port"], "protocol": "TCP", "targetPort": *at });
        if let Some(name) = port.get("name") {
            own["name"] = name.clone();
        }
        led.push(own);
        *at += 1;
    }
    let value = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": front, "labels": { BEFORE: name } },
        "spec": { "selector": { PART: "true" }, "ports": led },
    });
    let key = Key {
        api_version: "v1".to_owned(),
        kind: "Service".to_owned(),
        namespace: None,
        name: front.to_owned(),
    };
    Ok(Object { key, source: service.source.clone(), value })
}

/// Where the ports of a Service lead that stands before another one; nothing for one that does not.
#[must_use]
pub fn leads(service: &Service) -> BTreeSet<Lead> {
    let Some(behind) = service.metadata.labels.as_ref().and_then(|labels| labels.get(BEFORE)) else {
        return BTreeSet::new();
    };
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let lead = |port: &k8s_openapi::api::core::v1::ServicePort| {
        let Some(IntOrString::Int(at)) = port.target_port else { return None };
        Some(Lead {
            at: u16::try_from(at).ok()?,
            service: behind.clone(),
            port: port.name.clone().unwrap_or_default(),
        })
    };
    ports.filter_map(lead).collect()
}

/// The Service behind one of the front's; nothing for any other one.
#[must_use]
pub fn behind(service: &Object) -> Option<String> {
    Some(service.value["metadata"]["labels"][BEFORE].as_str()?.to_owned())
}

/// Where the pods of a lead are that take requests, of the slices of its namespace.
#[must_use]
pub fn ready<'a>(lead: &Lead, slices: impl Iterator<Item = &'a EndpointSlice>) -> BTreeSet<SocketAddr> {
    let is_its = |slice: &&EndpointSlice| {
        slice.metadata.labels.as_ref().and_then(|labels| labels.get(OF)) == Some(&lead.service)
    };
    let mut all = BTreeSet::new();
    for slice in slices.filter(is_its) {
        let named =
            slice.ports.iter().flatten().filter(|port| port.name.as_deref().unwrap_or_default() == lead.port);
        let ports: Vec<u16> = named.filter_map(|port| u16::try_from(port.port?).ok()).collect();
        let is_ready = |endpoint: &&Endpoint| {
            endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
        };
        // Further addresses of an endpoint are the same pod.
        let addresses = slice.endpoints.iter().filter(is_ready).filter_map(|one| one.addresses.first());
        for address in addresses.filter_map(|address| address.parse::<IpAddr>().ok()) {
            all.extend(ports.iter().map(|port| SocketAddr::new(address, *port)));
        }
    }
    all
}

/// The label by which such Services are found.
#[must_use]
pub const fn lead() -> &'static str {
    BEFORE
}

/// Every name of a Service that a route leads to.
fn each_backend(object: &mut Object, visit: &mut dyn FnMut(&mut String)) {
    let kind = object.key.kind.clone();
    let Some(spec) = object.value.get_mut("spec") else { return };
    match kind.as_str() {
        "HTTPRoute" => {
            for rule in items(spec.get_mut("rules")) {
                for backend in items(rule.get_mut("backendRefs")) {
                    let is_service = backend["kind"].as_str().is_none_or(|kind| kind == "Service")
                        && backend["group"].as_str().is_none_or(str::is_empty)
                        && backend["namespace"].is_null();
                    text(backend.get_mut("name").filter(|_| is_service), visit);
                }
            }
        }
        "Ingress" => {
            for rule in items(spec.get_mut("rules")) {
                for path in items(rule.pointer_mut("/http/paths")) {
                    text(path.pointer_mut("/backend/service/name"), visit);
                }
            }
        }
        "VirtualService" => {
            for route in items(spec.get_mut("http")) {
                for led in items(route.get_mut("route")) {
                    // Short, or with the namespace and the cluster's domain after it: the short one is the same within the namespace.
                    if let Some(Value::String(host)) = led.pointer_mut("/destination/host")
                        && (!host.contains('.') || host.contains(".svc"))
                    {
                        let mut name = host.split('.').next().unwrap_or_default().to_owned();
                        visit(&mut name);
                        *host = name;
                    }
                }
            }
        }
        "IngressRoute" => {
            for route in items(spec.get_mut("routes")) {
                for service in items(route.get_mut("services")) {
                    let is_service = service["kind"].as_str().is_none_or(|kind| kind == "Service");
                    text(service.get_mut("name").filter(|_| is_service), visit);
                }
            }
        }
        _ => {}
    }
}

fn items(list: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    list.and_then(Value::as_array_mut).into_iter().flatten()
}

fn text(value: Option<&mut Value>, visit: &mut dyn FnMut(&mut String)) {
    if let Some(Value::String(text)) = value {
        visit(text);
    }
}

fn unfit(sentence: String, hint: &str) -> TargetError {
    TargetError { code: "front-unfit", sentence, hint: Some(hint.to_owned()), fatal: true }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::kubernetes::manifests::parse;

    fn objects(text: &str) -> Vec<Object> {
        parse(Path::new("shop.yaml"), text).unwrap()
    }

    const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { app: shop }, ports: [{ name: http, port: 80, targetPort: 8080 }, { name: admin, port: 9000 }, { port: 53, protocol: UDP }] }
---
apiVersion: v1
kind: Service
metadata: { name: api }
spec: { selector: { app: api }, ports: [{ port: 81 }] }
---
";

    #[test]
    fn routes_of_every_kind_lead_to_the_front() {
        let routes = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: a }
spec: { rules: [{ backendRefs: [{ name: shop, port: 80 }, { name: x, kind: Bucket }, { name: y, namespace: other }] }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: b }
spec: { rules: [{ host: x.test, http: { paths: [{ path: /, backend: { service: { name: api, port: { number: 81 } } } }] } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: c }
spec: { http: [{ route: [{ destination: { host: shop.production.svc.cluster.local } }] }] }
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: { name: d }
spec: { routes: [{ services: [{ name: shop, port: http }] }] }
";
        let mut all = objects(&format!("{SERVICES}{routes}"));
        stand_before(&mut all).unwrap();
        let of = |name: &str| all.iter().find(|object| object.key.name == name).unwrap();
        assert_eq!(of("a").value["spec"]["rules"][0]["backendRefs"][0]["name"], "shop-front");
        assert_eq!(of("a").value["spec"]["rules"][0]["backendRefs"][1]["name"], "x");
        assert_eq!(of("a").value["spec"]["rules"][0]["backendRefs"][2]["name"], "y");
        let path = "/spec/rules/0/http/paths/0/backend/service/name";
        assert_eq!(of("b").value.pointer(path).unwrap(), "api-front");
        assert_eq!(of("c").value["spec"]["http"][0]["route"][0]["destination"]["host"], "shop-front");
        assert_eq!(of("d").value["spec"]["routes"][0]["services"][0]["name"], "shop-front");
        assert_eq!(of("shop").value["spec"]["selector"], json!({ "app": "shop" }));
        let ports = of("shop-front").value["spec"]["ports"].clone();
        assert_eq!(
            ports,
            json!([{ "name": "http", "port": 80, "protocol": "TCP", "targetPort": 20_001 },
                { "name": "admin", "port": 9000, "protocol": "TCP", "targetPort": 20_002 }])
        );
        // What the process makes of it.
        let service: Service = serde_json::from_value(of("shop-front").value.clone()).unwrap();
        let lead = |at, port: &str| Lead { at, service: "shop".into(), port: port.into() };
        let wanted = [lead(20_001, "http"), lead(20_002, "admin")];
        assert_eq!(leads(&service).into_iter().collect::<Vec<_>>(), wanted);
        let service: Service = serde_json::from_value(of("shop").value.clone()).unwrap();
        assert!(leads(&service).is_empty());
    }

    #[test]
    fn pods_that_are_ready_take_requests_by_the_port_of_that_name() {
        let slice = |service: &str, ready: Value, address: &str| -> EndpointSlice {
            serde_json::from_value(json!({ "metadata": { "labels": { OF: service } }, "addressType": "IPv4",
                "ports": [{ "name": "http", "port": 8080 }, { "name": "admin", "port": 9000 }],
                "endpoints": [{ "addresses": [address], "conditions": { "ready": ready } }] }))
            .unwrap()
        };
        let all = [
            slice("shop", json!(true), "10.0.0.1"),
            slice("shop", json!(false), "10.0.0.2"),
            slice("shop", Value::Null, "10.0.0.3"),
            slice("api", json!(true), "10.0.0.4"),
        ];
        let lead = |port: &str| Lead { at: 20_000, service: "shop".into(), port: port.into() };
        let texts = |port: &str| -> Vec<String> {
            ready(&lead(port), all.iter()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts("http"), ["10.0.0.1:8080", "10.0.0.3:8080"]);
        assert_eq!(texts("admin"), ["10.0.0.1:9000", "10.0.0.3:9000"]);
        assert!(texts("").is_empty());
    }

    #[test]
    fn what_it_cannot_stand_before_is_told() {
        let route = "kind: HTTPRoute\napiVersion: gateway.networking.k8s.io/v1\nmetadata: { name: r }\n";
        let to = |name: &str| {
            format!("{route}spec: {{ rules: [{{ backendRefs: [{{ name: {name}, port: 80 }}] }}] }}\n")
        };
        let taken = "apiVersion: v1\nkind: Service\nmetadata: { name: shop-front }\nspec: { ports: [{ port: 1 }] }\n---\n";
        let outside = "apiVersion: v1\nkind: Service\nmetadata: { name: out }\nspec: { type: ExternalName, externalName: x.test }\n---\n";
        for (text, words) in [
            (SERVICES.to_owned(), "no route of the manifests leads to a Service"),
            (format!("{SERVICES}{}", to("nobody")), "leads to the Service nobody"),
            (format!("{SERVICES}{taken}{}", to("shop")), "would be called shop-front"),
            (format!("{outside}{}", to("out")), "stands for something outside"),
            (format!("{SERVICES}{}", route.replace("HTTPRoute", "GRPCRoute")), "is no plain route of HTTP"),
        ] {
            let error = stand_before(&mut objects(&text)).unwrap_err();
            assert!(error.code == "front-unfit" && error.sentence.contains(words), "{}", error.sentence);
        }
    }
}
