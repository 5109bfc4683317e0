//! The Gateway API: the weights of an HTTPRoute's backends.
//!
//! Its word on whether it has taken a route are the conditions `Accepted` and `ResolvedRefs` of each gateway, at the route's
//! present generation.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::{Backend, Division, Shares};
use crate::target::kubernetes::manifests::Object;

/// The Services that a route's rules name.
pub(super) fn services(written: &Value) -> Vec<String> {
    let rules = written["spec"]["rules"].as_array().into_iter().flatten();
    let names = rules.flat_map(backends).filter_map(|one| one["name"].as_str());
    names.map(str::to_owned).collect()
}

/// Has every rule that leads to the Service lead to the backends instead, each with its weight; what else the backend says (its
/// port, its filters) stays.
pub(super) fn divided(written: &Object, division: &Division<'_>) -> Object {
    let mut object = written.clone();
    let Some(rules) = object.value.pointer_mut("/spec/rules").and_then(Value::as_array_mut) else {
        return object;
    };
    let mut divided = Vec::new();
    for mut rule in rules.drain(..) {
        if leads(&rule, division.service) {
            divided.extend(by_header(&rule, division));
            spread(&mut rule, division.service, division.backends);
        }
        divided.push(rule);
    }
    *rules = divided;
    object
}

fn spread(rule: &mut Value, service: &str, backends: &[Backend]) {
    let Some(refs) = rule.get_mut("backendRefs").and_then(Value::as_array_mut) else { return };
    let mut divided = Vec::new();
    for written in refs.drain(..) {
        if written["name"] != service {
            divided.push(written);
            continue;
        }
        for backend in backends {
            let mut one = written.clone();
            one["name"] = Value::from(backend.service.as_str());
            one["weight"] = Value::from(backend.weight.basis_points());
            divided.push(one);
        }
    }
    *refs = divided;
}

/// The same rule for requests with the header: it wins, because of two rules with the same path that with more headers does. A
/// match that asks for another value of that header has none of those requests.
fn by_header(rule: &Value, division: &Division<'_>) -> Option<Value> {
    let (chosen, (name, value)) = (division.chosen()?, division.rules.header.as_ref()?);
    let mut copy = rule.clone();
    let mut matches =
        rule["matches"].as_array().filter(|all| !all.is_empty()).cloned().unwrap_or_else(|| vec![json!({})]);
    let asks = |one: &Value| {
        let headers = one["headers"].as_array().into_iter().flatten();
        headers.filter_map(|header| header["name"].as_str()).any(|other| other.eq_ignore_ascii_case(name))
    };
    matches.retain(|one| !asks(one));
    for one in &mut matches {
        let header = json!({ "type": "Exact", "name": name, "value": value });
        match one.get_mut("headers").and_then(Value::as_array_mut) {
            Some(headers) => headers.push(header),
            None => one["headers"] = json!([header]),
        }
    }
    let mut backend = backends(rule).find(|one| one["name"] == division.service)?.clone();
    backend["name"] = Value::from(chosen);
    if let (Some(fields), Some(rule)) = (backend.as_object_mut(), copy.as_object_mut()) {
        fields.shift_remove("weight");
        // A rule's name is its own.
        rule.shift_remove("name");
    }
    let is_any_left = !matches.is_empty();
    copy["matches"] = Value::Array(matches);
    copy["backendRefs"] = Value::Array(vec![backend]);
    is_any_left.then_some(copy)
}

/// The shares that the first rule that leads to the Service wants: all of them are divided in the same way.
pub(super) fn shares(live: &DynamicObject, service: &str) -> Shares {
    let mut rules = live.data["spec"]["rules"].as_array().into_iter().flatten();
    let first = rules.find(|rule| leads(rule, service)).into_iter().flat_map(backends);
    first
        .map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), one["weight"].as_u64().unwrap_or(1)))
        .collect()
}

/// Whether every gateway of the route has taken it as it is now.
pub(super) fn is_accepted(live: &DynamicObject) -> bool {
    let generation = live.metadata.generation;
    let parents = live.data["status"]["parents"].as_array().map_or(&[][..], Vec::as_slice);
    let holds = |parent: &Value, kind: &str| {
        parent["conditions"].as_array().into_iter().flatten().any(|condition| {
            condition["type"] == kind
                && condition["status"] == "True"
                && condition["observedGeneration"].as_i64() >= generation
        })
    };
    !parents.is_empty()
        && parents.iter().all(|parent| holds(parent, "Accepted") && holds(parent, "ResolvedRefs"))
}

fn backends(rule: &Value) -> impl Iterator<Item = &Value> {
    rule["backendRefs"].as_array().into_iter().flatten()
}

fn leads(rule: &Value, service: &str) -> bool {
    backends(rule).any(|one| one["name"] == service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::kubernetes::router::tests::{Case, by_canary_header, live, object};

    fn route(rules: &Value) -> Object {
        object(&json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": { "name": "shop" },
            "spec": { "rules": rules },
        }))
    }

    #[test]
    fn only_the_rules_that_lead_to_the_service_are_divided() {
        let written = route(&json!([
            { "backendRefs": [{ "name": "web", "port": 80 }] },
            { "backendRefs": [{ "name": "other", "port": 81 }] },
            { "filters": [] },
        ]));
        assert_eq!(services(&written.value), ["web", "other"]);
        let case = Case::at(5);
        let rules = &divided(&written, &case.division()).value["spec"]["rules"];
        assert_eq!(
            rules,
            &json!([
                { "backendRefs": [{ "name": "web", "port": 80, "weight": 9500 }, { "name": "web-abc", "port": 80, "weight": 500 }] },
                { "backendRefs": [{ "name": "other", "port": 81 }] },
                { "filters": [] },
            ])
        );
    }

    #[test]
    fn requests_with_the_header_go_to_the_candidate_by_a_rule_that_wins() {
        let written = route(&json!([{
            "name": "all",
            "matches": [
                { "path": { "type": "PathPrefix", "value": "/a" }, "headers": [{ "name": "X-Other", "value": "1" }] },
                { "headers": [{ "name": "x-canary", "value": "never" }] },
            ],
            "filters": [{ "type": "URLRewrite" }],
            "backendRefs": [{ "name": "web", "port": 80, "weight": 3 }],
        }]));
        let case = Case { rules: by_canary_header(), ..Case::at(5) };
        let rules = divided(&written, &case.division()).value["spec"]["rules"].clone();
        assert_eq!(
            rules[0],
            json!({
                "matches": [{
                    "path": { "type": "PathPrefix", "value": "/a" },
                    "headers": [
                        { "name": "X-Other", "value": "1" },
                        { "type": "Exact", "name": "X-Canary", "value": "always" },
                    ],
                }],
                "filters": [{ "type": "URLRewrite" }],
                "backendRefs": [{ "name": "web-abc", "port": 80 }],
            })
        );
        assert_eq!(rules[1]["name"], "all");
        assert_eq!(rules.as_array().unwrap().len(), 2);
        let plain = route(&json!([{ "backendRefs": [{ "name": "web", "port": 80 }] }]));
        let rules = divided(&plain, &case.division()).value["spec"]["rules"].clone();
        assert_eq!(
            rules[0]["matches"],
            json!([{ "headers": [{ "type": "Exact", "name": "X-Canary", "value": "always" }] }])
        );
    }

    #[test]
    fn without_a_share_there_is_no_rule_for_the_header() {
        let written = route(&json!([{ "backendRefs": [{ "name": "web", "port": 80 }] }]));
        let case = Case { rules: by_canary_header(), ..Case::at(0) };
        assert_eq!(divided(&written, &case.division()).value["spec"]["rules"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn shares_are_those_of_a_rule_that_leads_to_the_service() {
        let case = Case { rules: by_canary_header(), ..Case::at(5) };
        let written = route(&json!([{ "backendRefs": [{ "name": "web", "port": 80 }] }]));
        let seen = live(&divided(&written, &case.division()).value);
        assert_eq!(shares(&seen, "web"), [("web".to_owned(), 9500), ("web-abc".to_owned(), 500)]);
        assert_eq!(shares(&live(&written.value), "web"), [("web".to_owned(), 1)]);
    }

    #[test]
    fn a_route_is_accepted_when_all_gateways_say_so_of_its_present_generation() {
        let seen = |generation: i64, status: &str| {
            live(&json!({
                "metadata": { "name": "shop", "generation": 2 },
                "status": { "parents": [{ "conditions": [
                    { "type": "Accepted", "status": "True", "observedGeneration": 2 },
                    { "type": "ResolvedRefs", "status": status, "observedGeneration": generation },
                ] }] },
            }))
        };
        assert!(is_accepted(&seen(2, "True")));
        assert!(!is_accepted(&seen(1, "True")));
        assert!(!is_accepted(&seen(2, "False")));
        assert!(!is_accepted(&live(&json!({ "metadata": { "name": "shop", "generation": 1 } }))));
    }
}
