//! The brake: a Deployment that replaces pods by itself is stopped at the first sign that the new ones are bad.
//!
//! A pod that is ready for a second and then dies would otherwise cost a good one each time.

use std::sync::PoisonError;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use super::Work;
use super::beside::deployment;
use crate::target::TargetError;
use crate::target::kubernetes::view::{Frame, Seen, deployment_release};
use crate::target::kubernetes::world::Snapshot;

impl Work {
    /// Stops the Deployments while the candidate shows any trouble of its own, and lets them go on when it has passed.
    pub(super) async fn brake(
        &self,
        snapshot: &Snapshot,
        frame: &Frame,
        seen: &Seen,
    ) -> Result<(), TargetError> {
        let (true, Some(candidate)) = (frame.in_place, &frame.candidate) else { return Ok(()) };
        let mut causes = seen.causes.iter();
        let in_trouble = causes.any(|(release, cause)| release == candidate && cause.is_of_release());
        // Once no pod of another release is left, there is none to save, and a rollout that ends now must not leave it stopped.
        let saves = seen.sets.iter().any(|(release, set)| release != candidate && set.running > 0);
        let wanted = in_trouble && saves;
        for workload in frame.shape.carriers.iter().filter(|workload| workload.kind == "Deployment") {
            let Some(live) = deployment(snapshot, &workload.name) else { continue };
            let is_new = deployment_release(live).is_some_and(|label| label == candidate.as_str());
            if is_new && wanted != is_stopped(live) {
                self.stop(&workload.name, wanted).await?;
            }
        }
        Ok(())
    }

    /// Lets every Deployment of the objects go on that was stopped.
    pub(super) async fn release_brake(&self, snapshot: &Snapshot, frame: &Frame) -> Result<(), TargetError> {
        for workload in &frame.shape.carriers {
            // What was stopped a moment ago the watches may not show yet.
            let is_known =
                self.stopped.lock().unwrap_or_else(PoisonError::into_inner).contains(&workload.name);
            if is_known || deployment(snapshot, &workload.name).is_some_and(is_stopped) {
                match self.stop(&workload.name, false).await {
                    // Who took it away has let it go.
                    Err(error) if error.code == "not-found" => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// Stops a Deployment, or lets it go on.
    async fn stop(&self, name: &str, stopped: bool) -> Result<(), TargetError> {
        let known = || self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped {
            known().insert(name.to_owned());
        }
        let paused = if stopped { Value::Bool(true) } else { Value::Null };
        self.patch_deployment(name, &json!({ "spec": { "paused": paused } })).await?;
        if !stopped {
            known().remove(name);
        }
        Ok(())
    }
}

fn is_stopped(live: &Deployment) -> bool {
    live.spec.as_ref().is_some_and(|spec| spec.paused == Some(true))
}
