//! Taking a release away: drained first, at once or at a stated time.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::beside::all_beside;
use super::traffic::Lead;
use super::{Work, now};
use crate::cluster::{patiently, trouble};
use crate::rollout::{Release, ReleaseId};
use crate::target::TargetError;
use crate::target::kubernetes::apply::told;
use crate::target::kubernetes::names::{MANAGED_BY, RETIRE_AT};

impl Work {
    /// Takes a release away, at once or at a stated time.
    pub(in super::super) async fn retire(
        &self,
        release: &ReleaseId,
        at: Option<Timestamp>,
        _releases: &[&Release],
    ) -> Result<(), TargetError> {
        let frame = self.framed().await;
        if frame.in_place {
            let is_only = frame.stable.is_none() && frame.candidate.as_ref() == Some(release);
            return if is_only { self.remove_all(release).await } else { Ok(()) };
        }
        let goes_forward = frame.stable.as_ref() == Some(release);
        if let (true, Some(candidate)) = (goes_forward, &frame.candidate) {
            self.settle(candidate, release).await?;
        }
        let sets = self.sets_of(release).await?;
        if let (false, Some(stable)) = (goes_forward, &frame.stable) {
            self.restore_own(stable).await?;
            let bundle = self.bundle(stable).await?;
            self.calm_route(stable, &bundle).await?;
            self.apply_route(stable, &bundle).await?;
        }
        if let Some(at) = at {
            for set in &sets {
                self.arrange(set, at).await?;
            }
            let bundle = self.bundle(release).await?;
            return self.drop_release_service(release, &bundle).await;
        }
        for set in &sets {
            self.end_set(&set.name_any()).await?;
        }
        let stays = if goes_forward { &frame.candidate } else { &frame.stable };
        if let Some(stays) = stays {
            self.free_when_alone(stays, release).await?;
        }
        for set in &sets {
            if goes_forward { self.give_back(set).await? } else { self.remove_set(&set.name_any()).await? }
        }
        Ok(())
    }

    async fn sets_of(&self, release: &ReleaseId) -> Result<Vec<ReplicaSet>, TargetError> {
        let snapshot = self.snapshot().await?;
        let sets = all_beside(&snapshot).remove(release.as_str()).unwrap_or_default();
        Ok(sets.into_iter().cloned().collect())
    }

    /// Lets the Services lead to all pods again, as they are written, once those of one release are all there are.
    async fn free_when_alone(&self, stays: &ReleaseId, goes: &ReleaseId) -> Result<(), TargetError> {
        let snapshot = self.snapshot().await?;
        let others = all_beside(&snapshot);
        let alone = others.keys().all(|other| other == goes.as_str());
        let bundle = self.bundle(stays).await?;
        if alone {
            self.lead_services(stays, &bundle, Lead::All, &snapshot).await?;
        }
        self.drop_release_service(goes, &bundle).await
    }

    /// Arranges that a set goes at a stated time, though nobody will be there: the set is made to belong to a Job that has
    /// nothing to do and is over at once, and that the cluster removes, with what belongs to it, when its time to live is over.
    async fn arrange(&self, set: &ReplicaSet, at: Timestamp) -> Result<(), TargetError> {
        let name = timer(&set.name_any());
        let seconds = at.duration_since(now()).as_secs().max(1);
        let mut labels = self.home.labels();
        labels.insert(MANAGED_BY.to_owned(), "tidegate".to_owned());
        let job: Job = serde_json::from_value(json!({
            "metadata": { "name": name, "labels": labels, "annotations": { RETIRE_AT: at } },
            "spec": {
                "completions": 0,
                "parallelism": 0,
                "ttlSecondsAfterFinished": seconds,
                "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "none", "image": "none" }] } },
            },
        }))
        .map_err(|error| TargetError {
            code: "refused",
            sentence: format!("Job {name} cannot be described: {error}"),
            hint: None,
            fatal: true,
        })?;
        let (api, options) = (self.api::<Job>(), PostParams::default());
        let failed = |error: &kube::Error| told(trouble("create", &format!("Job {name}"), error));
        let made = match patiently(|| api.create(&options, &job)).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                patiently(|| api.get(&name)).await.map_err(|error| failed(&error))?
            }
            made => made.map_err(|error| failed(&error))?,
        };
        let change = json!({
            "metadata": {
                "annotations": { RETIRE_AT: at },
                "ownerReferences": [{
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": name,
                    "uid": made.metadata.uid,
                    "controller": false,
                }],
            },
        });
        self.patch_set(&set.name_any(), &change).await
    }

    /// Takes an arranged end back.
    pub(super) async fn forget_timer(&self, set: &str) -> Result<(), TargetError> {
        let (api, name) = (self.api::<Job>(), timer(set));
        let options = DeleteParams {
            propagation_policy: Some(kube::api::PropagationPolicy::Orphan),
            ..DeleteParams::default()
        };
        match patiently(|| api.delete(&name, &options)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => other.map(drop).map_err(|error| told(trouble("remove", &format!("Job {name}"), &error))),
        }
    }
}

fn timer(set: &str) -> String {
    crate::target::kubernetes::names::joined(set, "timer", 63)
}
