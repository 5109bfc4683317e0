//! One look: what the watches show, in the core's words.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kube::ResourceExt;

use super::{Work, now};
use crate::rollout::{Observation, ReleaseId, Trouble};
use crate::target::TargetError;
use crate::target::kubernetes::diagnose::{Cause, Gravity};
use crate::target::kubernetes::names::MANAGED_BY;
use crate::target::kubernetes::view::{Frame, deployment_release, view};
use crate::target::kubernetes::world::Snapshot;

/// How long a change by time alone is waited for.
const SOON: Duration = Duration::from_millis(500);

impl Work {
    pub(in super::super) async fn observe(
        &self,
        newer_than: Option<u64>,
        patience: Duration,
    ) -> Result<Observation, TargetError> {
        let soon = self.look_soon.load(Ordering::Relaxed);
        let patience = if soon { patience.min(SOON) } else { patience };
        let (generation, snapshot) = self.world().look(newer_than, patience).await?;
        let mut frame = self.framed().await;
        if frame.candidate.is_none() {
            frame = self.frame_of_what_is_there(&snapshot).await;
        }
        self.keep_shares(&snapshot, &frame).await;
        frame.scaling_up = self.is_scaling_up(&snapshot).await;
        frame.settling = self.is_settling();
        let seen = view(&snapshot, &frame, &self.config.graces, now());
        if let Err(error) = self.brake(&snapshot, &frame, &seen).await {
            tracing::warn!("{}", error.sentence);
        }
        self.look_soon.store(seen.look_soon, Ordering::Relaxed);
        let mut sets = seen.sets;
        for (release, cause) in seen.causes {
            let trouble = self.told(cause).await;
            if let Some(set) = sets.get_mut(&release) {
                set.trouble = Some(trouble);
            }
        }
        let measured = self.measured(&snapshot, &frame);
        Ok(Observation {
            generation,
            sets,
            weights: seen.weights,
            traffic: measured.traffic,
            epoch: measured.epoch,
            silence: measured.silence,
        })
    }

    async fn told(&self, cause: Cause) -> Trouble {
        let log_tail = match &cause.log {
            Some(of) => self.logs.tail(of).await,
            None => Vec::new(),
        };
        let cause = cause.with_log(&log_tail);
        let sentence = match cause.hint {
            Some(hint) => format!("{} ({hint})", cause.sentence),
            None => cause.sentence,
        };
        Trouble { code: cause.code.to_owned(), sentence, fatal: cause.gravity == Gravity::Fatal, log_tail }
    }

    /// The frame of a look without a rollout: by the kept objects of the release that runs, or else by what is there alone.
    async fn frame_of_what_is_there(&self, snapshot: &Snapshot) -> Frame {
        let (service, router) = (self.config.traffic.service().cloned(), self.config.traffic.router());
        let written = snapshot.services.iter().filter(|one| !one.labels().contains_key(MANAGED_BY));
        let names: Vec<String> = written.map(|one| one.name_any()).collect();
        let only = if let [only] = names.as_slice() { Some(only.clone()) } else { None };
        let mut frame = Frame::of_what_is_there(snapshot, service.or(only).as_deref(), router);
        let live = snapshot.deployments.iter().find_map(|one| deployment_release(one)).map(ReleaseId::new);
        if let Some(live) = live
            && let Ok(bundle) = self.bundle(&live).await
        {
            frame.shape = bundle.shape().clone();
            frame.instances = self.instances(&bundle).await.unwrap_or(frame.instances);
        }
        frame
    }

    /// Any ready pod of a release.
    pub(super) fn ready_pod(
        snapshot: &Snapshot,
        release: &ReleaseId,
    ) -> Option<k8s_openapi::api::core::v1::Pod> {
        let is_ready = |pod: &&std::sync::Arc<k8s_openapi::api::core::v1::Pod>| {
            let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
            let ready =
                conditions.into_iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True");
            let label = pod.labels().get(crate::target::kubernetes::names::RELEASE);
            ready
                && pod.metadata.deletion_timestamp.is_none()
                && label.is_some_and(|label| label == release.as_str())
        };
        snapshot.pods.iter().find(is_ready).map(|pod| (**pod).clone())
    }
}
