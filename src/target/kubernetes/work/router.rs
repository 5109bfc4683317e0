//! Dividing the traffic by a router, and having its objects as they are written afterwards.

use kube::ResourceExt;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Work;
use super::settle::SEEN;
use super::traffic::{Lead, is_led_alone};
use crate::rollout::{ReleaseId, Weight};
use crate::target::TargetError;
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::manifests::{Key, Object};
use crate::target::kubernetes::names::{MANAGED_BY, RELEASE, service_of};
use crate::target::kubernetes::router::{Backend, Division, Router};
use crate::target::kubernetes::view::pinned;
use crate::target::kubernetes::world::Snapshot;

impl Work {
    /// Shares by weight: the Service leads to the release that it is held to, and each other release has a Service of its own
    /// for the time of the rollout. All for one release is the Service's own matter.
    ///
    /// A router may learn of an object before it learns of what that leads to, and forget in the other order: so a backend comes
    /// and goes with the weight 0. The last change is not waited for here: whether it is in force is seen.
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
            if **only != held && !is_led_alone(snapshot, bundle, only) {
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
            self.arrived(bundle).await?;
        }
        self.apply_divided(stable, bundle, &self.snapshot().await?, &wanted).await
    }

    /// Makes what a release that will have a share is led to by. A router that says what it has taken is told of it at once; the
    /// others not before it has pods that are ready: some of them do not bear a Service without any.
    pub(super) async fn prepare(
        &self,
        stable: &ReleaseId,
        bundle: &Bundle,
        release: &ReleaseId,
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        match &bundle.shape().router {
            Some(router) if router.kind.answers() => self.announce(stable, bundle, release, snapshot).await,
            Some(router) => {
                let service = bundle.shape().service.as_deref().unwrap_or_default();
                let written = self.written(stable, bundle, snapshot);
                // What nobody brought yet lacks the environment's labels, by which it is seen.
                let unseen = written.filter(|_| router.shares(&snapshot.routes, service).is_none());
                if let Some((_, written)) = unseen {
                    self.apply_one(&written).await?;
                }
                self.release_service(release, bundle).await
            }
            None => Ok(()),
        }
    }

    /// Tells the router of a release that will have a share of the traffic, and has none yet.
    async fn announce(
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
        let is_there = snapshot.services.iter().any(|one| one.name_any() == own.service);
        self.release_service(release, bundle).await?;
        if !router.kind.answers() && !is_there {
            sleep(self.config.traffic.settles()).await;
        }
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
            self.arrived(bundle).await?;
        }
        Ok(())
    }

    /// Waits until the router says that it has taken its object as it is now; of one that says nothing, until it is there.
    pub(super) async fn route_taken(&self, bundle: &Bundle) -> Result<(), TargetError> {
        let Some(router) = &bundle.shape().router else { return Ok(()) };
        self.until(&format!("that the gateway takes {router}"), SEEN, |snapshot| {
            router.is_accepted(&snapshot.routes).then_some(())
        })
        .await
    }

    /// Waits until the router has taken its object, by its own word if it gives one, and has brought it everywhere.
    async fn arrived(&self, bundle: &Bundle) -> Result<(), TargetError> {
        self.route_taken(bundle).await?;
        sleep(self.config.traffic.settles()).await;
        Ok(())
    }

    /// Applies the router's object of a release's manifests as it is written, and removes what was there for the rollout only.
    pub(super) async fn apply_route(
        &self,
        manifests_of: &ReleaseId,
        bundle: &Bundle,
    ) -> Result<(), TargetError> {
        let snapshot = self.snapshot().await?;
        let Some((router, written)) = self.written(manifests_of, bundle, &snapshot) else { return Ok(()) };
        let service = bundle.shape().service.as_deref().unwrap_or_default();
        let was_divided = backends(router, &snapshot, service).iter().any(|one| one.release.is_some());
        self.apply_one(&written).await?;
        if was_divided && !router.kind.answers() && !router.kind.is_beside() {
            sleep(self.config.traffic.settles()).await;
        }
        let helpers = router.helpers(&snapshot.routes);
        for helper in &helpers {
            self.applier.remove(helper).await?;
        }
        if router.kind.is_beside() && !helpers.is_empty() {
            sleep(self.config.traffic.settles()).await;
        }
        Ok(())
    }

    /// Applies the router's object of a release's manifests with other backends in place of the Service, and what else it needs
    /// for that: first what is led to, then what leads there.
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
            namespace: &self.config.namespace,
            labels: &self.home.labels(),
        };
        let settles = self.config.traffic.settles();
        let wanted = router.divided(&written, &division);
        if router.kind.is_beside() {
            // There can be one beside the user's object.
            self.remove_others(router, &wanted, snapshot).await?;
        }
        for (place, object) in wanted.iter().enumerate() {
            let before = snapshot.routes.find(&object.key.kind, &object.key.name);
            let applied = self.apply_one(object).await?;
            if !router.kind.answers() {
                self.settle_change(before, &applied);
            }
            if before.is_none() && place + 1 < wanted.len() {
                sleep(settles).await;
            }
        }
        if router.kind.is_beside() || others(router, &wanted, snapshot).next().is_none() {
            return Ok(());
        }
        sleep(settles).await;
        self.remove_others(router, &wanted, snapshot).await
    }

    /// Removes what an earlier rollout left and this one does not need.
    async fn remove_others(
        &self,
        router: &Router,
        wanted: &[Object],
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        for helper in others(router, wanted, snapshot) {
            self.applier.remove(&helper).await?;
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
        let new = service_of(name, release);
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
        let key = Key { name: service_of(name, release), ..own.key.clone() };
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

/// What is there for the time of a rollout and not wanted in this one.
fn others(router: &Router, wanted: &[Object], snapshot: &Snapshot) -> impl Iterator<Item = Key> {
    let is_wanted = |key: &Key| wanted.iter().any(|one| one.key.kind == key.kind && one.key.name == key.name);
    router.helpers(&snapshot.routes).into_iter().filter(move |key| !is_wanted(key))
}

/// The same backends, all weight with the Service.
fn silenced(known: &[Backend]) -> Vec<Backend> {
    let weight = |backend: &Backend| if backend.release.is_none() { Weight::FULL } else { Weight::ZERO };
    known.iter().map(|backend| Backend { weight: weight(backend), ..backend.clone() }).collect()
}

/// The backend of a release's own Service.
fn own(service: &str, release: &ReleaseId, weight: Weight) -> Backend {
    Backend { service: service_of(service, release), release: Some(release.clone()), weight }
}

/// A port without what only one Service can have.
fn portable(port: &Value) -> Value {
    let mut port = port.clone();
    if let Some(fields) = port.as_object_mut() {
        fields.shift_remove("nodePort");
    }
    port
}
