//! Sets that stand beside a Deployment grow and shrink with it: an autoscaler, or a person, decides on the Deployment only, and
//! each release is to have its share of what is wanted at this moment.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::ResourceExt;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::Work;
use super::beside::deployment;
use crate::target::kubernetes::names::{BESIDE, SHARE};
use crate::target::kubernetes::view::{Frame, replicas, wanted};
use crate::target::kubernetes::world::Snapshot;

/// The shortest time between two adjustments.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an adjustment may hold up a look.
const PATIENCE: Duration = Duration::from_secs(2);

/// When sets were adjusted last.
#[derive(Debug, Default)]
pub(super) struct Keeper(Mutex<Option<Instant>>);

impl Work {
    /// Gives the sets that stand beside their share of the replicas that their Deployments want now. What fails is tried again
    /// at a later look.
    pub(super) async fn keep_shares(&self, snapshot: &Snapshot, frame: &Frame) {
        if frame.rollout.is_empty() || frame.in_place {
            return;
        }
        let due: Vec<(&ReplicaSet, u32)> =
            snapshot.replica_sets.iter().filter_map(|set| Some((&**set, due(set, snapshot)?))).collect();
        if due.is_empty() || !self.keeper.is_time() {
            return;
        }
        for (set, wanted) in due {
            let name = set.name_any();
            // By the version that was seen: a set that was changed meanwhile is looked at again first.
            let change = json!({
                "metadata": { "resourceVersion": set.metadata.resource_version },
                "spec": { "replicas": wanted },
            });
            match timeout(PATIENCE, self.patch_set(&name, &change)).await {
                Ok(Ok(())) => tracing::info!("ReplicaSet {name} follows its Deployment: {wanted} replicas"),
                Ok(Err(error)) => tracing::debug!("{error}"),
                Err(_) => tracing::debug!("ReplicaSet {name} could not be changed within {PATIENCE:?}"),
            }
        }
    }
}

impl Keeper {
    /// Whether the last adjustment is long enough ago; if so, the next one is now.
    fn is_time(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = last.is_none_or(|last| last.elapsed() >= PAUSE);
        if is_time {
            *last = Some(Instant::now());
        }
        is_time
    }
}

/// How many replicas a set that stands beside should have, where it has another number. One that has none is on its way out, and
/// a Deployment that has none says nothing about shares.
fn due(set: &ReplicaSet, snapshot: &Snapshot) -> Option<u32> {
    let live = wanted(deployment(snapshot, set.labels().get(BESIDE)?)?);
    let (own, all) = set.annotations().get(SHARE)?.split_once('/')?;
    let share = replicas(own.parse().ok()?, all.parse().ok().filter(|all| *all > 0)?, live);
    let now = u32::try_from(set.spec.as_ref()?.replicas?).ok()?;
    (now > 0 && live > 0 && share > 0 && now != share).then_some(share)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn due_of(labels: serde_json::Value, share: &str, now: u32, live: u32) -> Option<u32> {
        let set = json!({
            "metadata": { "name": "shop-new", "labels": labels, "annotations": { SHARE: share } },
            "spec": { "replicas": now, "selector": {} },
        });
        let deployment = json!({
            "metadata": { "name": "shop" },
            "spec": { "replicas": live, "selector": {}, "template": {} },
        });
        let deployment = Arc::new(serde_json::from_value(deployment).unwrap());
        let snapshot = Snapshot { deployments: vec![deployment], ..Snapshot::default() };
        due(&serde_json::from_value(set).unwrap(), &snapshot)
    }

    #[test]
    fn a_set_has_its_share_of_what_the_deployment_wants() {
        let beside = || json!({ BESIDE: "shop" });
        assert_eq!(due_of(beside(), "1/4", 1, 4), None);
        assert_eq!(due_of(beside(), "1/4", 1, 5), Some(2));
        assert_eq!(due_of(beside(), "4/4", 4, 10), Some(10));
        assert_eq!(due_of(beside(), "2/4", 5, 4), Some(2));
    }

    #[test]
    fn nothing_is_done_where_nothing_is_known() {
        let beside = || json!({ BESIDE: "shop" });
        assert_eq!(due_of(json!({}), "1/4", 1, 8), None);
        assert_eq!(due_of(json!({ BESIDE: "other" }), "1/4", 1, 8), None);
        assert_eq!(due_of(beside(), "1/0", 1, 8), None);
        assert_eq!(due_of(beside(), "x", 1, 8), None);
        assert_eq!(due_of(beside(), "1/4", 0, 8), None);
        assert_eq!(due_of(beside(), "1/4", 1, 0), None);
    }
}
