//! The brake: a Deployment that replaces pods by itself is stopped at the first sign that the new ones are bad.
//!
//! A pod that is ready for a second and then dies would otherwise cost a good one each time.

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
        for workload in frame.shape.carriers.iter().filter(|workload| workload.kind == "Deployment") {
            let Some(live) = deployment(snapshot, &workload.name) else { continue };
            let is_new = deployment_release(live).is_some_and(|label| label == candidate.as_str());
            if is_new && in_trouble != is_stopped(live) {
                let paused = if in_trouble { Value::Bool(true) } else { Value::Null };
                self.patch_deployment(&workload.name, &json!({ "spec": { "paused": paused } })).await?;
            }
        }
        Ok(())
    }

    /// Lets every Deployment of the objects go on that was stopped.
    pub(super) async fn release_brake(&self, snapshot: &Snapshot, frame: &Frame) -> Result<(), TargetError> {
        for workload in &frame.shape.carriers {
            if deployment(snapshot, &workload.name).is_some_and(is_stopped) {
                self.patch_deployment(&workload.name, &json!({ "spec": { "paused": Value::Null } })).await?;
            }
        }
        Ok(())
    }
}

fn is_stopped(live: &Deployment) -> bool {
    live.spec.as_ref().is_some_and(|spec| spec.paused == Some(true))
}
