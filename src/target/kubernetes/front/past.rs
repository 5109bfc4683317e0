//! Ways into an app that its front would not see.

use serde_json::Value;

use crate::target::kubernetes::manifests::Object;

/// Why an object leads past the front.
type Why = Option<&'static str>;

const COPIES: &str = "copies requests to another place";
const AWAY: &str = "leads to another namespace";
const NOT_PLAIN: &str = "speaks something else than plain HTTP to the app";

/// How visitors would reach an app other than by its front, where an object has them do so.
pub(super) fn past(object: &Object) -> Why {
    let value = &object.value;
    match object.key.kind.as_str() {
        "Service" => service(&value["spec"]),
        "HTTPRoute" => http_route(&value["spec"]["rules"]),
        "VirtualService" => virtual_service(&value["spec"]),
        "Ingress" => ingress(&value["metadata"]["annotations"]),
        "IngressRoute" => ingress_route(&value["spec"]["routes"]),
        _ => pods(&object.pod_template()?["spec"]),
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The items of a list in each item of a list.
fn inner<'a>(list: &'a Value, key: &'static str) -> impl Iterator<Item = &'a Value> {
    items(list).flat_map(move |item| items(&item[key]))
}

fn service(spec: &Value) -> Why {
    if spec["type"] == "LoadBalancer" || spec["type"] == "NodePort" {
        return Some("has an address of its own outside of the cluster");
    }
    items(&spec["externalIPs"]).next().map(|_| "has addresses of its own")
}

fn http_route(rules: &Value) -> Why {
    let backends = || inner(rules, "backendRefs");
    let mut filters =
        backends().flat_map(|backend| items(&backend["filters"])).chain(inner(rules, "filters"));
    if backends().any(|backend| backend["kind"].as_str().is_some_and(|kind| kind != "Service")) {
        return Some("leads to something else than a Service");
    }
    if filters.any(|filter| filter["type"] == "RequestMirror") {
        return Some(COPIES);
    }
    backends().any(|backend| !backend["namespace"].is_null()).then_some(AWAY)
}

fn virtual_service(spec: &Value) -> Why {
    if !spec["tls"].is_null() || !spec["tcp"].is_null() {
        return Some("has routes that are not of HTTP");
    }
    if items(&spec["http"]).any(|route| !route["mirror"].is_null() || !route["mirrors"].is_null()) {
        return Some(COPIES);
    }
    let mut led = inner(&spec["http"], "route");
    led.any(|led| !led["destination"]["subset"].is_null()).then_some("leads to a subset of a Service")
}

fn ingress(annotations: &Value) -> Why {
    let annotation = |name: &str| annotations[format!("nginx.ingress.kubernetes.io/{name}")].as_str();
    if annotation("mirror-target").is_some() || annotation("default-backend").is_some() {
        return Some("leads requests to another place by an annotation");
    }
    let protocol = annotation("backend-protocol");
    protocol.is_some_and(|one| one != "HTTP" && one != "AUTO_HTTP").then_some(NOT_PLAIN)
}

fn ingress_route(routes: &Value) -> Why {
    let services = || inner(routes, "services");
    if services().any(|one| one["scheme"].as_str().is_some_and(|scheme| scheme != "http")) {
        return Some(NOT_PLAIN);
    }
    services().any(|one| !one["namespace"].is_null()).then_some(AWAY)
}

fn pods(spec: &Value) -> Why {
    let mut containers = items(&spec["containers"]).chain(items(&spec["initContainers"]));
    let has_port =
        containers.any(|container| items(&container["ports"]).any(|port| !port["hostPort"].is_null()));
    (spec["hostNetwork"] == true || has_port).then_some("is reached at the nodes themselves")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::kubernetes::manifests::parse;

    #[test]
    fn nothing_leads_past_it() {
        let wrong = |text: &str, words: &str| {
            let objects = parse(Path::new("shop.yaml"), text).unwrap();
            let why = past(&objects[0]);
            assert!(why.is_some_and(|why| why.contains(words)), "{why:?}: {text}");
        };
        let service = |spec: &str| {
            format!("{{ apiVersion: v1, kind: Service, metadata: {{ name: s }}, spec: {{ {spec} }} }}\n")
        };
        wrong(&service("type: LoadBalancer"), "has an address of its own");
        wrong(&service("type: NodePort"), "has an address of its own");
        wrong(&service("externalIPs: [192.0.2.1]"), "has addresses of its own");
        let route = |rule: &str| {
            format!(
                "{{ apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{ name: r }}, spec: {{ rules: [{{ {rule} }}] }} }}\n"
            )
        };
        wrong(&route("backendRefs: [{ name: y, namespace: other }]"), "leads to another namespace");
        wrong(&route("filters: [{ type: RequestMirror }]"), "copies requests");
        wrong(&route("backendRefs: [{ name: y, filters: [{ type: RequestMirror }] }]"), "copies requests");
        wrong(&route("backendRefs: [{ name: y, kind: ServiceImport }]"), "something else than a Service");
        let virtual_service = |spec: &str| {
            format!(
                "{{ apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{ name: v }}, spec: {{ {spec} }} }}\n"
            )
        };
        wrong(&virtual_service("tls: []"), "not of HTTP");
        wrong(&virtual_service("http: [{ mirror: { host: x } }]"), "copies requests");
        wrong(&virtual_service("http: [{ route: [{ destination: { host: shop, subset: v1 } }] }]"), "subset");
        let ingress = "{ apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: { name: i, annotations: { nginx.ingress.kubernetes.io/backend-protocol: GRPC } } }\n";
        wrong(ingress, "something else than plain HTTP");
        wrong(&ingress.replace("backend-protocol: GRPC", "mirror-target: 'http://x'"), "another place");
        let traefik = |service: &str| {
            format!(
                "{{ apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {{ name: t }}, spec: {{ routes: [{{ services: [{{ name: shop, {service} }}] }}] }} }}\n"
            )
        };
        wrong(&traefik("scheme: h2c"), "something else than plain HTTP");
        wrong(&traefik("namespace: other"), "leads to another namespace");
        let pod = |spec: &str| {
            format!("{{ apiVersion: v1, kind: Pod, metadata: {{ name: p }}, spec: {{ {spec} }} }}\n")
        };
        wrong(&pod("hostNetwork: true"), "at the nodes");
        wrong(
            &pod("containers: [{ name: a, image: b, ports: [{ containerPort: 1, hostPort: 1 }] }]"),
            "at the nodes",
        );
        for good in
            [service("type: ClusterIP"), route("backendRefs: [{ name: shop }]"), traefik("scheme: http")]
        {
            assert_eq!(past(&parse(Path::new("shop.yaml"), &good).unwrap()[0]), None, "{good}");
        }
    }
}
