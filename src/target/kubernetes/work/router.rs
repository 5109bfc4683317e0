//! Dividing the traffic by a router, and having its objects as they are written afterwards.

use kube::ResourceExt;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Work;
use super::settle::SEEN;
use super::traffic::Lead;
use crate::rollout::{ReleaseId, Weight};
use crate::target::TargetError;
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::manifests::{Key, Object};
use crate::target::kubernetes::names::{MANAGED_BY, RELEASE, joined};
use crate::target::kubernetes::router::{Backend, Division, Router};
use crate::target::kubernetes::view::pinned;
use crate::target::kubernetes::world::Snapshot;

/// The longest name of a Service (RFC 1035 label).
const LABEL: usize = 63;

impl Work {
    /// Shares by weight: the Service leads to the release that it is held to, and each other release has a Service of its own
    /// for the time of the rollout. All for one release is the Service's own matter.
    ///
    /// A router may learn of an object before it learns of what that leads to, and forget in the other order: so a backend comes
    /// and goes with the weight 0.
    pub(super) async fn weigh(
        &self,
        router: &Router,
        stable: &ReleaseId,
        bundle: &Bundle,
        shares: &[(&ReleaseId, Weight)],
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        let name = bundle.shape().service.as_deref().unwrap_or_default();
        let live = snapshot.services.iter().find(|service| service.name_any() == name);
        let held = live.and_then(|service| pinned(service)).unwrap_or_else(|| stable.clone());
        let known = backends(router, snapshot, name);
        if let [(only, _)] = shares {
            if **only != held {
                self.lead_services(stable, bundle, Lead::To(only), snapshot).await?;
            }
            let leads_away = |backend: &Backend| {
                backend.weight > Weight::ZERO && backend.release.as_ref().is_some_and(|of| of != *only)
            };
            if known.iter().any(leads_away) {
                self.apply_divided(stable, bundle, snapshot, &silenced(&known)).await?;
            }
            return Ok(());
        }
        let mut wanted = vec![Backend { service: name.to_owned(), release: None, weight: Weight::ZERO }];
        for (release, weight) in shares {
            if **release == held {
                wanted[0].weight = *weight;
            } else {
                wanted.push(own(name, release, *weight));
            }
        }
        let is_new = |backend: &Backend| !known.iter().any(|other| other.service == backend.service);
        if wanted.iter().skip(1).any(is_new) {
            for (release, _) in shares.iter().filter(|(release, _)| **release != held) {
                self.announce(stable, bundle, release, snapshot).await?;
            }
            self.route_taken(bundle).await?;
            sleep(router.kind.settles()).await;
        }
        self.apply_divided(stable, bundle, snapshot, &wanted).await
    }

    /// Tells the router of a release that will have a share of the traffic, and has none yet.
    pub(super) async fn announce(
        &self,
        stable: &ReleaseId,
        bundle: &Bundle,
        release: &ReleaseId,
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        let shape = bundle.shape();
        let (Some(router), Some(name)) = (&shape.router, &shape.service) else { return Ok(()) };
        let own = own(name, release, Weight::ZERO);
        if backends(router, snapshot, name).iter().any(|known| known.service == own.service) {
            return Ok(());
        }
        self.release_service(release, bundle).await?;
        let all = Backend { service: name.clone(), release: None, weight: Weight::FULL };
        self.apply_divided(stable, bundle, snapshot, &[all, own]).await
    }

    /// Has the router lead to the Service alone, by weight: what it led to besides may go when its object is as it is written.
    pub(super) async fn calm_route(&self, release: &ReleaseId, bundle: &Bundle) -> Result<(), TargetError> {
        let shape = bundle.shape();
        let (Some(router), Some(name)) = (&shape.router, &shape.service) else { return Ok(()) };
        let snapshot = self.snapshot().await?;
        let known = backends(router, &snapshot, name);
        if known.iter().any(|backend| backend.release.is_some() && backend.weight > Weight::ZERO) {
            self.apply_divided(release, bundle, &snapshot, &silenced(&known)).await?;
            self.route_taken(bundle).await?;
            sleep(router.kind.settles()).await;
        }
        Ok(())
    }

    /// Waits until the router says that it has taken its object as it is now.
    pub(super) async fn route_taken(&self, bundle: &Bundle) -> Result<(), TargetError> {
        let Some(router) = &bundle.shape().router else { return Ok(()) };
        self.until(&format!("that the gateway takes {router}"), SEEN, |snapshot| {
            router.is_accepted(&snapshot.routes).then_some(())
        })
        .await
    }

    /// Applies the router's object of a release's manifests as it is written.
    pub(super) async fn apply_route(
        &self,
        manifests_of: &ReleaseId,
        bundle: &Bundle,
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        let Some((_, written)) = self.written(manifests_of, bundle, snapshot) else { return Ok(()) };
        self.apply_one(&written).await.map(drop)
    }

    /// Applies the router's object of a release's manifests with other backends in place of the Service.
    async fn apply_divided(
        &self,
        manifests_of: &ReleaseId,
        bundle: &Bundle,
        snapshot: &Snapshot,
        backends: &[Backend],
    ) -> Result<(), TargetError> {
        let Some((router, written)) = self.written(manifests_of, bundle, snapshot) else { return Ok(()) };
        let (rules, candidate) = (self.config.traffic.rules(), self.frame().candidate);
        let division = Division {
            service: bundle.shape().service.as_deref().unwrap_or_default(),
            backends,
            rules: &rules,
            candidate: candidate.as_ref(),
        };
        for object in router.divided(&written, &division) {
            self.apply_one(&object).await?;
        }
        Ok(())
    }

    /// The router and its object as the manifests of a release have it.
    fn written<'a>(
        &self,
        manifests_of: &ReleaseId,
        bundle: &'a Bundle,
        snapshot: &Snapshot,
    ) -> Option<(&'a Router, Object)> {
        let router = bundle.shape().router.as_ref()?;
        let objects = self.rendered(manifests_of, bundle, None, snapshot, Some(bundle));
        Some((router, objects.into_iter().find(|one| router.is(&one.key))?))
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

/// What the router leads to now in place of the Service: that, and Services of releases.
fn backends(router: &Router, snapshot: &Snapshot, service: &str) -> Vec<Backend> {
    let shares = router.shares(&snapshot.routes, service).unwrap_or_default();
    let all: u64 = shares.iter().map(|(_, weight)| weight).sum();
    let ours = |(name, weight): (String, u64)| {
        let live = snapshot.services.iter().find(|one| one.name_any() == name);
        let release = live.and_then(|service| pinned(service)).filter(|_| name != service);
        // A share that is not nothing must not be rounded away.
        let points = if weight == 0 { 0 } else { (weight * 10_000 / all).max(1) };
        let weight = Weight::from_basis_points(u16::try_from(points).unwrap_or(10_000));
        (name == service || release.is_some()).then_some(Backend { service: name, release, weight })
    };
    shares.into_iter().filter_map(ours).collect()
}

/// The same backends, all weight with the Service.
fn silenced(known: &[Backend]) -> Vec<Backend> {
    let weight = |backend: &Backend| if backend.release.is_none() { Weight::FULL } else { Weight::ZERO };
    known.iter().map(|backend| Backend { weight: weight(backend), ..backend.clone() }).collect()
}

/// The backend of a release's own Service.
fn own(service: &str, release: &ReleaseId, weight: Weight) -> Backend {
    Backend { service: service_name(service, release), release: Some(release.clone()), weight }
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
