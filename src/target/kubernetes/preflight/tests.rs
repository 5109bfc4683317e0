use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::{LimitRange, ResourceQuota};
use serde_json::{Value, json};

use super::nodes::{machine_for_test, machines_for_test};
use super::quota::{self, Defaults};
use super::{Verdict, distinct, images, kinds, nodes};
use crate::registry::{Image, Platform};
use crate::target::TargetError;
use crate::target::kubernetes::manifests::{Object, parse};

fn objects(text: &str) -> Vec<Object> {
    parse(Path::new("all.yaml"), text).unwrap_or_else(|error| panic!("{error}"))
}

fn deployment(pod: &str) -> Vec<Object> {
    objects(&format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: web }}\nspec: {{ template: {{ spec: {pod} }} }}\n"
    ))
}

fn quota(value: Value) -> ResourceQuota {
    serde_json::from_value(value).unwrap()
}

/// What quota `q` says of so many pods in addition.
fn said(quota: &ResourceQuota, pod: &str, extra: u32, defaults: &Defaults) -> Vec<String> {
    let all = deployment(pod);
    let takes = quota::pod(all[0].pod_template().unwrap(), defaults);
    let told = quota::told(quota, "shop", &[(&all[0], extra, takes)], true);
    told.into_iter().map(|(sentence, _)| sentence).collect()
}

fn used(hard: Value, used: Value) -> ResourceQuota {
    quota(json!({ "metadata": { "name": "q" }, "status": { "hard": hard, "used": used } }))
}

const SMALL: &str = "{ containers: [{ name: a, resources: { requests: { cpu: 500m, memory: 256Mi }, limits: { memory: 512Mi } } }] }";

#[test]
fn everything_that_a_quota_has_no_room_for_stands_in_one_sentence() {
    let full = used(
        json!({ "pods": "10", "cpu": "4", "limits.memory": "4Gi", "services": "1" }),
        json!({ "pods": "8", "cpu": "3200m", "limits.memory": "1Gi", "services": "1" }),
    );
    let expected = "quota q in namespace shop has no room for what comes in addition: \
                    1500m of cpu wanted, 800m of 4 left; 3 of pods wanted, 2 of 10 left";
    assert_eq!(said(&full, SMALL, 3, &Defaults::default()), [expected]);
    assert_eq!(said(&full, SMALL, 1, &Defaults::default()), [] as [&str; 0]);
    let new = quota(json!({ "metadata": { "name": "q" }, "spec": { "hard": { "requests.memory": "1Gi" } } }));
    let expected = "quota q in namespace shop has no room for what comes in addition: \
                    1.2Gi of requests.memory wanted, 1Gi of 1Gi left";
    assert_eq!(said(&new, SMALL, 5, &Defaults::default()), [expected]);
}

#[test]
fn what_a_pod_takes_is_counted_as_the_api_server_counts() {
    let cpu = |init: &str, rest: &str| {
        let pod = format!(
            "{{ initContainers: {init}, containers: [{{ name: a, resources: {{ requests: {{ cpu: 1 }} }} }}, \
             {{ name: b, resources: {{ limits: {{ cpu: 500m }} }} }}]{rest} }}"
        );
        let none = used(json!({ "requests.cpu": "0" }), json!({}));
        let told = said(&none, &pod, 1, &Defaults::default());
        told.iter()
            .find_map(|one| Some(one.split_once("addition: ")?.1.split_once(" of")?.0.to_owned()))
            .unwrap()
    };
    let init = |cpu: &str, policy: &str| {
        format!("{{ name: i, {policy} resources: {{ requests: {{ cpu: {cpu} }} }} }}")
    };
    assert_eq!(cpu("[]", ""), "1500m");
    assert_eq!(cpu(&format!("[{}]", init("1", "")), ""), "1500m", "it runs before the others");
    assert_eq!(cpu(&format!("[{}]", init("3", "")), ""), "3");
    let beside = init("1", "restartPolicy: Always,");
    assert_eq!(cpu(&format!("[{beside}]"), ""), "2500m");
    assert_eq!(cpu(&format!("[{beside}, {}]", init("3", "")), ""), "4");
    assert_eq!(cpu("[]", ", overhead: { cpu: 100m }"), "1600m");
    assert_eq!(cpu("[]", ", resources: { requests: { cpu: 700m } }"), "700m");
}

#[test]
fn what_a_quota_wants_named_is_named_or_given_by_a_limit_range() {
    let strict = used(json!({ "limits.memory": "1Gi", "requests.cpu": "1" }), json!({}));
    let bare = "{ containers: [{ name: a, resources: { requests: { cpu: 1m } } }] }";
    let expected =
        "quota q in namespace shop takes only pods that name limits.memory, and Deployment web does not";
    assert_eq!(said(&strict, bare, 1, &Defaults::default()), [expected]);
    let range: LimitRange = serde_json::from_value(
        json!({ "spec": { "limits": [{ "type": "Container", "default": { "memory": "2Gi" } }] } }),
    )
    .unwrap();
    let expected = "quota q in namespace shop has no room for what comes in addition: \
                    2Gi of limits.memory wanted, 1Gi of 1Gi left";
    assert_eq!(said(&strict, bare, 1, &quota::defaults(&[range])), [expected]);
}

#[test]
fn a_quota_counts_only_the_pods_of_its_scopes() {
    let scoped = |scope: &str| {
        let quota = quota(
            json!({ "metadata": { "name": "q" }, "spec": { "hard": { "pods": "0" }, "scopes": [scope] } }),
        );
        said(&quota, SMALL, 1, &Defaults::default()).len()
    };
    let counts: Vec<usize> =
        ["NotTerminating", "NotBestEffort", "BestEffort", "Terminating", "Other"].map(scoped).to_vec();
    assert_eq!(counts, [1, 1, 0, 0, 0]);
}

fn present(architectures: &[&str]) -> Image {
    let platform = |architecture: &&str| Platform {
        os: "linux".to_owned(),
        architecture: (*architecture).to_owned(),
        variant: None,
    };
    Image::Present { digest: "sha256:1".to_owned(), platforms: architectures.iter().map(platform).collect() }
}

fn on_nodes(pod: &str, images: &[(&str, Image)], nodes: &[&str]) -> (Vec<String>, Vec<String>) {
    let images: BTreeMap<String, Image> =
        images.iter().map(|(name, image)| ((*name).to_owned(), image.clone())).collect();
    let machines: Vec<_> = nodes.iter().map(|node| machine_for_test("linux", node)).collect();
    let mut verdict = Verdict::default();
    nodes::judge(&deployment(pod), &images, &machines, &mut verdict);
    let told = |all: Vec<TargetError>| all.into_iter().map(|one| one.sentence).collect();
    (told(verdict.problems), told(verdict.warnings))
}

#[test]
fn there_must_be_a_node_for_all_images_of_a_pod() {
    let none = (vec![], vec![]);
    let pod = "{ containers: [{ name: a, image: a }, { name: b, image: b }] }";
    let both = [("a", present(&["amd64", "arm64"])), ("b", present(&["arm64"]))];
    let told = |what: &str, nodes: &str| {
        vec![format!(
            "{what} the pods of Deployment web (all.yaml:1): a is for linux/amd64, linux/arm64, b is for linux/arm64, \
             and the nodes are {nodes}"
        )]
    };
    assert_eq!(on_nodes(pod, &both, &["amd64", "amd64"]), (told("no node can run", "linux/amd64"), vec![]));
    let mixed = (vec![], told("some nodes cannot run", "linux/amd64, linux/arm64"));
    assert_eq!(on_nodes(pod, &both, &["amd64", "arm64"]), mixed);
    let chosen = pod.replace("{ containers", "{ nodeSelector: { kubernetes.io/arch: arm64 }, containers");
    assert_eq!(on_nodes(&chosen, &both, &["amd64", "arm64"]), none);
    assert_eq!(on_nodes(&chosen, &both, &["amd64"]), none, "such a node may be added");
    assert_eq!(on_nodes(pod, &[("a", present(&[])), ("b", Image::Absent)], &["amd64"]), none);
}

#[test]
fn there_must_be_a_node_that_is_large_enough() {
    let node = |cpu: &str, memory: &str, provider: &str| {
        json!({ "spec": { "providerID": provider }, "status": {
            "nodeInfo": { "operatingSystem": "linux", "architecture": "amd64", "machineID": "", "systemUUID": "",
                "bootID": "", "kernelVersion": "", "osImage": "", "containerRuntimeVersion": "", "kubeletVersion": "",
                "kubeProxyVersion": "" },
            "allocatable": { "cpu": cpu, "memory": memory } } })
    };
    let told = |more: &str, requests: &str, nodes: &[Value]| {
        let pod = format!("{{ {more} containers: [{{ name: a, resources: {{ requests: {requests} }} }}] }}");
        let mut verdict = Verdict::default();
        nodes::room(&deployment(&pod), &machines_for_test(nodes), &mut verdict);
        let told = |all: Vec<TargetError>| all.into_iter().map(|one| one.sentence).collect::<Vec<_>>();
        (told(verdict.problems), told(verdict.warnings))
    };
    let (none, own) = ((vec![], vec![]), [node("2", "8Gi", ""), node("8", "2Gi", "")]);
    let short = |what: &str| {
        vec![format!("no node is large enough for a pod of Deployment web (all.yaml:1): {what}")]
    };
    assert_eq!(told("", "{ cpu: 8, memory: 1Gi }", &own), none);
    let memory = short("4Ti of memory wanted, 8Gi on a node at most");
    assert_eq!(told("", "{ cpu: 1, memory: 4Ti }", &own), (memory.clone(), vec![]));
    let both = short("8 of cpu wanted, 8 on a node at most; 8Gi of memory wanted, 8Gi on a node at most");
    assert_eq!(told("", "{ cpu: 8, memory: 8Gi }", &own), (both, vec![]), "not on the same one");
    assert_eq!(told("", "{ nvidia.com/gpu: 1 }", &own), none, "what is installed on nodes is not told of");
    assert_eq!(told("nodeSelector: { size: l },", "{ memory: 4Ti }", &own), none, "such a node may be added");
    assert_eq!(told("", "{ memory: 4Ti }", &[]), none);
    let cloud = [node("2", "8Gi", "cloud://1")];
    assert_eq!(told("", "{ memory: 4Ti }", &cloud), (vec![], memory), "a larger one may come");
}

#[test]
fn what_registries_say_is_told_with_who_wants_the_image() {
    let containers =
        ["a", "b", "c", "d"].map(|name| format!("{{ name: {name}, image: r/{name} }}")).join(", ");
    let all = deployment(&format!("{{ containers: [{containers}] }}"));
    let images = [
        ("r/a", Image::Absent),
        ("r/b", Image::Forbidden { tried: true }),
        ("r/d", Image::Forbidden { tried: false }),
        ("r/c", Image::Unknown { why: "no way".to_owned() }),
        ("r/other", Image::Absent),
    ];
    let images = images.into_iter().map(|(name, image)| (name.to_owned(), image)).collect();
    let mut verdict = Verdict::default();
    images::judge(&all, &images, &mut verdict);
    let codes: Vec<&str> = verdict.problems.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["image-absent", "image-forbidden"]);
    let absent = "the registry has no r/a, which Deployment web (all.yaml:1) wants";
    assert_eq!(verdict.problems[0].sentence, absent);
    let codes: Vec<&str> = verdict.warnings.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["registry-unreachable", "image-forbidden"], "nodes may have what nobody can read");
    assert!(verdict.warnings[0].sentence.ends_with(": no way") && !verdict.warnings[0].fatal);
}

#[test]
fn a_kind_that_the_manifests_define_is_known() {
    let all = objects(
        "apiVersion: example.com/v1\nkind: Tide\nmetadata: { name: t }\n---\n\
         apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: tides.example.com }\n\
         spec: { group: example.com, scope: Cluster, names: { kind: Tide, plural: tides }, versions: [{ name: v1 }] }\n",
    );
    let kind = kinds::defined(&all[0], &all).unwrap();
    assert_eq!((kind.group.as_str(), kind.plural.as_str(), kind.namespaced), ("example.com", "tides", false));
    assert_eq!(kinds::defined(&all[1], &all), None);
}

#[test]
fn what_is_wrong_with_the_connection_is_told_once() {
    let problem =
        |code, sentence: &str| TargetError { code, sentence: sentence.to_owned(), hint: None, fatal: true };
    let all = [
        problem("unreachable", "a"),
        problem("unreachable", "b"),
        problem("not-found", "c"),
        problem("not-found", "d"),
        problem("not-found", "d"),
    ];
    let told: Vec<String> = distinct(all.into_iter()).into_iter().map(|one| one.sentence).collect();
    assert_eq!(told, ["a", "c", "d"]);
}
