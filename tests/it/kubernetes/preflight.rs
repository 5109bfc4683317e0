//! What the cluster would refuse is told before anything is applied.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tidegate::target::kubernetes::preflight::Feature;
use tokio::io::AsyncReadExt;

use super::ground::{bind, objects, state};
use super::stage::{BLUE_GREEN, CANARY, Door, ROLLING, Said, Stage};

fn sentence(said: &Said) -> String {
    said.json()["error"]["sentence"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_image_is_told_before_anything_is_applied() {
    let Some(stage) = Stage::open("an absent image", "absent", Door::Service).await else { return };
    stage.settings(ROLLING);
    let before = objects(&stage);
    let said = stage.deploy("none").await.exits(1);
    assert_eq!(said.reason(), "image-absent");
    let told = sentence(&said);
    assert!(
        told.contains("sample:none, which Deployment shop (/") && told.contains("shop.yaml:1) wants"),
        "{told}"
    );
    assert_eq!(objects(&stage), before);

    stage.deploy("1.0.0").await.exits(0);
    stage.manifests_with("sample:none", "", "---\napiVersion: v1\nkind: Tide\nmetadata: { name: high }\n");
    let said = stage.run(&["deploy", "--version", "2.0.0"]).await.exits(1);
    assert_eq!(said.reason(), "preflight");
    let told = sentence(&said);
    assert!(
        told.starts_with("nothing was begun, for 2 things stand in the way:\n  unknown-kind: "),
        "{told}"
    );
    assert!(told.contains("\n  image-absent: the registry has no "), "{told}");
    stage.is_as_written("1.0.0");
    let history = stage.run(&["history"]).await.exits(0).json();
    assert_eq!(history["rollouts"].as_array().unwrap().len(), 1, "{history}");

    let plan = stage.run(&["plan", "--version", "2.0.0"]).await.exits(0).json();
    let codes: Vec<&str> =
        plan["problems"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["unknown-kind", "image-absent"], "{plan}");
    let shown = stage.run_text(&["plan", "--version", "2.0.0"]).await.exits(0).out;
    assert!(
        shown.contains("it would not be begun:\n  unknown-kind: the cluster has no kind Tide"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_named_and_so_are_all_of_who_has_none() {
    let Some(mut stage) = Stage::open("a missing right", "rightless", Door::Service).await else { return };
    stage.identity = "stranger";
    stage.settings(CANARY);
    stage.manifests("sample:1.0.0");
    for command in ["deploy", "plan"] {
        let said = stage.run(&[command, "--version", "1.0.0"]).await.exits(3);
        assert_eq!(said.reason(), "forbidden");
        let told = sentence(&said);
        for right in
            ["leases.coordination.k8s.io", "configmaps", "deployments.apps", "replicasets.apps", "pods/log"]
        {
            assert!(told.contains(right), "{right}: {told}");
        }
    }
    let rules = crate::rbac::rules(&[Feature::Look, Feature::Deploy], true);
    bind(&stage, "deployer", &rules, &["create", "leases.coordination.k8s.io"]).await;
    stage.identity = "deployer";
    stage.settings(CANARY);
    let before = objects(&stage);
    let said = stage.run(&["deploy", "--version", "1.0.0"]).await.exits(3);
    let place = format!("in namespace {}", stage.space.name);
    let told = sentence(&said);
    assert_eq!(said.reason(), "forbidden", "{told}");
    assert!(told.starts_with("this identity may not ") && told.contains(&place), "{told}");
    assert!(told.contains("create, delete, patch replicasets.apps") && !told.contains("leases"), "{told}");
    assert_eq!(objects(&stage), before);

    // What rolling needs is there.
    stage.settings(ROLLING);
    stage.run(&["deploy", "--version", "1.0.0"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_do_not_fit_into_the_quota_are_told_before() {
    let Some(stage) = Stage::open("a quota", "quotafull", Door::Service).await else { return };
    stage.space.apply(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: { name: small }\nspec: { hard: { pods: \"3\" } }\n",
    );
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    stage.settings(BLUE_GREEN);
    let said = stage.deploy("1.1.0").await.exits(1);
    assert_eq!(said.reason(), "quota-exceeded");
    assert!(sentence(&said).contains("2 of pods wanted, 1 of 3 left"), "{}", sentence(&said));
    stage.is_as_written("1.0.0");
    stage.settings(ROLLING);
    stage.deploy("1.1.0").await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_does_not_answer_is_waited_for_in_words_and_a_signal_ends_that() {
    let Some(stage) = Stage::open("a silent registry", "silentreg", Door::Service).await else { return };
    stage.settings(ROLLING);
    stage.manifests("sample:1.0.0");
    let file = stage.dir.path().join("deploy/shop.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&crate::parts::kube::image("sample:1.0.0"), "127.0.0.1:9/shop:1"))
        .unwrap();
    let before = objects(&stage);
    let mut child = stage.spawn(&["deploy", "--version", "1.0.0"]);
    let (mut err, mut said) = (child.stderr.take().unwrap(), String::new());
    let heard = async {
        while !said.contains("a registry has not told of its images") {
            let mut some = [0; 4096];
            let n = err.read(&mut some).await.unwrap();
            assert!(n > 0, "{said}");
            said += &String::from_utf8_lossy(&some[..n]);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heard).await.unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let answer = super::stage::said(child, &["deploy"]).await.exits(130);
    assert_eq!(answer.reason(), "cancelled");
    assert_eq!(objects(&stage), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_is_told_and_what_it_refuses_is_not_deployed() {
    let Some(stage) = Stage::open("a policy", "policed", Door::Service).await else { return };
    stage
        .settings_with(ROLLING, "policy: { no-limits: refuse, no-requests: refuse, no-network-policy: off }");
    let before = state(&stage);
    let said = stage.deploy("1.0.0").await.exits(3);
    assert_eq!(said.reason(), "policy");
    let told = sentence(&said);
    assert!(told.contains("for 2 findings:\n") && told.contains("shop.yaml:1: Deployment shop: "), "{told}");
    assert_eq!(state(&stage), before, "not even the lock was taken");
    let plan = stage.run(&["plan", "--version", "1.0.0"]).await.exits(0).json();
    assert_eq!(plan["problems"][0]["code"], "policy", "{plan}");
    let resources = "        resources: { limits: { memory: 256Mi, cpu: 1 } }";
    stage.manifests_with("sample:1.0.0", resources, "");
    let said = stage.run(&["deploy", "--version", "1.0.0"]).await.exits(0);
    let told = "things in the manifests (root-user 1, ";
    assert!(said.err.contains(told) && said.err.contains("`tidegate validate` tells each"), "{}", said.err);
    assert!(!said.err.contains("no-network-policy") && !said.err.contains("no-limits"), "{}", said.err);
}
