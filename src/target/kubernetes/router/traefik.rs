//! Traefik: a TraefikService that weighs, in place of the Service in the rules of an IngressRoute.
//!
//! `TraefikService`, "Weighted Round Robin", in the reference of Traefik 3. A TraefikService and not weights in the IngressRoute:
//! weights that are there already go on to hold, and only it can keep a visitor with the same release by a cookie.
//!
//! Traefik drops a rule altogether as long as anything that it leads to is not there, or (without `allowEmptyServices`, the
//! default) has no pod that is ready. So the release's own Service is there long before the TraefikService, which is there
//! before the IngressRoute; and to the release it goes by the address of its Service (`nativeLB`): one that has no ready pod
//! any more costs its own share, and not all.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::{Division, Live, Shares, is_helper};
use crate::target::kubernetes::manifests::{Key, Object};
use crate::target::kubernetes::names::joined;

pub(super) const HELPER: &str = "TraefikService";
/// The longest name (RFC 1123 label).
const LABEL: usize = 63;

/// The Services that an IngressRoute leads to itself.
pub(super) fn services(written: &Value, namespace: &str) -> Vec<String> {
    let plain = entries(written).filter(|entry| is_service(entry, namespace));
    plain.filter_map(|entry| entry["name"].as_str()).map(str::to_owned).collect()
}

/// A TraefikService for each way in which the Service is led to, then the IngressRoute that leads to them.
pub(super) fn divided(written: &Object, division: &Division<'_>) -> Vec<Object> {
    let mut object = written.clone();
    let mut made: Vec<(Value, Object)> = Vec::new();
    let routes = object.value.pointer_mut("/spec/routes").and_then(Value::as_array_mut);
    let lists = routes.into_iter().flatten().filter_map(|route| route.get_mut("services"));
    for entry in lists.filter_map(Value::as_array_mut).flatten() {
        if !is_service(entry, division.namespace) || entry["name"] != division.service {
            continue;
        }
        let mut plain = entry.clone();
        let weight = plain.as_object_mut().and_then(|fields| fields.shift_remove("weight"));
        let name = match made.iter().find(|(known, _)| *known == plain) {
            Some((_, helper)) => helper.key.name.clone(),
            None => {
                let Some(helper) = weighing(written, division, &plain, made.len()) else { continue };
                let name = helper.key.name.clone();
                made.push((plain, helper));
                name
            }
        };
        *entry = json!({ "kind": HELPER, "name": name });
        if let Some(weight) = weight {
            entry["weight"] = weight;
        }
    }
    made.into_iter().map(|(_, helper)| helper).chain([object]).collect()
}

fn weighing(written: &Object, division: &Division<'_>, plain: &Value, place: usize) -> Option<Object> {
    let release = division.backends.iter().find_map(|backend| backend.release.as_ref())?;
    let second = if place == 0 { release.to_string() } else { format!("{}-{release}", place + 1) };
    let name = joined(division.service, &second, LABEL);
    let services = division.backends.iter().map(|backend| {
        let mut one = plain.clone();
        one["name"] = Value::from(backend.service.as_str());
        one["weight"] = Value::from(backend.weight.basis_points());
        if backend.release.is_some() {
            one["nativeLB"] = Value::Bool(true);
        }
        one
    });
    let mut weighted = json!({ "services": services.collect::<Vec<_>>() });
    if let Some(cookie) = &division.rules.sticky_cookie {
        weighted["sticky"] = json!({ "cookie": { "name": cookie, "httpOnly": true } });
    }
    let key = Key { kind: HELPER.to_owned(), name: name.clone(), ..written.key.clone() };
    let value = json!({
        "apiVersion": key.api_version,
        "kind": HELPER,
        "metadata": { "name": name, "labels": division.labels_for(release) },
        "spec": { "weighted": weighted },
    });
    Some(Object { key, source: written.source.clone(), value })
}

/// The TraefikServices that are there for a rollout.
pub(super) fn helpers(live: &Live) -> impl Iterator<Item = &DynamicObject> {
    live.of(HELPER).filter(|one| is_helper(one))
}

/// The shares of the first rule that leads to the Service, itself or by a TraefikService of the rollout: all are divided in the
/// same way.
pub(super) fn shares(main: &DynamicObject, live: &Live, service: &str) -> Shares {
    let namespace = main.namespace().unwrap_or_default();
    for entry in entries(&main.data) {
        if is_service(entry, &namespace) && entry["name"] == service {
            return vec![(service.to_owned(), 1)];
        }
        let helper =
            helpers(live).find(|one| entry["kind"] == HELPER && entry["name"] == one.name_any().as_str());
        let weighed = helper.and_then(|one| one.data["spec"]["weighted"]["services"].as_array());
        if let Some(weighed) = weighed.filter(|all| all.iter().any(|one| one["name"] == service)) {
            let share = |one: &Value| {
                (one["name"].as_str().unwrap_or_default().to_owned(), one["weight"].as_u64().unwrap_or(1))
            };
            return weighed.iter().map(share).collect();
        }
    }
    Vec::new()
}

fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    let routes = object["spec"]["routes"].as_array().into_iter().flatten();
    routes.flat_map(|route| route["services"].as_array().into_iter().flatten())
}

fn is_service(entry: &Value, namespace: &str) -> bool {
    let is_kind = entry.get("kind").is_none_or(|kind| kind == "Service");
    is_kind && entry.get("namespace").is_none_or(|other| other == namespace)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::target::kubernetes::router::tests::{Case, live, object, seen};
    use crate::target::kubernetes::router::{Router, RouterKind, Rules};

    fn written(routes: &Value) -> Object {
        object(&json!({
            "apiVersion": "traefik.io/v1alpha1",
            "kind": "IngressRoute",
            "metadata": { "name": "shop" },
            "spec": { "entryPoints": ["web"], "routes": routes },
        }))
    }

    #[test]
    fn a_traefik_service_weighs_in_place_of_the_service() {
        let written = written(&json!([
            { "match": "Host(`a`)", "kind": "Rule", "services": [{ "name": "web", "port": 80, "passHostHeader": false }] },
            { "match": "Host(`b`)", "kind": "Rule", "services": [
                { "name": "web", "port": 80, "passHostHeader": false, "weight": 3 },
                { "name": "other", "port": 80, "weight": 1 },
            ] },
            { "match": "Host(`c`)", "kind": "Rule", "services": [{ "name": "web", "port": "admin" }] },
            { "match": "Host(`d`)", "kind": "Rule", "services": [{ "name": "web", "namespace": "elsewhere", "port": 80 }] },
        ]));
        assert_eq!(services(&written.value, "shop"), ["web", "web", "other", "web"]);
        let all = divided(&written, &Case::at(5).division());
        let names: Vec<String> = all.iter().map(|one| one.key.to_string()).collect();
        assert_eq!(names, ["TraefikService web-abc", "TraefikService web-2-abc", "IngressRoute shop"]);
        assert_eq!(
            all[0].value,
            json!({
                "apiVersion": "traefik.io/v1alpha1",
                "kind": "TraefikService",
                "metadata": { "name": "web-abc", "labels": {
                    "app.kubernetes.io/managed-by": "tidegate",
                    "tidegate.dev/app": "shop",
                    "tidegate.dev/release": "abc",
                } },
                "spec": { "weighted": { "services": [
                    { "name": "web", "port": 80, "passHostHeader": false, "weight": 9500 },
                    { "name": "web-abc", "port": 80, "passHostHeader": false, "weight": 500, "nativeLB": true },
                ] } },
            })
        );
        assert_eq!(all[1].value["spec"]["weighted"]["services"][0]["port"], "admin");
        let routes = &all[2].value["spec"]["routes"];
        assert_eq!(routes[0]["services"], json!([{ "kind": "TraefikService", "name": "web-abc" }]));
        assert_eq!(
            routes[1]["services"],
            json!([{ "kind": "TraefikService", "name": "web-abc", "weight": 3 }, { "name": "other", "port": 80, "weight": 1 }])
        );
        assert_eq!(routes[2]["services"], json!([{ "kind": "TraefikService", "name": "web-2-abc" }]));
        assert_eq!(routes[3], written.value["spec"]["routes"][3]);
    }

    #[test]
    fn a_cookie_keeps_a_visitor_with_a_release() {
        let rules = Rules { sticky_cookie: Some("seen".into()), ..Rules::default() };
        let case = Case { rules, ..Case::at(5) };
        let written =
            written(&json!([{ "match": "Host(`a`)", "services": [{ "name": "web", "port": 80 }] }]));
        let all = divided(&written, &case.division());
        let sticky = json!({ "cookie": { "name": "seen", "httpOnly": true } });
        assert_eq!(all[0].value["spec"]["weighted"]["sticky"], sticky);
    }

    #[test]
    fn the_shares_are_those_of_what_the_route_leads_to() {
        let router = Router { kind: RouterKind::Traefik, name: "shop".into() };
        let written =
            written(&json!([{ "match": "Host(`a`)", "services": [{ "name": "web", "port": 80 }] }]));
        let all = divided(&written, &Case::at(5).division());
        let mut both = seen("IngressRoute", &[all[1].value.clone()]);
        both.add(HELPER, vec![Arc::new(live(&all[0].value))]);
        assert_eq!(router.shares(&both, "web").unwrap(), [("web".into(), 9500), ("web-abc".into(), 500)]);
        assert_eq!(
            router.helpers(&both).iter().map(Key::to_string).collect::<Vec<_>>(),
            ["TraefikService web-abc"]
        );
        let mut before = seen("IngressRoute", &[written.value]);
        before.add(HELPER, vec![Arc::new(live(&all[0].value))]);
        assert_eq!(router.shares(&before, "web").unwrap(), [("web".into(), 1)], "made, and not led to yet");
    }
}
