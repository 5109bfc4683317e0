//! A pod whose node does not do its part.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition};

use super::{Cause, Gravity, over};

/// How long a node may take to begin with a pod: its kubelet hears of it at once.
const BEGINS: Duration = Duration::from_secs(10);

/// A node that has not begun with a pod, or has gone silent since.
///
/// The kubelet sets `startTime` when it first sees a pod. When a node does not answer any more, the cluster says of its pods that
/// they are not ready, and leaves all that the kubelet last said of the containers as it was.
pub(super) fn silent(pod: &Pod, now: Timestamp) -> Option<Cause> {
    let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref()?);
    let (node, name) = (spec.node_name.as_deref()?, pod.metadata.name.as_deref().unwrap_or_default());
    let condition = |wanted: &str, value: &str| {
        status.conditions.iter().flatten().find(|one| one.type_ == wanted && one.status == value)
    };
    let since = |one: &PodCondition| one.last_transition_time.as_ref().map(|time| time.0);
    let sentence = match condition("PodScheduled", "True") {
        Some(placed) if status.start_time.is_none() => {
            if !over(since(placed), BEGINS, now) {
                return None;
            }
            format!("node {node} has not begun with pod {name}")
        }
        _ => {
            // What a readiness gate says is not the node's.
            let gated = spec.readiness_gates.iter().flatten().next().is_some();
            let lost =
                condition("Ready", "False").is_some() && condition("ContainersReady", "True").is_some();
            if gated || !lost {
                return None;
            }
            format!("pod {name} is on node {node}, which does not answer any more")
        }
    };
    Some(Cause { code: "node-silent", sentence, hint: None, gravity: Gravity::Warning, log: None })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-01-01T00:01:00Z";

    fn told(status: &Value) -> Option<String> {
        let pod = json!({
            "metadata": { "name": "shop-1" },
            "spec": { "nodeName": "node2", "containers": [] },
            "status": status,
        });
        silent(&serde_json::from_value(pod).unwrap(), NOW.parse().unwrap()).map(|cause| cause.sentence)
    }

    fn scheduled(at: &str) -> Value {
        json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": at })
    }

    #[test]
    fn a_pod_that_its_node_has_not_begun_with_is_told_after_ten_seconds() {
        assert_eq!(told(&json!({ "conditions": [scheduled("2026-01-01T00:00:55Z")] })), None);
        let told = told(&json!({ "conditions": [scheduled("2026-01-01T00:00:45Z")] }));
        assert_eq!(told.as_deref(), Some("node node2 has not begun with pod shop-1"));
    }

    #[test]
    fn a_pod_that_only_the_cluster_calls_unready_is_on_a_node_that_is_gone() {
        let with = |ready: &str, containers: &str| {
            told(&json!({
                "startTime": "2026-01-01T00:00:01Z",
                "conditions": [
                    scheduled("2026-01-01T00:00:00Z"),
                    { "type": "Ready", "status": ready },
                    { "type": "ContainersReady", "status": containers },
                ],
            }))
        };
        let gone = "pod shop-1 is on node node2, which does not answer any more";
        assert_eq!(with("False", "True").as_deref(), Some(gone));
        assert_eq!(with("False", "False"), None);
        assert_eq!(with("True", "True"), None);
    }
}
