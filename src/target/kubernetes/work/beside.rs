//! Beside: a release's ReplicaSet next to the Deployment, which does not know of it.
//!
//! A Deployment takes every ReplicaSet for its own whose labels its selector matches and that nobody owns. One that stands
//! beside therefore lacks those labels itself; its pods have them.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::Work;
use super::settle::put_aside;
use super::still::strategy_of;
use crate::cluster::{patiently, trouble};
use crate::rollout::ReleaseId;
use crate::target::TargetError;
use crate::target::kubernetes::apply::job::is_job;
use crate::target::kubernetes::apply::told;
use crate::target::kubernetes::bundle::{Bundle, Workload};
use crate::target::kubernetes::manifests::Object;
use crate::target::kubernetes::names::{BESIDE, MANAGED_BY, RELEASE, RETIRE_AT, SHARE, joined};
use crate::target::kubernetes::preview::trial;
use crate::target::kubernetes::view::{is_owned, replicas, template_release, wanted};
use crate::target::kubernetes::world::Snapshot;

/// The least time that a pod of a set beside must have been ready, in seconds.
const STEADY: i64 = 2;
/// How long pods may take until they are on their way out.
const ENDED: Duration = Duration::from_secs(60);

/// Kinds that lead traffic or decide on numbers of pods: as long as a stable release serves, they stay as it wants them.
const SHARED: [&str; 8] = [
    "Service",
    "HTTPRoute",
    "Ingress",
    "IngressRoute",
    "TraefikService",
    "VirtualService",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
];

impl Work {
    /// Has `instances` instances of a release beside the Deployments.
    pub(super) async fn stand_beside(
        &self,
        release: &ReleaseId,
        bundle: &Bundle,
        instances: u32,
    ) -> Result<(), TargetError> {
        let frame = self.framed().await;
        if let Some(stable) = &frame.stable {
            self.settle_what_was_left(stable).await?;
        }
        let snapshot = self.snapshot().await?;
        let stable = match &frame.stable {
            Some(stable) => Some((stable.clone(), self.bundle(stable).await?)),
            None => None,
        };
        self.apply_own(release, bundle, stable.as_ref().map(|(_, bundle)| &**bundle), &snapshot).await?;
        if let (Some((stable, _)), Some((leader, of_leader))) = (&stable, self.leader().await?) {
            self.hold_services(&leader, &of_leader, stable, &snapshot).await?;
            if frame.divides {
                self.prepare(&leader, &of_leader, release, &snapshot).await?;
            }
        }
        for workload in &bundle.shape().carriers {
            let live = deployment(&snapshot, &workload.name);
            let all = live.map_or(workload.replicas, wanted);
            let wanted = replicas(instances, frame.instances, all);
            let share = format!("{instances}/{}", frame.instances);
            match beside(&snapshot, workload, release) {
                Some(set) => {
                    self.resize(&set.name_any(), wanted, &share).await?;
                    if set.annotations().contains_key(RETIRE_AT) {
                        self.forget_timer(&set.name_any()).await?;
                    }
                }
                None if owns(&snapshot, workload, release) => {}
                None => {
                    let object = self.deployment_object(release, bundle, workload, &snapshot)?;
                    let (tried, _) = trial(&object, live.and_then(strategy_of));
                    let would_be = self.applier.rehearse(&tried, self.config.take_over).await?;
                    let spec = &would_be.data["spec"];
                    if !self.take_from_history(&snapshot, release, workload, spec, (wanted, &share)).await? {
                        self.make_set(release, workload, &object, spec, (wanted, &share)).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Applies what the release has for itself: its configuration, its other workloads, and all that is new.
    async fn apply_own(
        &self,
        release: &ReleaseId,
        bundle: &Bundle,
        stable: Option<&Bundle>,
        snapshot: &Snapshot,
    ) -> Result<(), TargetError> {
        let objects = self.rendered(release, bundle, Some(release), snapshot, stable);
        let returns = self.frame().returns;
        let is_own = |object: &&Object| {
            let shared = SHARED.contains(&object.key.kind.as_str())
                && stable.is_some_and(|stable| stable.find(&object.key.kind, &object.key.name).is_some());
            // A release that was here before has done then what its Jobs do.
            let is_done = returns && is_job(&object.key);
            !shared && !bundle.shape().carries(object) && !is_done
        };
        let own: Vec<Object> = objects.iter().filter(is_own).cloned().collect();
        self.apply_all(&own, self.config.take_over).await
    }

    /// Gives back what a release that is taken away had changed for all.
    pub(super) async fn restore_own(&self, stable: &ReleaseId) -> Result<(), TargetError> {
        let (bundle, snapshot) = (self.bundle(stable).await?, self.snapshot().await?);
        let objects = self.rendered(stable, &bundle, Some(stable), &snapshot, Some(&bundle));
        // What its Jobs did they did when it came; on the way back nothing is done twice.
        let is_own = |object: &&Object| {
            let shared = SHARED.contains(&object.key.kind.as_str());
            !shared && !bundle.shape().carries(object) && !is_job(&object.key)
        };
        let own: Vec<Object> = objects.iter().filter(is_own).cloned().collect();
        self.apply_all(&own, true).await
    }

    /// The Deployment of a release as it would be applied.
    pub(super) fn deployment_object(
        &self,
        release: &ReleaseId,
        bundle: &Bundle,
        workload: &Workload,
        snapshot: &Snapshot,
    ) -> Result<Object, TargetError> {
        let objects = self.rendered(release, bundle, None, snapshot, Some(bundle));
        let found = objects
            .into_iter()
            .find(|object| object.key.kind == workload.kind && object.key.name == workload.name);
        found.ok_or_else(|| TargetError {
            code: "release-damaged",
            sentence: format!("release {release} has no {workload} among its objects"),
            hint: None,
            fatal: true,
        })
    }

    /// A release that was here before has left a set in the Deployment's history. Of two sets with the same pods the Deployment
    /// would take the older one for its own: so that one is used again. Tells whether there was one.
    async fn take_from_history(
        &self,
        snapshot: &Snapshot,
        release: &ReleaseId,
        workload: &Workload,
        spec: &Value,
        (replicas, share): (u32, &str),
    ) -> Result<bool, TargetError> {
        let Some(live) = deployment(snapshot, &workload.name) else { return Ok(false) };
        let mut taken = false;
        for set in snapshot.replica_sets.iter().filter(|set| is_owned(&set.metadata, live)) {
            if template_release(set).is_none_or(|label| label != release.as_str()) {
                continue;
            }
            if taken || !self.has_pods_of(set, &spec["template"]).await? {
                self.remove_set(&set.name_any()).await?;
                continue;
            }
            let mut aside = put_aside(live, &workload.name, share);
            aside["spec"]["minReadySeconds"] = Value::from(steady(spec));
            self.patch_set(&set.name_any(), &aside).await?;
            self.resize(&set.name_any(), replicas, share).await?;
            taken = true;
        }
        Ok(taken)
    }

    /// Whether a set makes the pods of that template. The label with the template's hash is the Deployment controller's.
    async fn has_pods_of(&self, set: &ReplicaSet, template: &Value) -> Result<bool, TargetError> {
        let (sets, name) = (self.api::<ReplicaSet>(), set.name_any());
        let found = patiently(|| sets.get_opt(&name)).await;
        let found = found.map_err(|error| told(trouble("read", &format!("ReplicaSet {name}"), &error)))?;
        let Some(mut own) = found.and_then(|set| set.spec?.template) else { return Ok(false) };
        let labels = own.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut());
        labels.and_then(|labels| labels.remove("pod-template-hash"));
        Ok(serde_json::from_value::<PodTemplateSpec>(template.clone()).is_ok_and(|template| template == own))
    }

    /// Makes the ReplicaSet of a release: its pods are those that the Deployment would make of the release's manifest, by the
    /// API server's own word (`spec`), so that the Deployment will know them for its own later.
    async fn make_set(
        &self,
        release: &ReleaseId,
        workload: &Workload,
        object: &Object,
        spec: &Value,
        (replicas, share): (u32, &str),
    ) -> Result<(), TargetError> {
        let mut selector = spec["selector"].clone();
        if !selector["matchLabels"].is_object() {
            selector["matchLabels"] = json!({});
        }
        selector["matchLabels"][RELEASE] = Value::from(release.as_str());
        let mut labels = self.home.labels();
        labels.insert(RELEASE.to_owned(), release.to_string());
        labels.insert(BESIDE.to_owned(), workload.name.clone());
        labels.insert(MANAGED_BY.to_owned(), "tidegate".to_owned());
        let name = set_name(&workload.name, release);
        let set: ReplicaSet = serde_json::from_value(json!({
            "metadata": { "name": name, "labels": labels, "annotations": { SHARE: share } },
            "spec": {
                "replicas": replicas,
                "minReadySeconds": steady(spec),
                "selector": selector,
                "template": spec["template"],
            },
        }))
        .map_err(|error| TargetError {
            code: "invalid",
            sentence: format!("{} ({}) cannot be read back: {error}", object.key, object.source),
            hint: None,
            fatal: true,
        })?;
        let (api, options) = (self.api::<ReplicaSet>(), PostParams::default());
        match patiently(|| api.create(&options, &set)).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => other
                .map(drop)
                .map_err(|error| told(trouble("create", &format!("ReplicaSet {name}"), &error))),
        }
    }

    /// Sets the number of a set's replicas, and takes back its arranged end.
    pub(super) async fn resize(&self, name: &str, replicas: u32, share: &str) -> Result<(), TargetError> {
        let change = json!({
            "metadata": {
                "annotations": { SHARE: share, RETIRE_AT: Value::Null },
                "ownerReferences": Value::Null,
            },
            "spec": { "replicas": replicas },
        });
        self.patch_set(name, &change).await
    }

    pub(super) async fn patch_set(&self, name: &str, change: &Value) -> Result<(), TargetError> {
        let (api, options, patch) = (self.api::<ReplicaSet>(), PatchParams::default(), Patch::Merge(change));
        let patched = patiently(|| api.patch(name, &options, &patch)).await;
        patched.map(drop).map_err(|error| told(trouble("change", &format!("ReplicaSet {name}"), &error)))
    }

    /// Ends the pods of a set, and waits until each of them is on its way out.
    pub(super) async fn end_set(&self, name: &str) -> Result<(), TargetError> {
        self.patch_set(name, &json!({ "spec": { "replicas": 0 } })).await?;
        self.until(&format!("the end of ReplicaSet {name}"), ENDED, |snapshot| {
            let set = snapshot.replica_sets.iter().find(|set| set.name_any() == name);
            let left = set.and_then(|set| set.status.as_ref()).map_or(0, |status| status.replicas);
            let told = set.is_none_or(|set| {
                let seen = set.status.as_ref().and_then(|status| status.observed_generation);
                seen >= set.metadata.generation && set.spec.as_ref().and_then(|spec| spec.replicas) == Some(0)
            });
            (left == 0 && told).then_some(())
        })
        .await
    }

    pub(super) async fn remove_set(&self, name: &str) -> Result<(), TargetError> {
        let (api, options) = (self.api::<ReplicaSet>(), DeleteParams::background());
        match patiently(|| api.delete(name, &options)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => other
                .map(drop)
                .map_err(|error| told(trouble("remove", &format!("ReplicaSet {name}"), &error))),
        }
    }
}

/// How long a pod must have been ready before it counts, in seconds: as long as the Deployment says, and long enough that one
/// which is ready for a moment and then dies is not let in. The Deployment sets its own again when it takes the set.
fn steady(spec: &Value) -> i64 {
    spec["minReadySeconds"].as_i64().unwrap_or_default().max(STEADY)
}

/// The name of the set of a release beside a Deployment.
pub(super) fn set_name(workload: &str, release: &ReleaseId) -> String {
    joined(workload, release.as_str(), 200)
}

pub(super) fn deployment<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Deployment> {
    snapshot.deployments.iter().find(|one| one.name_any() == name).map(AsRef::as_ref)
}

/// The set of a release that stands beside a Deployment.
pub(super) fn beside<'a>(
    snapshot: &'a Snapshot,
    workload: &Workload,
    release: &ReleaseId,
) -> Option<&'a ReplicaSet> {
    let sets = snapshot.replica_sets.iter().map(AsRef::as_ref);
    let of_workload = sets.filter(|set: &&ReplicaSet| set.labels().get(BESIDE) == Some(&workload.name));
    of_workload.into_iter().find(|set| template_release(set).is_some_and(|label| label == release.as_str()))
}

/// Whether the Deployment runs that release itself.
fn owns(snapshot: &Snapshot, workload: &Workload, release: &ReleaseId) -> bool {
    owned(snapshot, &workload.name)
        .any(|set| template_release(set).is_some_and(|label| label == release.as_str()))
}

/// The sets with replicas that a Deployment owns.
pub(super) fn owned<'a>(snapshot: &'a Snapshot, name: &str) -> impl Iterator<Item = &'a ReplicaSet> {
    let live = deployment(snapshot, name);
    let sets = snapshot.replica_sets.iter().map(AsRef::as_ref);
    sets.filter(move |set: &&ReplicaSet| {
        let has_any = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default() > 0;
        has_any && live.is_some_and(|live| is_owned(&set.metadata, live))
    })
}

/// All sets that stand beside, by release.
pub(super) fn all_beside(snapshot: &Snapshot) -> BTreeMap<String, Vec<&ReplicaSet>> {
    let mut all: BTreeMap<String, Vec<&ReplicaSet>> = BTreeMap::new();
    for set in snapshot.replica_sets.iter().filter(|set| set.labels().contains_key(BESIDE)) {
        if let Some(release) = template_release(set) {
            all.entry(release.clone()).or_default().push(set);
        }
    }
    all
}
