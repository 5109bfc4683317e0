//! How the traffic is divided, by the routers' own word.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use super::Frame;
use crate::rollout::{ReleaseId, SetView, Weight};
use crate::target::kubernetes::names::{RELEASE, SPLIT};
use crate::target::kubernetes::router::Router;
use crate::target::kubernetes::world::Snapshot;

const SERVICE_OF_SLICE: &str = "kubernetes.io/service-name";

type Weights = BTreeMap<ReleaseId, Weight>;

pub(super) fn weights(snapshot: &Snapshot, frame: &Frame, sets: &BTreeMap<ReleaseId, SetView>) -> Weights {
    let Some(name) = &frame.shape.service else { return without_service(sets) };
    let Some(service) = snapshot.services.iter().find(|service| service.name_any() == *name) else {
        return Weights::new();
    };
    let base = of_service(snapshot, frame, service);
    match &frame.shape.router {
        Some(router) => {
            let is_in_force = !frame.settling && router.is_accepted(&snapshot.routes);
            of_router(snapshot, router, name, &base, is_in_force)
        }
        None => base,
    }
}

/// Nothing is led to the instances: the release that has any ready has it all.
fn without_service(sets: &BTreeMap<ReleaseId, SetView>) -> Weights {
    let mut ready = sets.iter().filter(|(_, set)| set.ready > 0);
    match (ready.next(), ready.next()) {
        (Some((release, _)), None) => Weights::from([(release.clone(), Weight::FULL)]),
        (Some(_), Some(_)) => {
            let all: u32 = sets.values().map(|set| set.ready).sum();
            sets.iter().map(|(release, set)| (release.clone(), portion(set.ready, all))).collect()
        }
        _ => Weights::new(),
    }
}

/// The release that the Service leads to alone.
pub(in super::super) fn pinned(service: &Service) -> Option<ReleaseId> {
    service.spec.as_ref()?.selector.as_ref()?.get(RELEASE).map(ReleaseId::new)
}

fn of_service(snapshot: &Snapshot, frame: &Frame, service: &Service) -> Weights {
    let ready = endpoints(snapshot, frame, &service.name_any());
    let all: u32 = ready.values().sum();
    if let Some(split) = split(service)
        && is_brought_about(&split, &ready)
    {
        return split;
    }
    ready.into_iter().map(|(release, n)| (release, portion(n, all))).collect()
}

/// The ready endpoints of each release.
pub(in super::super) fn endpoints(
    snapshot: &Snapshot,
    frame: &Frame,
    service: &str,
) -> BTreeMap<ReleaseId, u32> {
    let mut ready = BTreeMap::new();
    let slices = snapshot
        .slices
        .iter()
        .filter(|slice| slice.labels().get(SERVICE_OF_SLICE).is_some_and(|s| s == service));
    for endpoint in slices.flat_map(|slice| &slice.endpoints) {
        let is_ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
        let pod = endpoint.target_ref.as_ref().and_then(|target| target.name.as_ref());
        let (true, Some(pod)) = (is_ready, pod) else { continue };
        let known = snapshot.pods.iter().find(|one| one.name_any() == *pod);
        let release = match known {
            Some(pod) => frame.release_of(pod.labels().get(RELEASE)),
            None => frame.baseline.clone(),
        };
        if let Some(release) = release {
            *ready.entry(release).or_default() += 1;
        }
    }
    ready
}

fn portion(n: u32, all: u32) -> Weight {
    let points = if all == 0 { 0 } else { u64::from(n) * 10_000 / u64::from(all) };
    Weight::from_basis_points(u16::try_from(points).unwrap_or(10_000))
}

/// The shares that were asked for by numbers of instances.
fn split(service: &Service) -> Option<Weights> {
    let text = service.annotations().get(SPLIT).filter(|text| !text.is_empty())?;
    let one = |part: &str| {
        let (release, points) = part.split_once('=')?;
        Some((ReleaseId::new(release), Weight::from_basis_points(points.parse().ok()?)))
    };
    text.split(',').map(one).collect()
}

/// Whether as many instances stand beside as the shares want, for as many of the other release as there are.
fn is_brought_about(split: &Weights, ready: &BTreeMap<ReleaseId, u32>) -> bool {
    let of = |release: &ReleaseId| ready.get(release).copied().unwrap_or_default();
    let known = ready.keys().all(|release| split.contains_key(release));
    let Some((most, _)) = split.iter().max_by_key(|(_, weight)| **weight) else { return false };
    known
        && split.iter().filter(|(release, _)| *release != most).all(|(release, weight)| {
            let wanted = beside_wanted(*weight, of(most));
            of(release) > 0 && of(release) >= wanted.min(of(most))
        })
}

/// How many instances beside `others` make this share of all, as nearly as whole instances can; at least one.
pub(in super::super) fn beside_wanted(weight: Weight, others: u32) -> u32 {
    let (own, rest) = (u64::from(weight.basis_points()), u64::from(weight.rest().basis_points()));
    if rest == 0 {
        return others.max(1);
    }
    let wanted = (u64::from(others) * own + rest / 2) / rest;
    u32::try_from(wanted).unwrap_or(others).max(1)
}

/// The shares by a router. Those that are not in force yet are told as a hair less than they are: they are not what was asked
/// for, and nobody may take away what they lead to.
fn of_router(
    snapshot: &Snapshot,
    router: &Router,
    service: &str,
    base: &Weights,
    is_in_force: bool,
) -> Weights {
    let release_of = |name: &str| {
        let found = snapshot.services.iter().find(|one| one.name_any() == name);
        found.and_then(|one| pinned(one)).filter(|_| name != service)
    };
    let shares = router.shares(&snapshot.routes, service).unwrap_or_default();
    let ours = |(name, own): (String, u64)| {
        let release = release_of(&name);
        (own > 0 && (name == service || release.is_some())).then_some((release, own))
    };
    let shares: Vec<(Option<ReleaseId>, u64)> = shares.into_iter().filter_map(ours).collect();
    let all: u64 = shares.iter().map(|(_, own)| own).sum();
    let mut weights = Weights::new();
    for (release, own) in shares {
        let share = u16::try_from(own * 10_000 / all).unwrap_or(10_000);
        if let Some(release) = release {
            add(&mut weights, &release, share);
            continue;
        }
        for (release, within) in base {
            let points = u32::from(share) * u32::from(within.basis_points()) / 10_000;
            add(&mut weights, release, u16::try_from(points).unwrap_or(10_000));
        }
    }
    if is_in_force {
        return weights;
    }
    let less = |weight: Weight| Weight::from_basis_points(weight.basis_points().saturating_sub(1));
    weights.into_iter().map(|(release, weight)| (release, less(weight))).collect()
}

fn add(weights: &mut Weights, release: &ReleaseId, points: u16) {
    let known = weights.get(release).copied().unwrap_or_default().basis_points();
    weights.insert(release.clone(), Weight::from_basis_points(known.saturating_add(points)));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::core::v1::Service;
    use serde_json::json;

    use super::*;
    use crate::target::kubernetes::bundle::Shape;
    use crate::target::kubernetes::router::{Live, RouterKind};

    fn service(name: &str, release: &str) -> Arc<Service> {
        let spec = json!({ "selector": { "app": "web", RELEASE: release } });
        Arc::new(serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap())
    }

    #[test]
    fn shares_are_in_force_when_a_router_that_says_nothing_has_had_its_time() {
        let router = Router { kind: RouterKind::Istio, name: "shop".into() };
        let route = |host: &str, weight: u16| json!({ "destination": { "host": host }, "weight": weight });
        let object = json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": { "name": "shop", "namespace": "shop" },
            "spec": { "http": [{ "route": [route("web", 95), route("web-b", 5)] }] },
        });
        let mut routes = Live::default();
        routes.add("VirtualService", vec![Arc::new(serde_json::from_value(object).unwrap())]);
        let services = vec![service("web", "a"), service("web-b", "b")];
        let snapshot = Snapshot { services, routes, ..Snapshot::default() };
        let shape = Shape { service: Some("web".into()), router: Some(router), ..Shape::default() };
        let ready = json!({
            "metadata": { "name": "web-1", "labels": { "kubernetes.io/service-name": "web" } },
            "addressType": "IPv4",
            "endpoints": [{ "addresses": ["10.0.0.1"], "targetRef": { "name": "web-1" } }],
        });
        let slices = vec![Arc::new(serde_json::from_value(ready).unwrap())];
        let snapshot = Snapshot { slices, ..snapshot };
        let frame = Frame { shape, baseline: Some(ReleaseId::new("a")), ..Frame::default() };
        let seen = |settling: bool| {
            let weights = weights(&snapshot, &Frame { settling, ..frame.clone() }, &BTreeMap::new());
            [weights[&ReleaseId::new("a")], weights[&ReleaseId::new("b")]].map(Weight::basis_points)
        };
        assert_eq!(seen(false), [9500, 500]);
        assert_eq!(seen(true), [9499, 499], "asked for, and not yet so");
    }
}
