//! Dividing the traffic: by the selector of Services, by numbers of instances, by the weights of an HTTPRoute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use serde_json::{Value, json};

use super::Work;
use super::beside::{beside, deployment};
use crate::rollout::{Release, ReleaseId, Weight};
use crate::target::TargetError;
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::manifests::{Key, Object};
use crate::target::kubernetes::names::{MANAGED_BY, RELEASE, SPLIT, joined};
use crate::target::kubernetes::view::{beside_wanted, pinned, wanted};
use crate::target::kubernetes::world::Snapshot;

/// How long a gateway may take to bring what it has accepted to all of its data plane.
const ARRIVES: Duration = Duration::from_millis(500);
/// The longest name of a Service (RFC 1035 label).
const LABEL: usize = 63;

/// What the Services of a release lead to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lead<'a> {
    /// The pods of one release.
    To(&'a ReleaseId),
    /// All pods, with shares that were asked for by numbers.
    Split(&'a str),
    /// All pods, as the Services are written.
    All,
}

impl Work {
    /// Divides the requests so.
    pub(in super::super) async fn route(
        &self,
        weights: &BTreeMap<ReleaseId, Weight>,
        _releases: &[&Release],
    ) -> Result<(), TargetError> {
        let frame = self.framed().await;
        let shares: Vec<(&ReleaseId, Weight)> = weights
            .iter()
            .filter(|(_, weight)| **weight > Weight::ZERO)
            .map(|(id, weight)| (id, *weight))
            .collect();
        if frame.in_place || shares.is_empty() {
            return Ok(());
        }
        let Some((leader, bundle)) = self.leader().await? else { return Ok(()) };
        let snapshot = self.snapshot().await?;
        match (bundle.shape().route.as_ref(), shares.as_slice()) {
            (Some(_), _) => self.weigh(&leader, &bundle, &shares, &snapshot).await,
            (None, [(only, _)]) => self.lead_services(&leader, &bundle, Lead::To(only), &snapshot).await,
            (None, _) => self.divide_by_number(&leader, &bundle, &shares, &snapshot).await,
        }
    }

    /// The release whose Service and route lead the traffic during a rollout: the stable one, unless it did not have them yet.
    pub(super) async fn leader(&self) -> Result<Option<(ReleaseId, Arc<Bundle>)>, TargetError> {
        let frame = self.framed().await;
        let both = [&frame.stable, &frame.candidate].into_iter().flatten();
        for release in both {
            let bundle = self.bundle(release).await?;
            let shape = bundle.shape();
            let leads = shape.service == frame.shape.service && shape.route == frame.shape.route;
            if leads || frame.candidate.as_ref() == Some(release) {
                return Ok(Some((release.clone(), bundle)));
            }
        }
        Ok(None)
    }

    /// Holds the Services to the release that they lead to now: pods of another one do not get in by being ready.
    pub(super) async fn hold_services(
        &self,
        leader: &ReleaseId,
        bundle: &Bundle,
        stable: &ReleaseId,
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        let held = |name: &String| {
            let live = snapshot.services.iter().find(|service| service.name_any() == *name);
            live.is_none_or(|service| pinned(service).is_some() || service.annotations().contains_key(SPLIT))
        };
        if bundle.shape().services.iter().all(held) {
            return Ok(());
        }
        self.lead_services(leader, bundle, Lead::To(stable), snapshot).await
    }

    /// Has the Services of a release's manifests lead there.
    pub(super) async fn lead_services(
        &self,
        manifests_of: &ReleaseId,
        bundle: &Bundle,
        lead: Lead<'_>,
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        let pin = match lead {
            Lead::To(release) => Some(release),
            Lead::Split(_) | Lead::All => None,
        };
        let mut services: Vec<Object> = self
            .rendered(manifests_of, bundle, pin, snapshot, Some(bundle))
            .into_iter()
            .filter(|object| {
                object.key.kind == "Service" && bundle.shape().services.contains(&object.key.name)
            })
            .collect();
        if let Lead::Split(split) = lead {
            for service in &mut services {
                service.value["metadata"]["annotations"][SPLIT] = Value::from(split);
            }
        }
        self.apply_all(&services, self.config.take_over).await
    }

    /// Shares by numbers: as many instances of the smaller one beside those of the other as make its share.
    async fn divide_by_number(
        &self,
        stable: &ReleaseId,
        bundle: &Bundle,
        shares: &[(&ReleaseId, Weight)],
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        for (release, weight) in shares.iter().filter(|(release, _)| *release != stable) {
            for workload in &bundle.shape().carriers {
                let Some(set) = beside(snapshot, workload, release) else { continue };
                let all = deployment(snapshot, &workload.name).map_or(workload.replicas, wanted);
                let share = beside_wanted(*weight, all).min(all);
                let now = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default();
                if u32::try_from(now).unwrap_or_default() < share {
                    self.resize(&set.name_any(), share, &format!("{share}/{all}")).await?;
                }
            }
        }
        let split: Vec<String> =
            shares.iter().map(|(release, weight)| format!("{release}={}", weight.basis_points())).collect();
        self.lead_services(stable, bundle, Lead::Split(&split.join(",")), snapshot).await
    }

    /// Shares by the weights of the route: the Service leads to the release that it is held to, and each other release has a
    /// Service of its own for the time of the rollout. All for one release is the Service's own matter.
    ///
    /// A gateway may learn of a route before it learns of what the route leads to, and forget in the other order: so a backend
    /// comes and goes with the weight 0.
    async fn weigh(
        &self,
        stable: &ReleaseId,
        bundle: &Bundle,
        shares: &[(&ReleaseId, Weight)],
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        let name = bundle.shape().service.as_deref().unwrap_or_default();
        let live = snapshot.services.iter().find(|service| service.name_any() == name);
        let held = live.and_then(|service| pinned(service)).unwrap_or_else(|| stable.clone());
        let known = backends_of(snapshot, bundle);
        let own = |release: &ReleaseId| service_name(name, release);
        if let [(only, _)] = shares {
            if **only != held {
                self.lead_services(stable, bundle, Lead::To(only), snapshot).await?;
            }
            let leads_away =
                |backend: &(String, u16)| backend.1 > 0 && backend.0 != name && backend.0 != own(only);
            if known.iter().any(leads_away) {
                self.apply_route(stable, bundle, snapshot, Some(&silenced(&known, name))).await?;
            }
            return Ok(());
        }
        let mut backends = vec![(name.to_owned(), 0)];
        for (release, weight) in shares {
            if **release == held {
                backends[0].1 = weight.basis_points();
            } else {
                backends.push((own(release), weight.basis_points()));
            }
        }
        let is_new = |backend: &&(String, u16)| {
            backend.0 != name && !known.iter().any(|(other, _)| *other == backend.0)
        };
        if backends.iter().any(|backend| is_new(&backend)) {
            for (release, _) in shares.iter().filter(|(release, _)| **release != held) {
                self.announce(stable, bundle, release, snapshot).await?;
            }
            self.route_taken(bundle).await?;
            tokio::time::sleep(ARRIVES).await;
        }
        self.apply_route(stable, bundle, snapshot, Some(&backends)).await
    }

    /// Tells the gateway of a release that will have a share of the route's traffic, and has none yet.
    pub(super) async fn announce(
        &self,
        stable: &ReleaseId,
        bundle: &Bundle,
        release: &ReleaseId,
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        let name = bundle.shape().service.as_deref().unwrap_or_default();
        let own = service_name(name, release);
        if backends_of(snapshot, bundle).iter().any(|(known, _)| *known == own) {
            return Ok(());
        }
        self.release_service(release, bundle).await?;
        let backends = [(name.to_owned(), Weight::FULL.basis_points()), (own, 0)];
        self.apply_route(stable, bundle, snapshot, Some(&backends)).await
    }

    /// Has the route lead to the Service alone, as it is written: first by weight, then for good.
    pub(super) async fn calm_route(&self, release: &ReleaseId, bundle: &Bundle) -> Result<(), TargetError> {
        let Some(name) = bundle.shape().service.as_deref().filter(|_| bundle.shape().route.is_some()) else {
            return Ok(());
        };
        let snapshot = self.snapshot().await?;
        let known = backends_of(&snapshot, bundle);
        if known.iter().any(|(backend, weight)| backend != name && *weight > 0) {
            self.apply_route(release, bundle, &snapshot, Some(&silenced(&known, name))).await?;
            self.route_taken(bundle).await?;
            tokio::time::sleep(ARRIVES).await;
        }
        Ok(())
    }

    /// Applies the route of a release's manifests, with other backends in place of the Service where some are given.
    pub(super) async fn apply_route(
        &self,
        manifests_of: &ReleaseId,
        bundle: &Bundle,
        snapshot: &Snapshot,
        backends: Option<&[(String, u16)]>,
    ) -> Result<(), TargetError> {
        let shape = bundle.shape();
        let objects = self.rendered(manifests_of, bundle, None, snapshot, Some(bundle));
        let route = shape.route.as_deref().unwrap_or_default();
        let found = objects.into_iter().find(|one| one.key.kind == "HTTPRoute" && one.key.name == route);
        let Some(mut object) = found else { return Ok(()) };
        if let Some(backends) = backends {
            divide(&mut object.value, shape.service.as_deref().unwrap_or_default(), backends);
        }
        self.apply_one(&object).await.map(drop)
    }

    /// The Service of one release alone, for the time of a rollout.
    pub(super) async fn release_service(
        &self,
        release: &ReleaseId,
        bundle: &Bundle,
    ) -> Result<(), TargetError> {
        let Some(name) = &bundle.shape().service else { return Ok(()) };
        let Some(own) = bundle.find("Service", name) else { return Ok(()) };
        let mut selector = own.value["spec"]["selector"].clone();
        selector[RELEASE] = Value::from(release.as_str());
        let mut labels = self.home.labels();
        labels.insert(MANAGED_BY.to_owned(), "tidegate".to_owned());
        labels.insert(RELEASE.to_owned(), release.to_string());
        let ports: Vec<Value> =
            own.value["spec"]["ports"].as_array().into_iter().flatten().map(portable).collect();
        let new = service_name(name, release);
        let value = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": new, "labels": labels },
            "spec": { "selector": selector, "ports": ports },
        });
        let object = Object { key: Key { name: new, ..own.key.clone() }, source: own.source.clone(), value };
        self.apply_one(&object).await.map(drop)
    }

    pub(super) async fn drop_release_service(
        &self,
        release: &ReleaseId,
        bundle: &Bundle,
    ) -> Result<(), TargetError> {
        let Some(name) = &bundle.shape().service else { return Ok(()) };
        let Some(own) = bundle.find("Service", name) else { return Ok(()) };
        let key = Key { name: service_name(name, release), ..own.key.clone() };
        self.applier.remove(&key).await.map(drop)
    }
}

/// The backends of the live route in place of the Service, with their weights.
fn backends_of(snapshot: &Snapshot, bundle: &Bundle) -> Vec<(String, u16)> {
    let shape = bundle.shape();
    let (Some(service), Some(route)) = (&shape.service, &shape.route) else { return Vec::new() };
    let live = snapshot.routes.iter().find(|one| one.name_any() == *route);
    let rules = live.and_then(|route| route.data["spec"]["rules"].as_array()).into_iter().flatten();
    let refs = rules.filter_map(|rule| rule["backendRefs"].as_array());
    let leads = |refs: &&Vec<Value>| refs.iter().any(|backend| backend["name"] == service.as_str());
    let ours = |backend: &&Value| {
        let name = backend["name"].as_str().unwrap_or_default();
        name == service || snapshot.services.iter().any(|one| one.name_any() == name && pinned(one).is_some())
    };
    let first = refs.into_iter().find(leads).into_iter().flatten().filter(ours);
    first
        .map(|backend| {
            let weight = backend["weight"].as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or(1);
            (backend["name"].as_str().unwrap_or_default().to_owned(), weight)
        })
        .collect()
}

/// The same backends, all weight with the Service.
fn silenced(known: &[(String, u16)], service: &str) -> Vec<(String, u16)> {
    let weight = |name: &str| if name == service { Weight::FULL.basis_points() } else { 0 };
    known.iter().map(|(name, _)| (name.clone(), weight(name))).collect()
}

/// The name of a release's own Service.
fn service_name(service: &str, release: &ReleaseId) -> String {
    joined(service, release.as_str(), LABEL)
}

/// A port without what only one Service can have.
fn portable(port: &Value) -> Value {
    let mut port = port.clone();
    if let Some(fields) = port.as_object_mut() {
        fields.shift_remove("nodePort");
    }
    port
}

/// Has every rule that leads to the Service lead to these backends instead, each with its weight; what else the backend says
/// (its port, its filters) stays.
fn divide(route: &mut Value, service: &str, backends: &[(String, u16)]) {
    for rule in route.pointer_mut("/spec/rules").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(refs) = rule.get_mut("backendRefs").and_then(Value::as_array_mut) else { continue };
        let mut divided = Vec::new();
        for backend in refs.drain(..) {
            if backend["name"] != service {
                divided.push(backend);
                continue;
            }
            for (name, weight) in backends {
                let mut one = backend.clone();
                one["name"] = Value::from(name.as_str());
                one["weight"] = Value::from(*weight);
                divided.push(one);
            }
        }
        *refs = divided;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rules_that_lead_to_the_service_are_divided() {
        let mut route = json!({ "spec": { "rules": [
            { "backendRefs": [{ "name": "web", "port": 80 }] },
            { "backendRefs": [{ "name": "other", "port": 81 }] },
            { "filters": [] },
        ] } });
        divide(&mut route, "web", &[("web".to_owned(), 9500), ("web-abc".to_owned(), 500)]);
        let rules = &route["spec"]["rules"];
        assert_eq!(
            rules[0]["backendRefs"],
            json!([{ "name": "web", "port": 80, "weight": 9500 }, { "name": "web-abc", "port": 80, "weight": 500 }])
        );
        assert_eq!(rules[1]["backendRefs"], json!([{ "name": "other", "port": 81 }]));
    }
}
