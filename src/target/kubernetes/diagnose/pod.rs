//! What one pod tells.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};

use super::container::{self, Seen};
use super::{Cause, Graces, Gravity, node, over, readiness};

/// Everything that is wrong with a pod.
pub(super) fn causes(pod: &Pod, graces: &Graces, scaling_up: bool, now: Timestamp) -> Vec<Cause> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let Some(status) = &pod.status else { return Vec::new() };
    if pod.metadata.deletion_timestamp.is_some() {
        return Vec::new();
    }
    let conditions = status.conditions.iter().flatten();
    let unscheduled = conditions
        .clone()
        .find(|one| one.type_ == "PodScheduled" && one.status == "False")
        .and_then(|condition| unscheduled(name, condition, graces, scaling_up, now));
    // A container has no word of when it began to wait; since the pod had a node it cannot have been longer.
    let placed = conditions
        .clone()
        .find(|one| one.type_ == "PodScheduled" && one.status == "True")
        .and_then(|one| one.last_transition_time.as_ref())
        .map(|time| time.0);
    let statuses = [&status.init_container_statuses, &status.container_statuses];
    let containers = statuses.into_iter().flatten().flatten();
    let told = containers.filter_map(|status: &ContainerStatus| {
        container::cause(Seen { pod: name, status, since: placed }, graces, now)
    });
    let unready = readiness::causes(pod, graces, now);
    let silent = node::silent(pod, now);
    unscheduled.into_iter().chain(told).chain(evicted(name, pod)).chain(unready).chain(silent).collect()
}

fn unscheduled(
    name: &str,
    condition: &PodCondition,
    graces: &Graces,
    scaling_up: bool,
    now: Timestamp,
) -> Option<Cause> {
    let since = condition.last_transition_time.as_ref().map(|time| time.0);
    let gravity = match () {
        () if over(since, graces.unscheduled, now) && !scaling_up => Gravity::Fatal,
        () if over(since, graces.unscheduled_warned, now) => Gravity::Warning,
        () => return None,
    };
    let why = condition.message.as_deref().unwrap_or("the scheduler gives no reason");
    Some(Cause {
        code: "unschedulable",
        sentence: format!("no node takes pod {name}: {}", why.trim_end_matches('.')),
        hint: Some("lower its requests, or give the cluster a node that fits"),
        gravity,
        log: None,
    })
}

/// A pod that the node threw out, which no container tells of.
fn evicted(name: &str, pod: &Pod) -> Option<Cause> {
    let status = pod.status.as_ref()?;
    (status.reason.as_deref() == Some("Evicted")).then(|| Cause {
        code: "evicted",
        sentence: format!("pod {name} was evicted: {}", status.message.as_deref().unwrap_or_default()),
        hint: Some("the node ran out of memory or disk: set requests and limits that fit"),
        gravity: Gravity::Warning,
        log: None,
    })
}
