//! Whether there is a node for every image.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Map, Value};

use super::images::of_template;
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
}

/// Lists the nodes and compares; nothing is asked when no image is known.
pub(super) async fn check(client: &Client, objects: &[Object], images: &BTreeMap<String, Image>) -> Verdict {
    let mut verdict = Verdict::default();
    if !images
        .values()
        .any(|image| matches!(image, Image::Present { platforms, .. } if !platforms.is_empty()))
    {
        return verdict;
    }
    let api: Api<Node> = Api::all(client.clone());
    let all = ListParams::default();
    match patiently(|| api.list(&all)).await {
        Ok(nodes) => {
            let machines: Vec<Machine> = nodes.items.iter().filter_map(machine).collect();
            judge(objects, images, &machines, &mut verdict);
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
    let machine = Machine {
        os: info.operating_system.clone(),
        architecture: info.architecture.clone(),
        labels: labels.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect(),
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
        let selector = template["spec"]["nodeSelector"].as_object();
        let allowed: Vec<&Machine> = machines
            .iter()
            .filter(|machine| selector.is_none_or(|wanted| matches(wanted, Some(&machine.labels))))
            .collect();
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
    Machine { os: os.to_owned(), architecture: architecture.to_owned(), labels }
}
