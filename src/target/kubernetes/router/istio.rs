//! Istio: the weights of the destinations in the HTTP rules of a VirtualService.
//!
//! Each release has a Service, and so a host, of its own: no subsets of a DestinationRule are needed. A DestinationRule of the
//! Service's host does not hold for the release's own; a destination's `subset` is of that rule, and left out there.
//!
//! `HTTPRouteDestination` in Istio's API: a destination gets its weight's part of the sum of all. They are made to sum to 100
//! where whole percents can say it, and else to 10,000.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::{Division, Shares};
use crate::rollout::Weight;
use crate::target::kubernetes::manifests::Object;

/// The Services that a VirtualService's HTTP rules lead to.
pub(super) fn services(written: &Value, namespace: &str) -> Vec<String> {
    rules(written)
        .flat_map(destinations)
        .filter_map(|one| service_of(one, namespace))
        .map(str::to_owned)
        .collect()
}

/// Has every HTTP rule that leads to the Service lead to the backends, each with its weight; what else the destination says (its
/// port, its headers) stays.
pub(super) fn divided(written: &Object, division: &Division<'_>) -> Object {
    let mut object = written.clone();
    let Some(rules) = object.value.pointer_mut("/spec/http").and_then(Value::as_array_mut) else {
        return object;
    };
    let mut divided = Vec::new();
    for mut rule in rules.drain(..) {
        if leads(&rule, division.service, division.namespace) {
            divided.extend(by_header(&rule, division));
            spread(&mut rule, division);
        }
        divided.push(rule);
    }
    *rules = divided;
    object
}

fn spread(rule: &mut Value, division: &Division<'_>) {
    let full = u64::from(Weight::FULL.basis_points());
    let Some(written) = rule.get_mut("route").and_then(Value::as_array_mut) else { return };
    let is_only = written.len() == 1;
    let (mut divided, mut weights) = (Vec::new(), Vec::new());
    for one in written.drain(..) {
        // Alone, a destination gets all; among others, none if it does not say how much.
        let weight =
            one["weight"].as_u64().filter(|weight| *weight > 0 || !is_only).unwrap_or(u64::from(is_only));
        if service_of(&one, division.namespace) != Some(division.service) {
            weights.push(weight * full);
            divided.push(one);
            continue;
        }
        for backend in division.backends {
            weights.push(weight * u64::from(backend.weight.basis_points()));
            divided.push(match &backend.release {
                Some(_) => led(&one, &backend.service),
                None => one.clone(),
            });
        }
    }
    for (one, weight) in divided.iter_mut().zip(tidied(weights)) {
        one["weight"] = Value::from(weight);
    }
    *written = divided;
}

/// The same rule for requests with the header, before it: the first rule that fits is taken. Istio knows names of headers in
/// small letters.
fn by_header(rule: &Value, division: &Division<'_>) -> Option<Value> {
    let (chosen, (name, value)) = (division.chosen()?, division.rules.header.as_ref()?);
    let name = name.to_ascii_lowercase();
    let mut matches =
        rule["match"].as_array().filter(|all| !all.is_empty()).cloned().unwrap_or_else(|| vec![json!({})]);
    matches.retain(|one| one["headers"].get(&name).is_none());
    for one in &mut matches {
        one["headers"][&name] = json!({ "exact": value });
    }
    let to_service = |one: &&Value| service_of(one, division.namespace) == Some(division.service);
    let mut destination = led(destinations(rule).find(to_service)?, chosen);
    let mut copy = rule.clone();
    if let (Some(fields), Some(rule)) = (destination.as_object_mut(), copy.as_object_mut()) {
        fields.shift_remove("weight");
        rule.shift_remove("name");
    }
    let is_any_left = !matches.is_empty();
    copy["match"] = Value::Array(matches);
    copy["route"] = Value::Array(vec![destination]);
    is_any_left.then_some(copy)
}

/// A destination with another Service in its host.
fn led(written: &Value, service: &str) -> Value {
    let mut one = written.clone();
    let host = written["destination"]["host"].as_str().unwrap_or_default();
    let host = host.find('.').map_or_else(|| service.to_owned(), |dot| format!("{service}{}", &host[dot..]));
    one["destination"]["host"] = Value::from(host);
    if let Some(fields) = one.get_mut("destination").and_then(Value::as_object_mut) {
        fields.shift_remove("subset");
    }
    one
}

/// The same proportions in small numbers: with the sum 100 or 10,000, where whole numbers can say it.
fn tidied(weights: Vec<u64>) -> Vec<u64> {
    let common = weights.iter().copied().fold(0, divisor).max(1);
    let least: Vec<u64> = weights.into_iter().map(|weight| weight / common).collect();
    let sum: u64 = least.iter().sum();
    let whole = [100, 10_000].into_iter().find(|whole| sum > 0 && whole % sum == 0);
    least.into_iter().map(|weight| weight * whole.map_or(1, |whole| whole / sum)).collect()
}

/// The greatest common divisor, by Euclid.
const fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { divisor(other, one % other) }
}

/// The shares that the first rule that leads to the Service wants: all of them are divided in the same way.
pub(super) fn shares(live: &DynamicObject, service: &str) -> Shares {
    let namespace = live.namespace().unwrap_or_default();
    let Some(rule) = rules(&live.data).find(|rule| leads(rule, service, &namespace)) else {
        return Vec::new();
    };
    let all: Vec<&Value> = destinations(rule).collect();
    let weight = |one: &Value| if all.len() == 1 { 1 } else { one["weight"].as_u64().unwrap_or_default() };
    let share = |one: &&Value| {
        let name = service_of(one, &namespace).or_else(|| one["destination"]["host"].as_str());
        (name.unwrap_or_default().to_owned(), weight(one))
    };
    all.iter().map(share).collect()
}

fn rules(object: &Value) -> impl Iterator<Item = &Value> {
    object["spec"]["http"].as_array().into_iter().flatten()
}

fn destinations(rule: &Value) -> impl Iterator<Item = &Value> {
    rule["route"].as_array().into_iter().flatten()
}

fn leads(rule: &Value, service: &str, namespace: &str) -> bool {
    destinations(rule).any(|one| service_of(one, namespace) == Some(service))
}

/// The Service that a destination's host names: alone, or with this namespace, and the cluster's domain.
fn service_of<'a>(destination: &'a Value, namespace: &str) -> Option<&'a str> {
    let host = destination["destination"]["host"].as_str()?;
    let Some((name, rest)) = host.split_once('.') else { return Some(host) };
    let inner = rest.split_once('.').map_or(rest, |(inner, _)| inner);
    let is_service = rest == inner || rest.split('.').nth(1) == Some("svc");
    (inner == namespace && is_service).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::kubernetes::router::tests::{Case, by_canary_header, live, object};

    fn written(http: &Value) -> Object {
        object(&json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": { "name": "shop" },
            "spec": { "hosts": ["shop.test"], "http": http },
        }))
    }

    fn route_at(points: u16, route: &Value) -> Value {
        let written = written(&json!([{ "route": route }]));
        divided(&written, &Case::at_points(points).division()).value["spec"]["http"][0]["route"].clone()
    }

    #[test]
    fn destinations_are_divided_by_hosts_of_services() {
        let route = json!([{ "destination": { "host": "web.shop.svc.cluster.local", "subset": "v1", "port": { "number": 80 } } }]);
        assert_eq!(
            route_at(500, &route),
            json!([
                { "destination": { "host": "web.shop.svc.cluster.local", "subset": "v1", "port": { "number": 80 } }, "weight": 95 },
                { "destination": { "host": "web-abc.shop.svc.cluster.local", "port": { "number": 80 } }, "weight": 5 },
            ])
        );
    }

    fn weights(points: u16, route: &Value) -> Vec<u64> {
        let route = route_at(points, route);
        route.as_array().unwrap().iter().map(|one| one["weight"].as_u64().unwrap()).collect()
    }

    #[test]
    fn weights_sum_to_a_hundred_where_whole_percents_say_it() {
        let alone = json!([{ "destination": { "host": "web" } }]);
        assert_eq!(weights(0, &alone), [100, 0]);
        assert_eq!(weights(2500, &alone), [75, 25]);
        assert_eq!(weights(50, &alone), [9950, 50]);
        let among = json!([
            { "destination": { "host": "web" }, "weight": 80 },
            { "destination": { "host": "other" }, "weight": 20 },
        ]);
        assert_eq!(weights(2500, &among), [60, 20, 20]);
        assert_eq!(weights(50, &among), [7960, 40, 2000]);
    }

    #[test]
    fn only_hosts_of_the_service_are_meant() {
        let of =
            |host: &str| service_of(&json!({ "destination": { "host": host } }), "shop").map(str::to_owned);
        for host in ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local"] {
            assert_eq!(of(host).as_deref(), Some("web"), "{host}");
        }
        for host in ["web.other.svc.cluster.local", "web.example.com", "web.shop.example"] {
            assert_eq!(of(host), None, "{host}");
        }
    }

    #[test]
    fn requests_with_the_header_are_led_first() {
        let written = written(&json!([
            { "match": [{ "uri": { "prefix": "/b" } }], "redirect": { "uri": "/" } },
            { "name": "all", "match": [{ "uri": { "prefix": "/a" } }], "timeout": "3s", "route": [{ "destination": { "host": "web" } }] },
            { "route": [{ "destination": { "host": "web" } }] },
        ]));
        assert_eq!(services(&written.value, "shop"), ["web", "web"]);
        let case = Case { rules: by_canary_header(), ..Case::at(5) };
        let http = divided(&written, &case.division()).value["spec"]["http"].clone();
        assert_eq!(http.as_array().unwrap().len(), 5);
        assert_eq!(
            http[1],
            json!({
                "match": [{ "uri": { "prefix": "/a" }, "headers": { "x-canary": { "exact": "always" } } }],
                "timeout": "3s",
                "route": [{ "destination": { "host": "web-abc" } }],
            })
        );
        assert_eq!(http[2]["name"], "all");
        assert_eq!(http[3]["match"], json!([{ "headers": { "x-canary": { "exact": "always" } } }]));
        let seen = live(&divided(&written, &case.division()).value);
        assert_eq!(shares(&seen, "web"), [("web".to_owned(), 95), ("web-abc".to_owned(), 5)]);
        assert_eq!(shares(&live(&written.value), "web"), [("web".to_owned(), 1)]);
    }
}
