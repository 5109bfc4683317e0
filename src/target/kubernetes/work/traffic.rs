//! Dividing the traffic: by the selector of Services, by numbers of instances, or by a router.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::ResourceExt;
use serde_json::Value;

use super::Work;
use super::beside::{all_beside, beside, deployment};
use super::settle::is_handed_over;
use crate::rollout::{Release, ReleaseId, Weight};
use crate::target::TargetError;
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::manifests::Object;
use crate::target::kubernetes::names::SPLIT;
use crate::target::kubernetes::view::{beside_wanted, pinned, wanted};
use crate::target::kubernetes::world::Snapshot;

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

/// Whether the Services lead to all pods, and those are of one release: then they lead there already, and a Service that was let go once the others
/// were gone is not held again by a look from before that.
pub(super) fn is_led_alone(snapshot: &Snapshot, bundle: &Bundle, only: &ReleaseId) -> bool {
    let shape = bundle.shape();
    let is_open = |name: &String| {
        let live = snapshot.services.iter().find(|service| service.name_any() == *name);
        live.is_some_and(|live| pinned(live).is_none() && !live.annotations().contains_key(SPLIT))
    };
    let has_pods = |set: &ReplicaSet| set.spec.as_ref().and_then(|spec| spec.replicas) != Some(0);
    let mut others = all_beside(snapshot).into_values().flatten();
    shape.services.iter().all(is_open)
        && shape.carriers.iter().all(|workload| is_handed_over(snapshot, workload, only))
        && !others.any(has_pods)
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
        match (bundle.shape().router.as_ref(), shares.as_slice()) {
            (Some(router), _) => self.weigh(router, &leader, &bundle, &shares, &snapshot).await,
            (None, [(only, _)]) if is_led_alone(&snapshot, &bundle, only) => Ok(()),
            (None, [(only, _)]) => self.lead_services(&leader, &bundle, Lead::To(only), &snapshot).await,
            (None, _) => self.divide_by_number(&leader, &bundle, &shares, &snapshot).await,
        }
    }

    /// The release whose Service and router's object lead the traffic during a rollout: the stable one, unless it did not have them yet.
    pub(super) async fn leader(&self) -> Result<Option<(ReleaseId, Arc<Bundle>)>, TargetError> {
        let frame = self.framed().await;
        let both = [&frame.stable, &frame.candidate].into_iter().flatten();
        for release in both {
            let bundle = self.bundle(release).await?;
            let shape = bundle.shape();
            let leads = shape.service == frame.shape.service && shape.router == frame.shape.router;
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
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::target::kubernetes::manifests::parse;
    use crate::target::kubernetes::names::{BESIDE, RELEASE};
    use crate::target::kubernetes::{KubernetesConfig, Traffic};

    const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec: { selector: { matchLabels: { app: shop } }, template: { metadata: { labels: { app: shop } }, spec: { containers: [{ name: a, image: b }] } } }
---
{ apiVersion: v1, kind: Service, metadata: { name: shop }, spec: { selector: { app: shop }, ports: [{ port: 80 }] } }
";

    fn object<T: serde::de::DeserializeOwned>(value: Value) -> Arc<T> {
        Arc::new(serde_json::from_value(value).unwrap())
    }

    /// A set of a release: owned by the Deployment, or beside it.
    fn set(release: &str, replicas: u32, is_beside: bool) -> Arc<ReplicaSet> {
        let owner = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": "d", "controller": true }]);
        let (labels, owner) =
            if is_beside { (json!({ BESIDE: "shop" }), Value::Null) } else { (json!({}), owner) };
        object(json!({
            "metadata": { "name": format!("shop-{release}"), "labels": labels, "ownerReferences": owner },
            "spec": { "replicas": replicas, "selector": {}, "template": { "metadata": { "labels": { RELEASE: release } } } },
        }))
    }

    /// What is seen once `release` is the Deployment's own.
    fn seen(release: &str, pin: Option<&str>) -> Snapshot {
        let mut selector = json!({ "app": "shop" });
        if let Some(pin) = pin {
            selector[RELEASE] = json!(pin);
        }
        let template = json!({ "metadata": { "labels": { RELEASE: release } } });
        Snapshot {
            deployments: vec![object(json!({
                "metadata": { "name": "shop", "uid": "d" },
                "spec": { "selector": {}, "template": template },
            }))],
            services: vec![object(
                json!({ "metadata": { "name": "shop" }, "spec": { "selector": selector } }),
            )],
            replica_sets: vec![set(release, 2, false)],
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_service_that_was_let_go_is_not_held_again_by_a_look_from_before() {
        let config = KubernetesConfig {
            app: "shop".into(),
            environment: "production".into(),
            namespace: "shop".into(),
            traffic: Traffic::Service { name: None },
            take_over: false,
            drain: std::time::Duration::ZERO,
            graces: Default::default(),
            url: None,
            counts: Default::default(),
        };
        let bundle = Bundle::new(parse(Path::new("shop.yaml"), SHOP).unwrap(), &config).unwrap();
        let new = ReleaseId::new("new");
        let alone = |snapshot: &Snapshot| is_led_alone(snapshot, &bundle, &new);
        let with = |more: Arc<ReplicaSet>| {
            let mut snapshot = seen("new", None);
            snapshot.replica_sets.push(more);
            snapshot
        };
        assert!(alone(&seen("new", None)));
        assert!(alone(&with(set("old", 0, true))), "one without pods is on its way out");
        // Whoever else has pods could get in.
        assert!(!alone(&with(set("old", 1, true))));
        assert!(!alone(&seen("old", None)), "the pods are another's");
        assert!(!alone(&seen("new", Some("new"))) && !alone(&seen("new", Some("old"))), "it is held");
    }
}
