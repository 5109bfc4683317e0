//! Whether the pods that come in addition fit into the quotas of their namespaces.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{LimitRange, ResourceQuota};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::Value;

use super::quantity::Amount;
use super::{namespace_of, unless_forbidden};
use crate::cluster::patiently;
use crate::target::TargetError;
use crate::target::kubernetes::manifests::Object;

/// What a quota may say that every container has to name.
const TO_BE_NAMED: [&str; 4] = ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// What containers get that name nothing: of all limit ranges of a namespace.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    requests: BTreeMap<String, Amount>,
    limits: BTreeMap<String, Amount>,
}

/// What one pod takes of each resource, by the names of quotas, and what not each of its containers names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pod {
    takes: BTreeMap<String, Amount>,
    unnamed: BTreeSet<&'static str>,
}

impl Pod {
    /// How much it requests of a resource of nodes.
    pub(super) fn requests(&self, resource: &str) -> Option<Amount> {
        self.takes.get(&format!("requests.{resource}")).copied()
    }
}

/// What does not fit, for workloads with the pods that come in addition.
pub(super) async fn check(client: &Client, namespace: &str, wanted: &[(&Object, u32)]) -> Vec<TargetError> {
    let mut by_namespace: BTreeMap<&str, Vec<(&Object, u32)>> = BTreeMap::new();
    for (object, extra) in wanted {
        by_namespace.entry(namespace_of(object, namespace)).or_default().push((object, *extra));
    }
    let mut problems = Vec::new();
    for (namespace, wanted) in by_namespace {
        let api: Api<ResourceQuota> = Api::namespaced(client.clone(), namespace);
        let all = ListParams::default();
        let quotas = match patiently(|| api.list(&all)).await {
            Ok(quotas) => quotas.items,
            Err(error) => {
                problems.extend(unless_forbidden(
                    "list",
                    &format!("the quotas of namespace {namespace}"),
                    &error,
                ));
                continue;
            }
        };
        if quotas.is_empty() {
            continue;
        }
        let api: Api<LimitRange> = Api::namespaced(client.clone(), namespace);
        let defaults = match patiently(|| api.list(&all)).await {
            Ok(ranges) => Some(defaults(&ranges.items)),
            Err(error) => {
                let object = format!("the limit ranges of namespace {namespace}");
                problems.extend(unless_forbidden("list", &object, &error));
                None
            }
        };
        let pods: Vec<(&Object, u32, Pod)> = wanted
            .iter()
            .filter_map(|(object, extra)| {
                let template = object.pod_template()?;
                Some((*object, *extra, pod(template, defaults.as_ref().unwrap_or(&Defaults::default()))))
            })
            .collect();
        let sentences = quotas.iter().flat_map(|quota| told(quota, namespace, &pods, defaults.is_some()));
        problems.extend(sentences.map(|(sentence, hint)| TargetError {
            code: "quota-exceeded",
            sentence,
            hint: Some(hint.to_owned()),
            fatal: true,
        }));
    }
    problems
}

/// What is wrong with one quota. Where the defaults are not known, nothing is said of what is not named.
pub(super) fn told(
    quota: &ResourceQuota,
    namespace: &str,
    pods: &[(&Object, u32, Pod)],
    defaults_known: bool,
) -> Vec<(String, &'static str)> {
    let name =
        format!("quota {} in namespace {namespace}", quota.metadata.name.as_deref().unwrap_or_default());
    let counted: Vec<_> = pods.iter().filter(|(_, _, pod)| counts(quota, pod)).collect();
    let (mut short, mut found) = (Vec::new(), Vec::new());
    for (resource, hard) in hard(quota) {
        let key = canonical(&resource);
        let sum = counted
            .iter()
            .filter_map(|(_, extra, pod)| Some(pod.takes.get(&key)?.0.saturating_mul(i128::from(*extra))));
        let wanted = Amount(sum.sum());
        let left = Amount((hard.0 - used(quota, &resource).0).max(0));
        let is_bytes = key.ends_with("memory") || key.ends_with("storage");
        if wanted > left {
            let [wanted, left, hard] = [wanted, left, hard].map(|amount| amount.told(is_bytes));
            short.push(format!("{wanted} of {resource} wanted, {left} of {hard} left"));
        }
        let lacking = counted.iter().filter(|(_, _, pod)| pod.unnamed.contains(key.as_str()));
        found.extend(lacking.filter(|_| defaults_known).map(|(object, _, _)| {
            let told = format!("{name} takes only pods that name {key}, and {} does not", object.key);
            (told, "name it for every container, or give the namespace a LimitRange with a default")
        }));
    }
    if !short.is_empty() {
        let told = format!("{name} has no room for what comes in addition: {}", short.join("; "));
        found.insert(0, (told, "raise the quota, or lower what the pods request or how many come at a time"));
    }
    found
}

/// The limits of a quota: those in force, or those wanted where the cluster has not counted yet.
fn hard(quota: &ResourceQuota) -> Vec<(String, Amount)> {
    let status = quota.status.as_ref().and_then(|status| status.hard.as_ref());
    let hard = status.or_else(|| quota.spec.as_ref()?.hard.as_ref());
    let read = |(name, amount): (&String, &Quantity)| Some((name.clone(), Amount::read(&amount.0)?));
    hard.into_iter().flatten().filter_map(read).collect()
}

fn used(quota: &ResourceQuota, resource: &str) -> Amount {
    let used = quota.status.as_ref().and_then(|status| status.used.as_ref()?.get(resource));
    used.and_then(|amount| Amount::read(&amount.0)).unwrap_or_default()
}

/// One name for what quotas have several for.
fn canonical(resource: &str) -> String {
    match resource {
        "cpu" | "memory" | "ephemeral-storage" => format!("requests.{resource}"),
        "count/pods" => "pods".to_owned(),
        other => other.to_owned(),
    }
}

/// Whether a quota counts a pod that goes on running. Which priorities one counts (`scopeSelector`) is left to the cluster.
fn counts(quota: &ResourceQuota, pod: &Pod) -> bool {
    let Some(spec) = &quota.spec else { return true };
    let is_best_effort = !pod.takes.keys().any(|key| TO_BE_NAMED.contains(&key.as_str()));
    spec.scope_selector.is_none()
        && spec.scopes.iter().flatten().all(|scope| match scope.as_str() {
            "NotTerminating" => true,
            "BestEffort" => is_best_effort,
            "NotBestEffort" => !is_best_effort,
            _ => false,
        })
}

/// What the limit ranges of a namespace give to containers that name nothing.
pub(super) fn defaults(ranges: &[LimitRange]) -> Defaults {
    let mut found = Defaults::default();
    let items = ranges.iter().filter_map(|range| range.spec.as_ref()).flat_map(|spec| &spec.limits);
    for item in items.filter(|item| item.type_ == "Container") {
        let read = |amounts: &Option<BTreeMap<String, Quantity>>| -> BTreeMap<String, Amount> {
            let all = amounts.iter().flatten();
            all.filter_map(|(name, amount)| Some((name.clone(), Amount::read(&amount.0)?))).collect()
        };
        let limits = read(&item.default);
        // Without a default of its own, a request is as large as the limit.
        found.requests.extend(limits.clone());
        found.requests.extend(read(&item.default_request));
        found.limits.extend(limits);
    }
    found
}

/// What one pod takes, as the API server counts: all containers at once, or an init container alone where that is more.
pub(super) fn pod(template: &Value, defaults: &Defaults) -> Pod {
    let spec = &template["spec"];
    let mut found = Pod::default();
    let (mut together, mut before) = (BTreeMap::new(), BTreeMap::new());
    for container in spec["initContainers"].as_array().into_iter().flatten() {
        let takes = container_takes(container, defaults, &mut found.unnamed);
        // Those that go on running beside the others count with them, and with each one that is started after.
        if container["restartPolicy"] == "Always" {
            add(&mut together, &takes);
            raise(&mut before, &together);
        } else {
            let mut at_once = together.clone();
            add(&mut at_once, &takes);
            raise(&mut before, &at_once);
        }
    }
    for container in spec["containers"].as_array().into_iter().flatten() {
        let takes = container_takes(container, defaults, &mut found.unnamed);
        add(&mut together, &takes);
    }
    raise(&mut together, &before);
    for (kind, amounts) in
        [("requests", &spec["resources"]["requests"]), ("limits", &spec["resources"]["limits"])]
    {
        // What is named for the pod as a whole counts in place of the sum.
        for (name, amount) in amounts.as_object().into_iter().flatten() {
            let key = format!("{kind}.{name}");
            found.unnamed.retain(|unnamed| *unnamed != key);
            together.extend(Amount::of(amount).map(|amount| (key, amount)));
        }
    }
    for (name, amount) in spec["overhead"].as_object().into_iter().flatten() {
        let amount = Amount::of(amount).unwrap_or_default();
        for key in [format!("requests.{name}"), format!("limits.{name}")] {
            together.entry(key).and_modify(|sum| sum.0 += amount.0);
        }
    }
    together.insert("pods".to_owned(), Amount::whole(1));
    found.takes = together;
    found
}

fn container_takes(
    container: &Value,
    defaults: &Defaults,
    unnamed: &mut BTreeSet<&'static str>,
) -> BTreeMap<String, Amount> {
    let of = |kind: &str| -> BTreeMap<String, Amount> {
        let written = container["resources"][kind].as_object().into_iter().flatten();
        written.filter_map(|(name, amount)| Some((name.clone(), Amount::of(amount)?))).collect()
    };
    let (own, own_limits) = (of("requests"), of("limits"));
    let mut requests = defaults.requests.clone();
    requests.extend(own_limits.clone());
    requests.extend(own);
    let mut limits = defaults.limits.clone();
    limits.extend(own_limits);
    let named = |kind: &'static str, all: BTreeMap<String, Amount>| {
        all.into_iter().map(move |(name, amount)| (format!("{kind}.{name}"), amount))
    };
    let takes: BTreeMap<String, Amount> =
        named("requests", requests).chain(named("limits", limits)).collect();
    unnamed.extend(TO_BE_NAMED.iter().filter(|name| !takes.contains_key(**name)));
    takes
}

fn add(sum: &mut BTreeMap<String, Amount>, more: &BTreeMap<String, Amount>) {
    more.iter().for_each(|(name, amount)| sum.entry(name.clone()).or_default().0 += amount.0);
}

fn raise(most: &mut BTreeMap<String, Amount>, other: &BTreeMap<String, Amount>) {
    for (name, amount) in other {
        let known = most.entry(name.clone()).or_default();
        *known = (*known).max(*amount);
    }
}
