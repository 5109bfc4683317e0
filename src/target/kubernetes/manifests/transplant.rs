//! Manifests that were written for one place, fitted into a namespace of their own: the preview of a pull request.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Object;
use crate::target::TargetError;

/// Kinds that live in no namespace, and so would be shared by all previews, and stay when one goes.
const SHARED: [&str; 14] = [
    "Namespace",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "PersistentVolume",
    "StorageClass",
    "PriorityClass",
    "RuntimeClass",
    "IngressClass",
    "GatewayClass",
    "ClusterIssuer",
    "APIService",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
];

/// Fits objects into a namespace: none names another one any more, and their hosts are those of `hosts`, or, where it is empty, the only host
/// that they name is `host`.
///
/// # Errors
/// `shared-object` for what lives in no namespace; `which-host` when nothing is said of a host that they name.
pub fn transplant(
    objects: &mut [Object],
    hosts: &BTreeMap<String, String>,
    host: Option<&str>,
) -> Result<(), TargetError> {
    if let Some(object) = objects.iter().find(|object| SHARED.contains(&object.key.kind.as_str())) {
        return Err(shared(object));
    }
    if let Some(open) = objects.iter().find(|object| is_catch_all(object)) {
        let sentence = format!(
            "{} ({}) takes requests for any host: in a preview it would take those of others, too",
            open.key, open.source
        );
        return Err(fault("which-host", sentence, "name a host in it, which becomes the preview's"));
    }
    for object in objects.iter_mut() {
        let before = object.key.namespace.take();
        at_home(object, before.as_deref());
        if let Some(metadata) = object.value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("namespace");
        }
    }
    let mut named = BTreeSet::new();
    objects.iter_mut().for_each(|object| each_host(object, &mut |host| named.extend([host.clone()])));
    let only = match (hosts.is_empty(), host) {
        (true, Some(host)) if named.len() <= 1 => Some(host),
        _ => None,
    };
    if only.is_none()
        && let Some(untold) = named.iter().find(|host| !hosts.contains_key(*host))
    {
        let sentence = format!(
            "the manifests name {} for visitors, and nothing says what stands for {untold} in a preview",
            if named.len() == 1 { "a host".to_owned() } else { format!("{} hosts", named.len()) },
        );
        return Err(fault(
            "which-host",
            sentence,
            &format!(
                "write `hosts: {{ {untold}: \"{{name}}.preview.example.com\" }}` in `preview`, or `url` where it is the only one"
            ),
        ));
    }
    for object in objects.iter_mut() {
        each_host(object, &mut |host| {
            if let Some(its) = only.or_else(|| hosts.get(host).map(String::as_str)) {
                its.clone_into(host);
            }
        });
    }
    Ok(())
}

/// That an object lives in no namespace, and so can be none of a preview's.
pub fn shared(object: &Object) -> TargetError {
    let sentence = format!(
        "{} ({}) lives in no namespace: all previews would share it, and it would stay when they go",
        object.key, object.source
    );
    fault("shared-object", sentence, "leave it out of the manifests of `preview`")
}

/// Takes the namespace out of what a route leads to, where that is the one which the route itself was written for.
fn at_home(object: &mut Object, before: Option<&str>) {
    let Some(before) = before else { return };
    let is_own = |value: &Value| value.get("namespace").is_some_and(|own| own == before);
    if object.key.kind == "IngressRoute" {
        for route in items(object.value.pointer_mut("/spec/routes")) {
            for service in items(route.get_mut("services")).filter(|service| is_own(service)) {
                service.as_object_mut().map(|service| service.remove("namespace"));
            }
        }
    }
    if !["HTTPRoute", "GRPCRoute", "TLSRoute"].contains(&object.key.kind.as_str()) {
        return;
    }
    for rule in items(object.value.pointer_mut("/spec/rules")) {
        for backend in items(rule.get_mut("backendRefs")) {
            if let Some(backend) =
                backend.as_object_mut().filter(|it| it.get("namespace").is_some_and(|own| own == before))
            {
                backend.remove("namespace");
            }
        }
    }
}

/// Whether a route takes requests whatever their host, or by a matcher that no single host can stand for.
fn is_catch_all(object: &Object) -> bool {
    let spec = &object.value["spec"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    match object.key.kind.as_str() {
        "HTTPRoute" | "GRPCRoute" | "TLSRoute" => list(&spec["hostnames"]).is_empty(),
        "VirtualService" => {
            list(&spec["hosts"]).iter().any(|host| host.as_str().is_some_and(|host| host.contains('*')))
        }
        "Ingress" => {
            let is_open =
                |rule: &Value| rule["host"].as_str().is_none_or(|host| host.is_empty() || host.contains('*'));
            spec["defaultBackend"].is_object() || list(&spec["rules"]).iter().any(is_open)
        }
        "IngressRoute" => list(&spec["routes"]).iter().any(|route| {
            let rule = route["match"].as_str().unwrap_or_default();
            rule.contains("HostRegexp") || rule.contains("Host(\"") || !rule.contains(HOST)
        }),
        _ => false,
    }
}

/// How Traefik's matcher of hosts begins.
const HOST: &str = "Host(`";

/// Every host by which visitors come, of routes of the Gateway API, Ingresses, and what Istio and Traefik have in their place.
fn each_host(object: &mut Object, visit: &mut dyn FnMut(&mut String)) {
    let kind = object.key.kind.clone();
    let Some(spec) = object.value.get_mut("spec") else { return };
    match kind.as_str() {
        "HTTPRoute" | "GRPCRoute" | "TLSRoute" => texts(spec.get_mut("hostnames"), visit),
        "VirtualService" => {
            // Within the mesh a name without a dot is a Service's.
            texts(spec.get_mut("hosts"), &mut |host| {
                if host.contains('.') && !host.ends_with(".local") {
                    visit(host);
                }
            });
        }
        "Ingress" => {
            for rule in items(spec.get_mut("rules")) {
                if let Some(Value::String(host)) = rule.get_mut("host") {
                    visit(host);
                }
            }
            for tls in items(spec.get_mut("tls")) {
                texts(tls.get_mut("hosts"), visit);
            }
        }
        "IngressRoute" => {
            for route in items(spec.get_mut("routes")) {
                if let Some(Value::String(rule)) = route.get_mut("match") {
                    *rule = in_rule(rule, visit);
                }
            }
        }
        _ => {}
    }
}

fn items(list: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    list.and_then(Value::as_array_mut).into_iter().flatten()
}

fn texts(list: Option<&mut Value>, visit: &mut dyn FnMut(&mut String)) {
    for item in items(list) {
        if let Value::String(host) = item {
            visit(host);
        }
    }
}

/// A rule of Traefik with each host of `` Host(`…`, `…`) `` visited.
fn in_rule(rule: &str, visit: &mut dyn FnMut(&mut String)) -> String {
    let (mut text, mut rest) = (String::new(), rule);
    while let Some((before, from)) = rest.split_once(HOST) {
        let Some((inside, after)) = from.split_once(')') else { break };
        let hosts = inside.split('`').enumerate().map(|(at, part)| {
            // Between the quotes, and not between the names.
            let mut host = part.to_owned();
            if at % 2 == 0 && !part.is_empty() {
                visit(&mut host);
            }
            host
        });
        text.push_str(&format!("{before}{HOST}{})", hosts.collect::<Vec<_>>().join("`")));
        rest = after;
    }
    text + rest
}

fn fault(code: &'static str, sentence: String, hint: &str) -> TargetError {
    TargetError { code, sentence, hint: Some(hint.to_owned()), fatal: true }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::parse;
    use super::*;

    const ROUTES: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: a, namespace: shop }
spec: { hostnames: [shop.test], rules: [{ backendRefs: [{ name: a, namespace: shop }, { name: b, namespace: other }] }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: b }
spec: { rules: [{ host: shop.test }], tls: [{ hosts: [shop.test] }] }
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: { name: c }
spec: { routes: [{ match: 'Host(`shop.test`, `shop.test`) && PathPrefix(`/a`) || Host(`shop.test`)' }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: d }
spec: { hosts: [shop.test, shop, shop.default.svc.cluster.local] }
";

    fn objects(text: &str) -> Vec<Object> {
        parse(Path::new("x.yaml"), text).unwrap()
    }

    #[test]
    fn the_only_host_becomes_the_previews_and_the_namespace_is_its_own() {
        let mut all = objects(ROUTES);
        transplant(&mut all, &BTreeMap::new(), Some("pr-7.test")).unwrap();
        assert!(all.iter().all(|object| object.key.namespace.is_none()));
        assert!(all[0].value["metadata"].get("namespace").is_none());
        assert_eq!(all[0].value["spec"]["hostnames"][0], "pr-7.test");
        let backends = &all[0].value["spec"]["rules"][0]["backendRefs"];
        assert_eq!(*backends, serde_json::json!([{ "name": "a" }, { "name": "b", "namespace": "other" }]));
        assert_eq!(all[1].value["spec"]["rules"][0]["host"], "pr-7.test");
        assert_eq!(all[1].value["spec"]["tls"][0]["hosts"][0], "pr-7.test");
        let rule = "Host(`pr-7.test`, `pr-7.test`) && PathPrefix(`/a`) || Host(`pr-7.test`)";
        assert_eq!(all[2].value["spec"]["routes"][0]["match"], rule);
        assert_eq!(
            all[3].value["spec"]["hosts"],
            serde_json::json!(["pr-7.test", "shop", "shop.default.svc.cluster.local"])
        );
    }

    #[test]
    fn of_several_hosts_each_must_be_told() {
        let text = format!(
            "{ROUTES}---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{ name: e }}\nspec: {{ hostnames: [api.test] }}\n"
        );
        let error = transplant(&mut objects(&text), &BTreeMap::new(), Some("pr-7.test")).unwrap_err();
        assert_eq!(error.code, "which-host");
        assert!(error.sentence.contains("name 2 hosts"), "{}", error.sentence);
        let hosts = [("shop.test", "pr-7.test"), ("api.test", "api-pr-7.test")];
        let hosts = hosts.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
        let mut all = objects(&text);
        transplant(&mut all, &hosts, Some("pr-7.test")).unwrap();
        assert_eq!(all[4].value["spec"]["hostnames"][0], "api-pr-7.test");
        assert_eq!(transplant(&mut objects(ROUTES), &BTreeMap::new(), None).unwrap_err().code, "which-host");
        let none = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\n";
        transplant(&mut objects(none), &BTreeMap::new(), None).unwrap();
    }

    #[test]
    fn a_route_for_any_host_is_refused() {
        let of = |group: &str, kind: &str, spec: &str| {
            let text =
                format!("apiVersion: {group}/v1\nkind: {kind}\nmetadata: {{ name: x }}\nspec: {spec}\n");
            transplant(&mut objects(&text), &BTreeMap::new(), Some("pr-7.test")).map_err(|error| error.code)
        };
        for (group, kind, spec) in [
            ("gateway.networking.k8s.io", "HTTPRoute", "{}"),
            ("networking.k8s.io", "Ingress", "{ rules: [{ http: {} }] }"),
            ("networking.k8s.io", "Ingress", "{ rules: [{ host: '*.test' }] }"),
            ("networking.k8s.io", "Ingress", "{ defaultBackend: {}, rules: [{ host: a.test }] }"),
            ("traefik.io", "IngressRoute", "{ routes: [{ match: 'PathPrefix(`/a`)' }] }"),
            ("traefik.io", "IngressRoute", "{ routes: [{ match: 'HostRegexp(`.*`)' }] }"),
            ("networking.istio.io", "VirtualService", "{ hosts: ['*'] }"),
        ] {
            assert_eq!(of(group, kind, spec), Err("which-host"), "{kind} {spec}");
        }
        assert_eq!(of("networking.k8s.io", "Ingress", "{ rules: [{ host: a.test }] }"), Ok(()));
    }

    #[test]
    fn what_lives_in_no_namespace_is_refused() {
        let text = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: { name: x }\n";
        let error = transplant(&mut objects(text), &BTreeMap::new(), None).unwrap_err();
        assert_eq!(error.code, "shared-object");
        assert!(
            error.sentence.starts_with("ClusterRole x (x.yaml:1) lives in no namespace"),
            "{}",
            error.sentence
        );
    }
}
