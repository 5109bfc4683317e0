//! The rules about a workload as a whole, and about what others say of it.

use serde_json::Value;

use super::selector::selects;
use super::{PolicyFinding, Rule, finding, labels, matches};
use crate::target::kubernetes::manifests::Object;

/// Appends what the rules find in a workload among all objects of its release.
pub(super) fn check(workload: &Object, template: &Value, objects: &[Object], found: &mut Vec<PolicyFinding>) {
    let near: Vec<&Object> = objects.iter().filter(|object| are_near(object, workload)).collect();
    grace(workload, template, &near, found);
    budget(workload, template, &near, found);
    let is_selected = near.iter().any(|object| {
        is(object, "networking.k8s.io", "NetworkPolicy")
            && selects(&object.value["spec"]["podSelector"], labels(template))
    });
    if !is_selected {
        let told = format!("{}: no NetworkPolicy selects its pods: anybody may reach them", workload.key);
        let hint = "write a NetworkPolicy that names who may reach the pods";
        found.push(finding(Rule::NoNetworkPolicy, workload, told, hint));
    }
}

/// Whether two objects may be in the same namespace.
fn are_near(one: &Object, other: &Object) -> bool {
    match (&one.key.namespace, &other.key.namespace) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

fn is(object: &Object, group: &str, kind: &str) -> bool {
    object.key.group() == group && object.key.kind == kind
}

fn grace(workload: &Object, template: &Value, near: &[&Object], found: &mut Vec<PolicyFinding>) {
    let service = near.iter().find(|object| {
        let selector = object.value["spec"]["selector"].as_object().filter(|wanted| !wanted.is_empty());
        is(object, "", "Service") && selector.is_some_and(|wanted| matches(wanted, labels(template)))
    });
    let Some(service) = service else { return };
    let pod = &template["spec"];
    let period = pod["terminationGracePeriodSeconds"].as_i64();
    let mut containers = pod["containers"].as_array().into_iter().flatten();
    let before_its_end = containers.any(|container| !container["lifecycle"]["preStop"].is_null());
    let what = match period {
        Some(0) => "its pods are killed in the middle of their requests",
        None if !before_its_end => "it says nothing of how its pods end",
        _ => return,
    };
    let told = format!("{}: {} sends it traffic, and {what}", workload.key, service.key);
    let hint =
        "write `terminationGracePeriodSeconds`, longer than a request lasts, or a `preStop` that waits";
    found.push(finding(Rule::NoGrace, workload, told, hint));
}

fn budget(workload: &Object, template: &Value, near: &[&Object], found: &mut Vec<PolicyFinding>) {
    if workload.key.group() != "apps" || !["Deployment", "StatefulSet"].contains(&workload.key.kind.as_str())
    {
        return;
    }
    let replicas = workload.value["spec"]["replicas"].as_i64();
    let scaled_to = near.iter().find_map(|object| {
        let spec = &object.value["spec"];
        let target = &spec["scaleTargetRef"];
        let ours = target["kind"] == *workload.key.kind && target["name"] == *workload.key.name;
        (is(object, "autoscaling", "HorizontalPodAutoscaler") && ours)
            .then(|| spec["maxReplicas"].as_i64())
            .flatten()
    });
    if replicas.max(scaled_to).unwrap_or(1) < 2 {
        return;
    }
    let is_selected = near.iter().any(|object| {
        let selector = &object.value["spec"]["selector"];
        is(object, "policy", "PodDisruptionBudget")
            && !selector.is_null()
            && selects(selector, labels(template))
    });
    if !is_selected {
        let told =
            format!("{}: no PodDisruptionBudget selects its pods: all may be evicted at once", workload.key);
        let hint = "write a PodDisruptionBudget, such as `maxUnavailable: 1`";
        found.push(finding(Rule::NoDisruptionBudget, workload, told, hint));
    }
}
