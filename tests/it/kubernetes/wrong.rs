//! What cannot begin: the exit code, the sentence, and that nothing is half done; and what is only large.

use std::fmt::Write as _;
use std::time::Instant;

use serde_json::{Value, json};

use super::stage::{BLUE_GREEN, CANARY, Door, ROLLING, Said, Stage};
use crate::parts::kube::until;
use crate::parts::tried;
use crate::tiers::tell;

/// What is in the namespace, Tidegate's journal aside.
fn things(stage: &Stage) -> Vec<String> {
    let kinds = "all,configmaps,secrets,serviceaccounts,roles,rolebindings";
    let names = stage.space.kubectl(&["get", kinds, "-l", "!tidegate.dev/journal", "-o", "name"]);
    names.lines().map(str::to_owned).collect()
}

/// Deploys, sees that it is refused so, and that nothing new is there.
#[track_caller]
fn refused(stage: &Stage, said: Said, before: &[String], code: i32, reason: &str, says: &[&str]) {
    let said = said.exits(code);
    assert_eq!(said.reason(), reason, "{}", said.out);
    let error = said.json()["error"].clone();
    let sentence = error["sentence"].as_str().unwrap();
    for part in says {
        let hints = error["hints"].to_string();
        assert!(sentence.contains(part) || hints.contains(part), "no `{part}` in: {sentence} {hints}");
    }
    tell(&format!("{reason}: {sentence}"));
    assert_eq!(things(stage), before, "{reason}: something is half done");
}

/// The settings with another kubeconfig.
fn by(stage: &Stage, kubeconfig: &str) {
    let file = stage.dir.path().join("tidegate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.trim_start().starts_with("kubeconfig:")).unwrap();
    std::fs::write(&file, text.replace(line, &format!("        kubeconfig: {kubeconfig}"))).unwrap();
}

/// A kubeconfig like the administrator's, changed, beside the settings.
fn kubeconfig(stage: &Stage, name: &str, change: impl FnOnce(&mut Value)) {
    let text = stage.space.kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]);
    let mut all: Value = serde_json::from_str(&text).unwrap();
    change(&mut all);
    std::fs::write(stage.dir.path().join(name), all.to_string()).unwrap();
    by(stage, name);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_cannot_be_reached_or_does_not_know_us_is_told_and_nothing_is_changed() {
    let Some(stage) = Stage::open("wrong ways to a cluster", "wrongway", Door::Service).await else { return };
    let before = things(&stage);
    stage.settings(CANARY);
    stage.manifests("sample:1.0.0");
    let deploy = ["deploy", "--version", "1.0.0"];
    std::fs::write(stage.dir.path().join("broken"), "clusters: [").unwrap();
    by(&stage, "broken");
    refused(&stage, stage.run(&deploy).await, &before, 2, "bad-kubeconfig", &["broken cannot be used"]);
    kubeconfig(&stage, "other", |all| all["current-context"] = "nowhere".into());
    refused(&stage, stage.run(&deploy).await, &before, 2, "bad-kubeconfig", &["nowhere"]);
    kubeconfig(&stage, "unknown", |all| all["users"][0]["user"] = json!({ "token": "expired" }));
    refused(
        &stage,
        stage.run(&deploy).await,
        &before,
        3,
        "unauthorized",
        &["the credentials are refused", "renew"],
    );
    let status = stage.run(&["status"]).await.exits(3);
    assert_eq!(status.reason(), "unauthorized");
    stage.settings(CANARY);
    let file = stage.dir.path().join("tidegate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&stage.space.name, "no-such-namespace")).unwrap();
    let says = ["namespaces \"no-such-namespace\" not found", "kubectl create namespace"];
    refused(&stage, stage.run(&deploy).await, &before, 1, "not-found", &says);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_named() {
    let Some(mut stage) = Stage::open("missing rights", "toosmall", Door::Service).await else { return };
    stage.identity = "deployer";
    stage.settings(CANARY);
    stage.manifests("sample:1.0.0");
    let deploy = ["deploy", "--version", "1.0.0"];
    let before = things(&stage);
    let says = ["\"deployer\"", "give this identity the right"];
    refused(&stage, stage.run(&deploy).await, &before, 3, "forbidden", &says);
    // It may look at everything and keep its own state, and change nothing.
    stage.space.apply(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: small }
rules:
- { apiGroups: ['*'], resources: ['*'], verbs: [get, list, watch] }
- { apiGroups: [''], resources: [configmaps], verbs: [create, update, patch, delete] }
- { apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, update] }
",
    );
    stage.space.kubectl(&["create", "rolebinding", "small", "--role=small", "--user=deployer"]);
    let before = things(&stage);
    may(&stage, "create", "leases.coordination.k8s.io").await;
    let says = ["\"deployer\" cannot patch resource", "give this identity the right"];
    refused(&stage, stage.run(&deploy).await, &before, 3, "forbidden", &says);
    stage.space.kubectl(&["create", "rolebinding", "edit", "--clusterrole=cluster-admin", "--user=deployer"]);
    may(&stage, "patch", "deployments.apps").await;
    stage.run(&deploy).await.exits(0);
    stage.is_as_written("1.0.0");
}

/// Waits until a role is in force.
async fn may(stage: &Stage, verb: &str, resource: &str) {
    until(&format!("the deployer may {verb} {resource}"), || {
        let mut ask = stage.bed.kubectl("deployer");
        let asked = tried(ask.args(["-n", &stage.space.name, "auth", "can-i", verb, resource]));
        asked.status.success().then_some(())
    })
    .await;
}

const WIDGET: &str = "---\napiVersion: example.com/v1\nkind: Widget\nmetadata: { name: one }\n";
const LARGE: usize = 1_500_000;

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_the_cluster_does_not_take_change_nothing() {
    let Some(stage) = Stage::open("wrong manifests", "wrongwords", Door::Service).await else { return };
    let empty = things(&stage);
    let large = format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: large }}\ndata: {{ a: {} }}\n",
        "x".repeat(LARGE)
    );
    let misspelled = "        imagePullPolice: Always";
    for strategy in [ROLLING, BLUE_GREEN] {
        stage.settings(strategy);
        let before = things(&stage);
        let says = [
            "the cluster has no kind Widget in example.com/v1",
            "needs (",
            "shop.yaml:33)",
            "CustomResourceDefinition",
        ];
        stage.manifests_with("sample:2.0.0", "", WIDGET);
        let deploy = ["deploy", "--version", "2.0.0"];
        refused(&stage, stage.run(&deploy).await, &before, 1, "unknown-kind", &says);
        stage.manifests_with("sample:2.0.0", misspelled, "");
        let says = ["Deployment shop (", "shop.yaml:1) is refused by the API server", "imagePullPolice"];
        refused(&stage, stage.run(&deploy).await, &before, 1, "invalid", &says);
        stage.manifests_with("sample:2.0.0", "", &large);
        let says = ["ConfigMap large (", "may not be more than 1048576 bytes"];
        refused(&stage, stage.run(&deploy).await, &before, 1, "invalid", &says);
        if before == empty {
            stage.deploy("1.0.0").await.exits(0);
        }
    }
    stage.is_as_written("1.0.0");
    // Somebody else has an opinion on a field.
    let port = r#"{"spec":{"ports":[{"port":80,"targetPort":8080,"appProtocol":"http"}]}}"#;
    stage.space.kubectl(&["patch", "service", "shop", "--field-manager=mesh", "-p", port]);
    stage.space.kubectl(&["set", "image", "deployment/shop", "app=nowhere/other", "--field-manager=robot"]);
    let before = things(&stage);
    let says = ["Deployment shop (", "name=\"app\"].image` by robot", "take-over: true"];
    refused(&stage, stage.deploy("2.0.0").await, &before, 1, "conflict", &says);
}

/// So many documents of so many bytes, which do not shrink when they are packed.
fn maps(documents: usize, bytes: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}")
    };
    let mut text = String::new();
    for number in 0..documents {
        let data: String = std::iter::repeat_with(&mut noise).take(bytes.div_ceil(16)).collect();
        write!(text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: c{number} }}\ndata: {{ a: \"{data}\" }}\n").unwrap();
    }
    text
}

fn count(stage: &Stage) -> usize {
    things(stage).iter().filter(|name| name.starts_with("configmap/c")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_megabytes_and_five_hundred_objects_are_deployed_and_gone_back_from() {
    let Some(stage) = Stage::open("large releases", "large", Door::Service).await else { return };
    stage.settings(BLUE_GREEN);
    for (documents, bytes) in [(6, 900_000), (498, 100)] {
        let all = maps(documents, bytes);
        stage.manifests_with("sample:1.0.0", "", &all);
        let began = Instant::now();
        stage.run(&["deploy", "--version", &format!("1.0.0-{documents}")]).await.exits(0);
        let first = began.elapsed().as_secs_f64();
        stage.is_as_written("1.0.0");
        assert_eq!(count(&stage), documents);
        stage.manifests_with("sample:2.0.0", "", &all);
        let began = Instant::now();
        stage.run(&["deploy", "--version", &format!("2.0.0-{documents}")]).await.exits(0);
        let second = began.elapsed().as_secs_f64();
        let began = Instant::now();
        stage.run(&["rollback"]).await.exits(0);
        let back = began.elapsed().as_secs_f64();
        stage.is_as_written("1.0.0");
        assert_eq!(count(&stage), documents);
        let large = all.len() / 1000;
        tell(&format!(
            "{documents} more objects, {large} kB: first {first:.1} s, next {second:.1} s, back {back:.1} s"
        ));
    }
}
