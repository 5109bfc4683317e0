//! Services before Services: what routes lead to instead, and what the front's process makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::past::past;
use super::{BEFORE, PART};
use crate::target::TargetError;
use crate::target::kubernetes::manifests::{Key, Object};
use crate::target::kubernetes::names::joined;

/// The port of the front's pod that the first port of a Service leads to.
const FIRST: u16 = 20_000;
/// So many ports there are from that one on.
const COUNT: u16 = 10_000;
/// What a port may say that it speaks.
const PLAIN: [&str; 3] = ["http", "HTTP", "kubernetes.io/ws"];
/// The label of a slice of endpoints: its Service.
const OF: &str = "kubernetes.io/service-name";
/// The longest name of a Service.
const LABEL: usize = 63;
/// Routes of what is no HTTP/1.1, before which the front cannot stand.
const OTHERS: [&str; 9] = [
    "GRPCRoute",
    "TLSRoute",
    "TCPRoute",
    "UDPRoute",
    "IngressRouteTCP",
    "IngressRouteUDP",
    "TraefikService",
    "HTTPProxy",
    "Route",
];

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
    if let Some((object, why)) = objects.iter().find_map(|object| Some((object, past(object)?))) {
        let sentence = format!(
            "{} ({}) {why}: visitors would pass by the front of the preview",
            object.key, object.source
        );
        return Err(unfit(
            sentence,
            "take that out of the manifests of `preview`, or `sleep` and `access` out of its settings",
        ));
    }
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
    let (mut names, mut taken) = (BTreeMap::new(), BTreeSet::new());
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
        objects.push(before(service, name, &front, &mut taken)?);
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
fn before(
    service: &Object,
    name: &str,
    front: &str,
    taken: &mut BTreeSet<u16>,
) -> Result<Object, TargetError> {
    let (spec, source) = (&service.value["spec"], &service.source);
    if spec["type"] == "ExternalName" {
        let sentence = format!("the Service {name} ({source}) stands for something outside of the cluster");
        return Err(unfit(sentence, "have the route lead to a Service with pods"));
    }
    let is_tcp = |port: &&Value| port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP");
    let mut led = Vec::new();
    for port in spec["ports"].as_array().into_iter().flatten().filter(is_tcp) {
        if let Some(protocol) = port["appProtocol"].as_str().filter(|one| !PLAIN.contains(one)) {
            let sentence = format!("a port of the Service {name} ({source}) speaks {protocol}");
            return Err(unfit(sentence, "the front of a preview passes plain HTTP on, and nothing else"));
        }
        let its = port["name"].as_str().unwrap_or_default();
        let mut own =
            json!({ "port": port["port"], "protocol": "TCP", "targetPort": place(name, its, taken) });
        if !its.is_empty() {
            own["name"] = json!(its);
        }
        led.push(own);
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

/// The port of the front for a port of a Service: the same each time, so that one which comes later moves none of the others.
fn place(service: &str, port: &str, taken: &mut BTreeSet<u16>) -> u16 {
    let name = format!("{service}/{port}");
    // FNV-1a.
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let begin = u16::try_from(hash % u32::from(COUNT)).unwrap_or_default();
    let all = (0..COUNT).map(|step| FIRST + (begin + step) % COUNT);
    let mut free = all.filter(|at| !taken.contains(at));
    let at = free.next().unwrap_or(FIRST);
    taken.insert(at);
    at
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
spec: { rules: [{ backendRefs: [{ name: shop, port: 80 }, { name: shop, port: 9000 }] }] }
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
        assert_eq!(of("a").value["spec"]["rules"][0]["backendRefs"][1]["name"], "shop-front");
        let path = "/spec/rules/0/http/paths/0/backend/service/name";
        assert_eq!(of("b").value.pointer(path).unwrap(), "api-front");
        assert_eq!(of("c").value["spec"]["http"][0]["route"][0]["destination"]["host"], "shop-front");
        assert_eq!(of("d").value["spec"]["routes"][0]["services"][0]["name"], "shop-front");
        assert_eq!(of("shop").value["spec"]["selector"], json!({ "app": "shop" }));
        let service: Service = serde_json::from_value(of("shop-front").value.clone()).unwrap();
        let all: Vec<Lead> = leads(&service).into_iter().collect();
        let told: BTreeSet<(&str, &str)> =
            all.iter().map(|lead| (lead.service.as_str(), lead.port.as_str())).collect();
        assert_eq!(told, BTreeSet::from([("shop", "http"), ("shop", "admin")]));
        assert!(all.iter().all(|lead| (20_000..30_000).contains(&lead.at)), "{all:?}");
        // As alone as beside another one.
        assert!(all.iter().any(|lead| lead.at == place("shop", "http", &mut BTreeSet::new())));
        let ports = &of("shop-front").value["spec"]["ports"];
        assert_eq!(
            (&ports[0]["name"], &ports[0]["port"], ports.as_array().unwrap().len()),
            (&json!("http"), &json!(80), 2)
        );
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
        let secure = "apiVersion: v1\nkind: Service\nmetadata: { name: tls }\nspec: { ports: [{ port: 443, appProtocol: https }] }\n---\n";
        for (text, words) in [
            (SERVICES.to_owned(), "no route of the manifests leads to a Service"),
            (format!("{SERVICES}{}", to("nobody")), "leads to the Service nobody"),
            (format!("{SERVICES}{taken}{}", to("shop")), "would be called shop-front"),
            (format!("{outside}{}", to("out")), "stands for something outside"),
            (format!("{SERVICES}{}", route.replace("HTTPRoute", "GRPCRoute")), "is no plain route of HTTP"),
            (format!("{SERVICES}{}", outside.replace("ExternalName", "NodePort")), "pass by the front"),
            (format!("{secure}{}", to("tls")), "speaks https"),
        ] {
            let error = stand_before(&mut objects(&text)).unwrap_err();
            assert!(error.code == "front-unfit" && error.sentence.contains(words), "{}", error.sentence);
        }
    }
}
