//! Ways into an app that its front would not see.

use serde_json::Value;

use crate::target::kubernetes::manifests::Object;

/// How visitors would reach an app other than by its front, where an object has them do so.
pub(super) fn past(object: &Object) -> Option<&'static str> {
    let value = &object.value;
    let spec = &value["spec"];
    let rules = |list: &'static str, key: &'static str| -> Vec<&Value> {
        spec[list]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(move |rule| rule[key].as_array().into_iter().flatten())
            .collect()
    };
    match object.key.kind.as_str() {
        "Service" if ["LoadBalancer", "NodePort"].iter().any(|kind| spec["type"] == *kind) => {
            Some("has an address of its own outside of the cluster")
        }
        "Service" if spec["externalIPs"].as_array().is_some_and(|all| !all.is_empty()) => {
            Some("has addresses of its own")
        }
        "HTTPRoute" => {
            let mirrors = rules("rules", "filters").iter().any(|filter| filter["type"] == "RequestMirror");
            let leads_away =
                rules("rules", "backendRefs").iter().any(|backend| !backend["namespace"].is_null());
            if mirrors {
                Some("copies requests to another place")
            } else {
                leads_away.then_some("leads to another namespace")
            }
        }
        "VirtualService" if !spec["tls"].is_null() || !spec["tcp"].is_null() => {
            Some("has routes that are not of HTTP")
        }
        "VirtualService" => {
            let mirrors = spec["http"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|route| !route["mirror"].is_null() || !route["mirrors"].is_null());
            let subset = rules("http", "route").iter().any(|led| !led["destination"]["subset"].is_null());
            if mirrors {
                Some("copies requests to another place")
            } else {
                subset.then_some("leads to a subset of a Service")
            }
        }
        "Ingress" => {
            let protocol = &value["metadata"]["annotations"]["nginx.ingress.kubernetes.io/backend-protocol"];
            protocol
                .as_str()
                .is_some_and(|one| one != "HTTP" && one != "AUTO_HTTP")
                .then_some("speaks something else than plain HTTP to the app")
        }
        "IngressRoute" => {
            let services = rules("routes", "services");
            let speaks =
                services.iter().any(|one| one["scheme"].as_str().is_some_and(|scheme| scheme != "http"));
            if speaks {
                return Some("speaks something else than plain HTTP to the app");
            }
            services.iter().any(|one| !one["namespace"].is_null()).then_some("leads to another namespace")
        }
        _ => {
            let spec = object.pod_template().map(|template| &template["spec"])?;
            let has_port = spec["containers"].as_array().into_iter().flatten().any(|container| {
                container["ports"].as_array().into_iter().flatten().any(|port| !port["hostPort"].is_null())
            });
            (spec["hostNetwork"] == true || has_port).then_some("is reached at the nodes themselves")
        }
    }
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
