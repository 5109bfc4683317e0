//! Whether there is a node for every image, and one that is large enough for the pods.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Map, Value};

use super::images::of_template;
use super::quantity::Amount;
use super::quota::{self, Defaults};
use super::{Verdict, unless_forbidden};
use crate::cluster::patiently;
use crate::registry::{Image, Platform};
use crate::target::TargetError;
use crate::target::kubernetes::manifests::Object;
use crate::target::kubernetes::policy::matches;

/// What is known of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    os: String,
    architecture: String,
    labels: Map<String, Value>,
    /// What it has for pods, by resource.
    room: BTreeMap<String, Amount>,
    /// A provider has made it, and may make a larger one.
    is_provided: bool,
}

/// The resources that every node tells of. What else a pod may want is brought by what is installed on nodes.
const RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Lists the nodes and compares; nothing is asked when nothing of the objects runs.
pub(super) async fn check(client: &Client, objects: &[Object], images: &BTreeMap<String, Image>) -> Verdict {
    let mut verdict = Verdict::default();
    if objects.iter().all(|object| object.pod_template().is_none()) {
        return verdict;
    }
    let api: Api<Node> = Api::all(client.clone());
    let all = ListParams::default();
    match patiently(|| api.list(&all)).await {
        Ok(nodes) => {
            let machines: Vec<Machine> = nodes.items.iter().filter_map(machine).collect();
            judge(objects, images, &machines, &mut verdict);
            room(objects, &machines, &mut verdict);
        }
        Err(error) => verdict.problems.extend(unless_forbidden("list", "the nodes", &error)),
    }
    verdict
}

/// A node that takes pods and tells what it is.
fn machine(node: &Node) -> Option<Machine> {
    let info = node.status.as_ref()?.node_info.as_ref()?;
    let is_open = node.spec.as_ref().is_none_or(|spec| spec.unschedulable != Some(true));
    let labels = node.metadata.labels.iter().flatten();
    let room = node.status.as_ref()?.allocatable.iter().flatten();
    let provider = node.spec.as_ref().and_then(|spec| spec.provider_id.as_deref());
    let machine = Machine {
        os: info.operating_system.clone(),
        architecture: info.architecture.clone(),
        labels: labels.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect(),
        room: room.filter_map(|(name, has)| Some((name.clone(), Amount::read(&has.0)?))).collect(),
        is_provided: provider.is_some_and(|id| !id.is_empty()),
    };
    (is_open && !machine.os.is_empty() && !machine.architecture.is_empty()).then_some(machine)
}

/// For each workload: among the nodes that its node selector allows there is one that can run all of its images. Where no node is
/// allowed, nothing is told: one may be added.
pub(super) fn judge(
    objects: &[Object],
    images: &BTreeMap<String, Image>,
    machines: &[Machine],
    verdict: &mut Verdict,
) {
    for object in objects {
        let Some(template) = object.pod_template() else { continue };
        let allowed = allowed(template, machines);
        let known: Vec<(&str, &[Platform])> = of_template(template)
            .filter_map(|image| match images.get(image) {
                Some(Image::Present { platforms, .. }) if !platforms.is_empty() => {
                    Some((image, &platforms[..]))
                }
                _ => None,
            })
            .collect();
        let runs = |machine: &&&Machine| known.iter().all(|(_, platforms)| fits(platforms, machine));
        let able = allowed.iter().filter(runs).count();
        if able == allowed.len() {
            continue;
        }
        let made: Vec<String> = known
            .iter()
            .map(|(image, platforms)| format!("{image} is for {}", list(platforms.iter())))
            .collect();
        let made = made.join(", ");
        let place = format!("{} ({})", object.key, object.source);
        let are = list(allowed.iter().map(|machine| format!("{}/{}", machine.os, machine.architecture)));
        let (sentence, into) = if able == 0 {
            let told = format!("no node can run the pods of {place}: {made}, and the nodes are {are}");
            (told, &mut verdict.problems)
        } else {
            let told = format!("some nodes cannot run the pods of {place}: {made}, and the nodes are {are}");
            (told, &mut verdict.warnings)
        };
        into.push(TargetError {
            code: "wrong-architecture",
            sentence,
            hint: Some(
                "build the image for the nodes' platforms, too, or choose the nodes by `nodeSelector`"
                    .to_owned(),
            ),
            fatal: able == 0,
        });
    }
}

/// The nodes that a template's node selector allows.
fn allowed<'a>(template: &Value, machines: &'a [Machine]) -> Vec<&'a Machine> {
    let selector = template["spec"]["nodeSelector"].as_object();
    let is_allowed =
        |machine: &&Machine| selector.is_none_or(|wanted| matches(wanted, Some(&machine.labels)));
    machines.iter().filter(is_allowed).collect()
}

/// For each workload: among the nodes that its node selector allows there is one that one of its pods fits on while it is empty.
/// Where providers make the nodes that is only a warning: a larger one may come.
pub(super) fn room(objects: &[Object], machines: &[Machine], verdict: &mut Verdict) {
    for object in objects {
        let Some(template) = object.pod_template() else { continue };
        let allowed = allowed(template, machines);
        let wanted = requests(template);
        let has = |machine: &Machine, name: &str| machine.room.get(name).copied();
        // A node that does not tell what it has may have enough.
        let takes = |machine: &&Machine| {
            wanted.iter().all(|(name, amount)| has(machine, name).is_none_or(|has| has >= *amount))
        };
        let is_none = object.value["spec"]["replicas"] == 0;
        if is_none || allowed.is_empty() || allowed.iter().any(takes) {
            continue;
        }
        let most = |name: &str| allowed.iter().filter_map(|machine| has(machine, name)).max();
        let short: Vec<_> =
            wanted.iter().filter(|(name, amount)| most(name).is_some_and(|most| most < *amount)).collect();
        // Each alone may fit somewhere, and all together nowhere.
        let short = if short.is_empty() { wanted.iter().collect() } else { short };
        let told = |(name, amount): &(&str, Amount)| {
            let is_bytes = *name != "cpu";
            let most = most(name).unwrap_or_default().told(is_bytes);
            format!("{} of {name} wanted, {most} on a node at most", amount.told(is_bytes))
        };
        let told: Vec<String> = short.into_iter().map(told).collect();
        let place = format!("{} ({})", object.key, object.source);
        let fatal = allowed.iter().all(|machine| !machine.is_provided);
        let into = if fatal { &mut verdict.problems } else { &mut verdict.warnings };
        into.push(TargetError {
            code: "unschedulable",
            sentence: format!("no node is large enough for a pod of {place}: {}", told.join("; ")),
            hint: Some("lower its requests, or give the cluster a node that fits".to_owned()),
            fatal,
        });
    }
}

/// What one pod requests of what every node tells of.
fn requests(template: &Value) -> Vec<(&'static str, Amount)> {
    let pod = quota::pod(template, &Defaults::default());
    RESOURCES.into_iter().filter_map(|name| Some((name, pod.requests(name)?))).collect()
}

fn fits(platforms: &[Platform], machine: &Machine) -> bool {
    platforms.iter().any(|one| one.os == machine.os && one.architecture == machine.architecture)
}

/// Each once, in order.
fn list(all: impl Iterator<Item = impl ToString>) -> String {
    let all: BTreeSet<String> = all.map(|one| one.to_string()).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(super) fn machine_for_test(os: &str, architecture: &str) -> Machine {
    let labels = [("kubernetes.io/arch".to_owned(), Value::from(architecture))].into_iter().collect();
    Machine {
        os: os.to_owned(),
        architecture: architecture.to_owned(),
        labels,
        room: BTreeMap::new(),
        is_provided: false,
    }
}

/// Nodes as the API server tells of them.
#[cfg(test)]
pub(super) fn machines_for_test(nodes: &[Value]) -> Vec<Machine> {
    let read = |node: &Value| machine(&serde_json::from_value(node.clone()).unwrap());
    nodes.iter().filter_map(read).collect()
}
