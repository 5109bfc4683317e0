//! Pods that have only just come up. Where no probe tells more, "ready" means "started", and what crashes at once is ready, too,
//! for a moment; what has crashed before in this rollout may be ready between two crashes, whatever its probe says.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::Frame;
use crate::target::kubernetes::names::RELEASE;
use crate::target::kubernetes::world::Snapshot;

/// How long a pod without a readiness probe must have been up to count.
const STEADY: Duration = Duration::from_secs(2);

/// How long one that has crashed must have been up again to count: the kubelet starts it anew at once the first time, and ten
/// seconds later the next.
const MENDED: Duration = Duration::from_secs(10);

/// How far two clocks may be apart.
const CLOCKS: Duration = Duration::from_secs(2);

/// How many pods of the rollout have only just come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct JustUp {
    /// Of those that carry the candidate's traffic.
    pub(super) carriers: u32,
    /// Of the release's other workloads.
    pub(super) others: u32,
}

impl JustUp {
    pub(super) fn of(snapshot: &Snapshot, frame: &Frame, now: Timestamp) -> Self {
        let mut all = Self::default();
        for pod in snapshot.pods.iter().filter(|pod| is_fresh(pod, frame) && is_just_up(pod, now)) {
            match pod.labels().get(RELEASE) {
                // A Job's pods come and go, and nothing waits for them.
                None if pod.owner_references().iter().any(|owner| owner.kind == "Job") => {}
                None => all.others += 1,
                Some(label) if frame.candidate.as_ref().is_some_and(|id| id.as_str() == label) => {
                    all.carriers += 1;
                }
                Some(_) => {}
            }
        }
        all
    }

    pub(super) const fn any(self) -> bool {
        self.carriers + self.others > 0
    }
}

/// Whether the rollout made it. The API server writes times in whole seconds, and its clock is not ours.
pub(super) fn is_fresh(pod: &Pod, frame: &Frame) -> bool {
    let began = pod.creation_timestamp().map(|time| time.0);
    frame.since.is_some_and(|since| began.is_some_and(|began| began + CLOCKS >= since))
}

/// Whether a CronJob made it, at its hour: that says nothing of the release that is rolled out. A pod knows its Job only; those of a
/// CronJob are named after it and the minute since 1970, which has had eight digits since 1989.
pub(super) fn is_of_cron_job(pod: &Pod) -> bool {
    pod.owner_references().iter().filter(|owner| owner.kind == "Job").any(|job| {
        let minute = job.name.rsplit_once('-').map_or("", |(_, minute)| minute);
        minute.len() == 8 && minute.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_just_up(pod: &Pod, now: Timestamp) -> bool {
    let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let wanted = if has_crashed(pod) {
        MENDED
    } else if containers.any(|container| container.readiness_probe.is_none()) {
        STEADY
    } else {
        return false;
    };
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.clone().find(|one| one.type_ == "ContainersReady" && one.status == "True");
    let since = ready.and_then(|one| one.last_transition_time.as_ref()).map(|time| time.0);
    // From a node whose clock is far ahead nothing is known of the time: it is not waited for.
    since.is_some_and(|since| since + wanted > now && since <= now + CLOCKS)
}

/// Whether a container of the pod has ended with an error and was started again.
fn has_crashed(pod: &Pod) -> bool {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut former = containers.filter_map(|container| container.last_state.as_ref()?.terminated.as_ref());
    former.any(|ended| ended.exit_code != 0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
    use serde_json::{Value, json};

    use super::*;
    use crate::rollout::ReleaseId;

    fn pod(name: &str, labels: &Value, created: &str, up: &str, probe: &Value) -> Arc<Pod> {
        Arc::new(
            serde_json::from_value(json!({
                "metadata": { "name": name, "labels": labels, "creationTimestamp": created },
                "spec": { "containers": [{ "name": "app", "readinessProbe": probe }] },
                "status": { "conditions": [
                    { "type": "ContainersReady", "status": "True", "lastTransitionTime": up },
                ] },
            }))
            .unwrap(),
        )
    }

    #[test]
    fn a_pod_that_has_crashed_counts_once_it_has_been_up_for_longer() {
        let probe = json!({ "httpGet": { "port": 80 } });
        let mut pod =
            Pod::clone(&pod("x", &json!({}), "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", &probe));
        let ended = |code: i32| {
            serde_json::from_value(json!([{ "name": "app", "image": "", "imageID": "", "ready": true,
                "restartCount": 1, "lastState": { "terminated": { "exitCode": code } } }]))
            .unwrap()
        };
        let at = |pod: &Pod, now: &str| is_just_up(pod, now.parse().unwrap());
        assert!(!at(&pod, "2026-01-01T00:01:01Z"), "a probe tells");
        pod.status.as_mut().unwrap().container_statuses = ended(1);
        assert!(at(&pod, "2026-01-01T00:01:09Z"));
        assert!(!at(&pod, "2026-01-01T00:01:10Z"));
        pod.status.as_mut().unwrap().container_statuses = ended(0);
        assert!(!at(&pod, "2026-01-01T00:01:01Z"), "it has not failed");
    }

    #[test]
    fn a_pod_of_a_cron_job_is_told_from_that_of_a_job() {
        let of = |kind: &str, name: &str| {
            let owner = OwnerReference { kind: kind.into(), name: name.into(), ..Default::default() };
            let mut pod = Pod::default();
            pod.metadata.owner_references = Some(vec![owner]);
            is_of_cron_job(&pod)
        };
        assert!(of("Job", "nightly-29384756"));
        assert!(!of("Job", "prepare") && !of("Job", "prepare-2") && !of("ReplicaSet", "web-29384756"));
    }

    #[test]
    fn a_pod_of_the_rollout_without_a_probe_counts_after_two_seconds() {
        let (before, began, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", "2026-01-01T00:01:09Z");
        let (own, probe) = (json!({ RELEASE: "new" }), json!({ "httpGet": { "port": 80 } }));
        let snapshot = Snapshot {
            pods: vec![
                pod("carrier", &own, began, late, &Value::Null),
                pod("worker", &json!({}), began, late, &Value::Null),
                pod("probed", &own, began, late, &probe),
                pod("long up", &own, began, began, &Value::Null),
                pod("of before", &json!({}), before, late, &Value::Null),
                pod("another", &json!({ RELEASE: "old" }), began, late, &Value::Null),
            ],
            ..Snapshot::default()
        };
        let mut of_job = Pod::clone(&snapshot.pods[1]);
        of_job.metadata.owner_references =
            Some(vec![OwnerReference { kind: "Job".into(), ..Default::default() }]);
        let mut snapshot = snapshot;
        snapshot.pods.push(Arc::new(of_job));
        snapshot.pods.push(pod("ahead", &own, began, "2026-01-01T00:09:00Z", &Value::Null));
        let since = Some("2026-01-01T00:00:30Z".parse().unwrap());
        let frame = Frame { since, candidate: Some(ReleaseId::new("new")), ..Frame::default() };
        let at = |now: &str| JustUp::of(&snapshot, &frame, now.parse().unwrap());
        assert_eq!(at("2026-01-01T00:01:10Z"), JustUp { carriers: 1, others: 1 });
        assert!(!at("2026-01-01T00:01:11Z").any());
    }
}
