//! Whether the cluster is adding a node for pods that no node takes.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use tokio::time::Instant;

use super::{Work, now};
use crate::target::kubernetes::world::Snapshot;

/// What those that add nodes say of a pod: the cluster autoscaler, and Karpenter.
const WORDS: [&str; 2] = ["TriggeredScaleUp", "Nominated"];
/// How long such a word counts: a node takes minutes.
const COUNTS: SignedDuration = SignedDuration::from_mins(10);
/// How often is asked again. Only while a pod has no node.
const AGAIN: Duration = Duration::from_secs(5);

impl Work {
    /// Whether a node is on its way. For one who may not see events none is.
    pub(super) async fn is_scaling_up(&self, snapshot: &Snapshot) -> bool {
        if !snapshot.pods.iter().any(|pod| has_no_node(pod)) {
            return false;
        }
        let known = *self.scaling_up.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, answer)) = known.filter(|(at, _)| at.elapsed() < AGAIN) {
            return answer;
        }
        let mut answer = false;
        for word in WORDS {
            let wanted = ListParams::default().fields(&format!("involvedObject.kind=Pod,reason={word}"));
            let events = self.api::<Event>().list(&wanted).await.map(|list| list.items).unwrap_or_default();
            answer |= events.iter().filter_map(last).any(|at| now().duration_since(at) < COUNTS);
        }
        *self.scaling_up.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), answer));
        answer
    }
}

fn has_no_node(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|one| one.type_ == "PodScheduled" && one.status == "False")
}

fn last(event: &Event) -> Option<Timestamp> {
    let time = event.last_timestamp.as_ref().map(|time| time.0);
    time.or_else(|| event.event_time.as_ref().map(|time| time.0))
}
