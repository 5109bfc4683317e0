//! ingress-nginx: a second Ingress beside the user's, which is left as it is.
//!
//! The annotations are those of its user guide, "Canary": `canary-weight` counts in parts of `canary-weight-total`, so that
//! weights may be as fine as they are here. All other annotations hold as the user's Ingress has them, but those that say how
//! requests are spread over instances, which a second Ingress needs itself. There can be one such Ingress beside a rule.
//! Visitors that the user's Ingress keeps by a cookie stay where they are while the candidate has a share, and only so long.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use super::{Division, Live, Shares, is_helper};
use crate::rollout::Weight;
use crate::target::kubernetes::manifests::{Key, Object};
use crate::target::kubernetes::names::joined;

const KIND: &str = "Ingress";
const PREFIX: &str = "nginx.ingress.kubernetes.io/";
/// Beginnings of the annotations that the second Ingress needs itself: how requests are spread over instances …
const SPREAD: [&str; 2] = ["load-balance", "upstream-hash-by"];
/// … and how visitors are kept with one.
const AFFINITY: [&str; 2] = ["affinity", "session-cookie-"];
/// How the class of an Ingress was named before `ingressClassName`.
const CLASS: &str = "kubernetes.io/ingress.class";
/// The longest name (RFC 1123 label, though an Ingress may have a longer one).
const LABEL: usize = 63;

/// The Services that an Ingress leads to.
pub(super) fn services(written: &Value) -> Vec<String> {
    let spec = &written["spec"];
    let rules = spec["rules"].as_array().into_iter().flatten();
    let paths = rules.flat_map(|rule| rule["http"]["paths"].as_array().into_iter().flatten());
    let backends = paths.map(|path| &path["backend"]).chain([&spec["defaultBackend"]]);
    backends.filter_map(service_of).map(str::to_owned).collect()
}

/// The second Ingress; nothing where only the Service is led to.
pub(super) fn divided(written: &Object, division: &Division<'_>) -> Option<Object> {
    let own = division.backends.iter().find(|backend| backend.release.is_some())?;
    let release = own.release.as_ref()?;
    let name = joined(&written.key.name, release.as_str(), LABEL);
    let mut spec = Map::new();
    if let Some(class) = written.value["spec"].get("ingressClassName") {
        spec.insert("ingressClassName".to_owned(), class.clone());
    }
    if let Some(backend) = led(&written.value["spec"]["defaultBackend"], division.service, &own.service) {
        spec.insert("defaultBackend".to_owned(), backend);
    }
    let rules = written.value["spec"]["rules"].as_array().into_iter().flatten();
    let rules: Vec<Value> = rules.filter_map(|rule| part(rule, division.service, &own.service)).collect();
    if !rules.is_empty() {
        spec.insert("rules".to_owned(), Value::Array(rules));
    }
    let metadata = json!({
        "name": name,
        "labels": division.labels_for(release),
        "annotations": annotations(written, division, &own.service, own.weight),
    });
    let value = json!({
        "apiVersion": written.key.api_version,
        "kind": written.key.kind,
        "metadata": metadata,
        "spec": spec,
    });
    Some(Object { key: Key { name, ..written.key.clone() }, source: written.source.clone(), value })
}

fn annotations(written: &Object, division: &Division<'_>, own: &str, weight: Weight) -> Map<String, Value> {
    let theirs = written.value["metadata"]["annotations"].as_object().into_iter().flatten();
    // A visitor's cookie goes before the weight, even before none (mergeAlternativeBackend in its controller.go).
    let keeps = weight > Weight::ZERO;
    let is_own = |name: &str| {
        let begins = |all: &[&str], rest: &str| all.iter().any(|one| rest.starts_with(one));
        let ours = |rest: &str| begins(&SPREAD, rest) || (keeps && begins(&AFFINITY, rest));
        name == CLASS || name.strip_prefix(PREFIX).is_some_and(ours)
    };
    let mut all: Map<String, Value> =
        theirs.filter(|(name, _)| is_own(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut say = |name: &str, value: String| all.insert(format!("{PREFIX}{name}"), Value::from(value));
    say("canary", "true".to_owned());
    say("canary-weight", weight.basis_points().to_string());
    say("canary-weight-total", Weight::FULL.basis_points().to_string());
    if !keeps {
        say("affinity-canary-behavior", "legacy".to_owned());
    }
    if division.chosen() == Some(own) {
        if let Some((name, value)) = &division.rules.header {
            say("canary-by-header", name.clone());
            say("canary-by-header-value", value.clone());
        }
        if let Some(cookie) = &division.rules.cookie {
            say("canary-by-cookie", cookie.clone());
        }
    }
    all
}

/// The part of a rule that leads to the Service, led to another one.
fn part(rule: &Value, service: &str, own: &str) -> Option<Value> {
    let led = |path: &Value| {
        let mut path = path.clone();
        path["backend"] = led(&path["backend"], service, own)?;
        Some(path)
    };
    let paths: Vec<Value> = rule["http"]["paths"].as_array().into_iter().flatten().filter_map(led).collect();
    let mut rule = rule.clone();
    if paths.is_empty() {
        return None;
    }
    rule["http"]["paths"] = Value::Array(paths);
    Some(rule)
}

fn led(backend: &Value, service: &str, own: &str) -> Option<Value> {
    (service_of(backend)? == service).then(|| {
        let mut backend = backend.clone();
        backend["service"]["name"] = Value::from(own);
        backend
    })
}

fn service_of(backend: &Value) -> Option<&str> {
    backend["service"]["name"].as_str()
}

/// The second Ingresses that are there.
pub(super) fn helpers(live: &Live) -> impl Iterator<Item = &DynamicObject> {
    live.of(KIND).filter(|one| is_helper(one) && one.annotations().contains_key(&format!("{PREFIX}canary")))
}

/// The share of the second Ingress, and what is left for the Service.
pub(super) fn shares(live: &Live, service: &str) -> Shares {
    let full = u64::from(Weight::FULL.basis_points());
    let second = helpers(live).find_map(|one| {
        let number = |name: &str| one.annotations().get(&format!("{PREFIX}{name}"))?.parse::<u64>().ok();
        let total = number("canary-weight-total").filter(|total| *total > 0).unwrap_or(100);
        let own = services(&one.data).into_iter().next()?;
        Some((own, (number("canary-weight")? * full / total).min(full)))
    });
    match second {
        Some((own, weight)) => vec![(service.to_owned(), full - weight), (own, weight)],
        None => vec![(service.to_owned(), full)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::kubernetes::router::tests::{Case, by_canary_header, live, object, seen};
    use crate::target::kubernetes::router::{Router, RouterKind, Rules};

    fn written() -> Object {
        object(&json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": { "name": "shop", "annotations": {
                "nginx.ingress.kubernetes.io/affinity": "cookie",
                "nginx.ingress.kubernetes.io/session-cookie-name": "seen",
                "nginx.ingress.kubernetes.io/proxy-body-size": "8m",
                "cert-manager.io/issuer": "ours",
            } },
            "spec": {
                "ingressClassName": "nginx",
                "tls": [{ "hosts": ["shop.test"], "secretName": "shop" }],
                "rules": [
                    { "host": "shop.test", "http": { "paths": [
                        { "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "web", "port": { "number": 80 } } } },
                        { "path": "/api", "pathType": "Prefix", "backend": { "service": { "name": "api", "port": { "number": 80 } } } },
                    ] } },
                    { "host": "api.test", "http": { "paths": [
                        { "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "api", "port": { "number": 80 } } } },
                    ] } },
                ],
            },
        }))
    }

    #[test]
    fn the_second_ingress_has_the_rules_that_lead_to_the_service() {
        assert_eq!(services(&written().value), ["web", "api", "api"]);
        let second = divided(&written(), &Case::at_points(50).division()).unwrap();
        assert_eq!(second.key.name, "shop-abc");
        assert_eq!(
            second.value,
            json!({
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {
                    "name": "shop-abc",
                    "labels": {
                        "app.kubernetes.io/managed-by": "tidegate",
                        "tidegate.dev/app": "shop",
                        "tidegate.dev/release": "abc",
                    },
                    "annotations": {
                        "nginx.ingress.kubernetes.io/affinity": "cookie",
                        "nginx.ingress.kubernetes.io/session-cookie-name": "seen",
                        "nginx.ingress.kubernetes.io/canary": "true",
                        "nginx.ingress.kubernetes.io/canary-weight": "50",
                        "nginx.ingress.kubernetes.io/canary-weight-total": "10000",
                    },
                },
                "spec": {
                    "ingressClassName": "nginx",
                    "rules": [{ "host": "shop.test", "http": { "paths": [
                        { "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "web-abc", "port": { "number": 80 } } } },
                    ] } }],
                },
            })
        );
    }

    #[test]
    fn a_default_backend_is_led_too() {
        let mut written = written();
        written.value["spec"] =
            json!({ "defaultBackend": { "service": { "name": "web", "port": { "name": "http" } } } });
        let second = divided(&written, &Case::at(5).division()).unwrap();
        let backend = json!({ "service": { "name": "web-abc", "port": { "name": "http" } } });
        assert_eq!(second.value["spec"], json!({ "defaultBackend": backend }));
    }

    #[test]
    fn without_a_share_no_visitor_is_kept_by_a_cookie() {
        let second = |percent: u16| divided(&written(), &Case::at(percent).division()).unwrap().value;
        let of = |percent: u16, name: &str| {
            second(percent)["metadata"]["annotations"][&format!("{PREFIX}{name}")].clone()
        };
        let names = ["affinity", "session-cookie-name", "affinity-canary-behavior"];
        assert_eq!(names.map(|name| of(5, name)), ["cookie".into(), "seen".into(), Value::Null]);
        assert_eq!(names.map(|name| of(0, name)), [Value::Null, Value::Null, "legacy".into()]);
    }

    #[test]
    fn header_and_cookie_are_told_while_the_candidate_has_a_share() {
        let rules = Rules { cookie: Some("early".into()), ..by_canary_header() };
        let told = |percent: u16| {
            let case = Case { rules: rules.clone(), ..Case::at(percent) };
            let second = divided(&written(), &case.division()).unwrap().value;
            let of =
                |name: &str| second["metadata"]["annotations"][&format!("{PREFIX}canary-{name}")].clone();
            [of("by-header"), of("by-header-value"), of("by-cookie")]
        };
        assert_eq!(told(5), ["X-Canary", "always", "early"].map(Value::from));
        assert_eq!(told(0), [Value::Null, Value::Null, Value::Null]);
    }

    #[test]
    fn the_share_is_that_of_the_second_ingress() {
        let router = Router { kind: RouterKind::IngressNginx, name: "shop".into() };
        let all = router.divided(&written(), &Case::at_points(50).division());
        assert_eq!(all.len(), 2);
        assert_eq!(all[0], written(), "the first one stays as it is");
        let second = divided(&written(), &Case::at_points(50).division()).unwrap().value;
        let both = seen("Ingress", &[written().value, second.clone()]);
        assert_eq!(router.shares(&both, "web").unwrap(), [("web".into(), 9950), ("web-abc".into(), 50)]);
        assert_eq!(
            router.helpers(&both).iter().map(|key| key.name.as_str()).collect::<Vec<_>>(),
            ["shop-abc"]
        );
        let only = seen("Ingress", &[written().value]);
        assert_eq!(router.shares(&only, "web").unwrap(), [("web".into(), 10_000)]);
        assert!(router.is_accepted(&only) && router.helpers(&only).is_empty());
        assert_eq!(router.shares(&seen("Ingress", &[second]), "web"), None, "without the user's own");
        let mut foreign = live(&written().value);
        foreign.annotations_mut().insert(format!("{PREFIX}canary"), "true".into());
        assert!(!is_helper(&foreign));
    }
}
