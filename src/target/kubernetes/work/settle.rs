//! After the promotion: the Deployment takes the candidate's ReplicaSet for its own, and no pod notices.
//!
//! A Deployment knows its present ReplicaSet by the equality of pod templates. So it is held still, given the candidate's
//! template, the two sets change places, and it goes on: what it then finds is what it wants.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::ResourceExt;
use serde_json::{Map, Value, json};

use super::Work;
use super::beside::{all_beside, beside, deployment, owned};
use super::traffic::Lead;
use crate::rollout::ReleaseId;
use crate::target::TargetError;
use crate::target::kubernetes::bundle::{Bundle, Workload};
use crate::target::kubernetes::manifests::Object;
use crate::target::kubernetes::names::{BESIDE, MANAGED_BY, RETIRE_AT, SHARE};
use crate::target::kubernetes::view::{deployment_release, endpoints, template_release};
use crate::target::kubernetes::world::Snapshot;

/// How long the cluster's controllers may take to see a change.
pub(super) const SEEN: Duration = Duration::from_secs(60);

impl Work {
    /// Makes the candidate what the manifests describe: its Services, its router's object, its Deployments, and all that was held back
    /// while the stable release served.
    pub(super) async fn settle(&self, candidate: &ReleaseId, stable: &ReleaseId) -> Result<(), TargetError> {
        let (bundle, former) = (self.bundle(candidate).await?, self.bundle(stable).await?);
        let snapshot = self.snapshot().await?;
        self.lead_services(candidate, &bundle, Lead::To(candidate), &snapshot).await?;
        self.led_to(candidate, &bundle).await?;
        self.calm_route(candidate, &bundle).await?;
        for workload in &bundle.shape().carriers {
            self.hand_over(candidate, &bundle, &former, workload).await?;
        }
        self.apply_held_back(candidate, &bundle, &former).await?;
        self.apply_route(candidate, &bundle).await?;
        self.route_taken(&bundle).await?;
        self.drop_release_service(candidate, &bundle).await
    }

    /// Ends what an earlier run left half done: the live release stands beside the Deployments that should be its own. What they
    /// run instead carries no traffic any more, and goes.
    pub(super) async fn settle_what_was_left(&self, live: &ReleaseId) -> Result<(), TargetError> {
        let (bundle, snapshot) = (self.bundle(live).await?, self.snapshot().await?);
        let is_left = |workload: &Workload| {
            beside(&snapshot, workload, live).is_some() && !is_handed_over(&snapshot, workload, live)
        };
        if !bundle.shape().carriers.iter().any(is_left) {
            return Ok(());
        }
        self.settle(live, live).await?;
        let snapshot = self.snapshot().await?;
        let candidate = self.frame().candidate;
        for (release, sets) in all_beside(&snapshot) {
            let is_wanted =
                candidate.as_ref().is_some_and(|id| id.as_str() == release) || release == live.as_str();
            for set in sets.into_iter().filter(|set| !is_wanted && !set.annotations().contains_key(RETIRE_AT))
            {
                self.end_set(&set.name_any()).await?;
                self.remove_set(&set.name_any()).await?;
            }
        }
        Ok(())
    }

    /// Waits until the Service leads to pods of that release only.
    async fn led_to(&self, release: &ReleaseId, bundle: &Bundle) -> Result<(), TargetError> {
        let Some(service) = &bundle.shape().service else { return Ok(()) };
        let frame = self.frame();
        self.until(&format!("that Service {service} leads to release {release} alone"), SEEN, |snapshot| {
            let led = endpoints(snapshot, &frame, service);
            (!led.is_empty() && led.keys().all(|other| other == release)).then_some(())
        })
        .await
    }

    async fn apply_held_back(
        &self,
        release: &ReleaseId,
        bundle: &Bundle,
        former: &Bundle,
    ) -> Result<(), TargetError> {
        let snapshot = self.snapshot().await?;
        let shape = bundle.shape();
        let objects = self.rendered(release, bundle, Some(release), &snapshot, Some(former));
        let held_back = |object: &&Object| {
            let done =
                shape.carries(object) || shape.router.as_ref().is_some_and(|router| router.is(&object.key));
            !done && former.find(&object.key.kind, &object.key.name).is_some()
        };
        let held_back: Vec<Object> = objects.iter().filter(held_back).cloned().collect();
        self.apply_all(&held_back, self.config.take_over).await
    }

    async fn hand_over(
        &self,
        candidate: &ReleaseId,
        bundle: &Bundle,
        former: &Bundle,
        workload: &Workload,
    ) -> Result<(), TargetError> {
        let snapshot = self.snapshot().await?;
        if is_handed_over(&snapshot, workload, candidate) {
            return Ok(());
        }
        let objects = self.rendered(candidate, bundle, None, &snapshot, Some(former));
        let object =
            objects.into_iter().find(|one| one.key.kind == workload.kind && one.key.name == workload.name);
        let Some(object) = object else { return Ok(()) };
        let name = workload.name.clone();
        if deployment(&snapshot, &name).is_none() {
            self.apply_one(&object).await?;
        }
        self.hold_still(&name).await?;
        let mut held = object.clone();
        if let Some(spec) = held.value["spec"].as_object_mut() {
            spec.shift_remove("strategy");
        }
        self.apply_one(&held).await?;
        let live = self
            .until(&format!("that Deployment {name} is held still"), SEEN, |snapshot| {
                let live = deployment(snapshot, &name)?;
                let is_still = live.spec.as_ref().is_some_and(|spec| spec.paused == Some(true));
                let is_new = deployment_release(live).is_some_and(|label| label == candidate.as_str());
                (is_still && is_new && is_seen(live)).then(|| live.clone())
            })
            .await?;
        self.change_places(candidate, workload, &live).await?;
        self.let_go(&object).await?;
        let applied = self.apply_one(&object).await?;
        let generation = applied.metadata.generation;
        self.until(
            &format!("that Deployment {name} takes the pods of release {candidate}"),
            SEEN,
            |snapshot| {
                let live = deployment(snapshot, &name)?;
                let status = live.status.as_ref()?;
                let seen = status.observed_generation >= generation;
                (seen && is_handed_over(snapshot, workload, candidate)).then_some(())
            },
        )
        .await
    }

    async fn change_places(
        &self,
        candidate: &ReleaseId,
        workload: &Workload,
        live: &Deployment,
    ) -> Result<(), TargetError> {
        let snapshot = self.snapshot().await?;
        let frame = self.frame();
        if let Some(set) = beside(&snapshot, workload, candidate) {
            self.patch_set(&set.name_any(), &taken_in(set, live)).await?;
        }
        for set in owned(&snapshot, &workload.name) {
            if template_release(set).is_some_and(|label| label != candidate.as_str()) {
                let share = format!("{0}/{0}", frame.instances);
                self.patch_set(&set.name_any(), &put_aside(live, &workload.name, &share)).await?;
            }
        }
        Ok(())
    }

    /// Gives a set without replicas back to its Deployment, as a revision of its history.
    pub(super) async fn give_back(&self, set: &ReplicaSet) -> Result<(), TargetError> {
        let snapshot = self.snapshot().await?;
        let workload = set.labels().get(BESIDE).cloned().unwrap_or_default();
        match deployment(&snapshot, &workload) {
            Some(live) => self.patch_set(&set.name_any(), &taken_in(set, live)).await,
            None => self.remove_set(&set.name_any()).await,
        }
    }
}

pub(super) fn is_handed_over(snapshot: &Snapshot, workload: &Workload, candidate: &ReleaseId) -> bool {
    let Some(live) = deployment(snapshot, &workload.name) else { return false };
    let is_new = deployment_release(live).is_some_and(|label| label == candidate.as_str());
    let is_still = live.spec.as_ref().is_some_and(|spec| spec.paused == Some(true));
    let of_candidate =
        |set: &ReplicaSet| template_release(set).is_some_and(|label| label == candidate.as_str());
    is_new && !is_still && owned(snapshot, &workload.name).any(of_candidate)
}

fn is_seen(live: &Deployment) -> bool {
    live.status.as_ref().is_some_and(|status| status.observed_generation >= live.metadata.generation)
}

/// The labels that a Deployment knows its sets by.
fn selected_by(live: &Deployment) -> Vec<String> {
    let selector = live.spec.as_ref().map(|spec| &spec.selector);
    let exact = selector.and_then(|selector| selector.match_labels.as_ref()).into_iter().flatten();
    let other = selector.and_then(|selector| selector.match_expressions.as_ref()).into_iter().flatten();
    exact.map(|(name, _)| name.clone()).chain(other.map(|one| one.key.clone())).collect()
}

/// The change that puts a set beside its Deployment.
pub(super) fn put_aside(live: &Deployment, workload: &str, share: &str) -> Value {
    let mut labels: Map<String, Value> =
        selected_by(live).into_iter().map(|name| (name, Value::Null)).collect();
    labels.insert(BESIDE.to_owned(), Value::from(workload));
    labels.insert(MANAGED_BY.to_owned(), Value::from("tidegate"));
    json!({ "metadata": { "labels": labels, "annotations": { SHARE: share }, "ownerReferences": Value::Null } })
}

/// The change that has a Deployment own a set that stands beside it.
fn taken_in(set: &ReplicaSet, live: &Deployment) -> Value {
    let template =
        set.spec.as_ref().and_then(|spec| spec.template.as_ref()?.metadata.as_ref()?.labels.clone());
    let mut labels: BTreeMap<String, Value> =
        template.unwrap_or_default().into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    labels.insert(BESIDE.to_owned(), Value::Null);
    labels.entry(MANAGED_BY.to_owned()).or_insert(Value::Null);
    json!({
        "metadata": {
            "labels": labels,
            "annotations": {
                SHARE: Value::Null,
                RETIRE_AT: Value::Null,
                "deployment.kubernetes.io/desired-replicas": Value::Null,
                "deployment.kubernetes.io/max-replicas": Value::Null,
            },
            "ownerReferences": [{
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": live.name_any(),
                "uid": live.metadata.uid,
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
    })
}
