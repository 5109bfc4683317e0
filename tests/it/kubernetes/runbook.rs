//! The runbook's commands, each run in the state that its section is about.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use super::stage::{BLUE_GREEN, Door, ROLLING, Stage, said};
use crate::parts::kube::until;

const RUNBOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rollback.md");

/// The blocks of commands of a section.
fn blocks(section: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(RUNBOOK).unwrap();
    let start = text.find(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    let body = &text[start + 4..];
    let body = &body[..body.find("\n## ").unwrap_or(body.len())];
    let parts = body.split("```sh\n").skip(1).map(|part| part.split("```").next().unwrap());
    parts.map(|part| part.lines().map(str::to_owned).collect()).collect()
}

/// Every section that has commands.
fn sections() -> BTreeSet<String> {
    let text = fs::read_to_string(RUNBOOK).unwrap();
    let all = text.split("\n## ").skip(1).filter(|part| part.contains("```sh\n"));
    all.map(|part| part.lines().next().unwrap().to_owned()).collect()
}

/// Runs a line as a person would type it in the stage's folder.
fn typed(stage: &Stage, line: &str) -> Output {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().unwrap();
    let kubectl = stage.bed.kubectl("admin");
    let tools = std::path::Path::new(kubectl.get_program()).parent().unwrap().to_owned();
    let path = format!("{}:{}:{}", program.display(), tools.display(), std::env::var("PATH").unwrap());
    // In a namespace of a test `kubectl` has to be told which.
    let line = line.replacen("kubectl ", &format!("kubectl --namespace {} ", stage.space.name), 1);
    let mut command = Command::new("sh");
    command.args(["-c", &line]).current_dir(stage.dir.path()).env("PATH", path).env("USER", "ada");
    command.env("KUBECONFIG", stage.bed.kubeconfig("admin")).output().unwrap()
}

/// Runs a block; every command but the last must succeed, the last one must end so.
#[track_caller]
fn runs(stage: &Stage, block: &[String], code: i32) {
    for (at, line) in block.iter().enumerate() {
        let output = typed(stage, line);
        let wanted = if at + 1 == block.len() { code } else { 0 };
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(wanted), "{line}\n{said}");
    }
}

const WAITING: &str = "strategy: { canary: { weights: [{ weight: 50, confirm: true }], compare: false, at-most: 100ms } }\n    keep: 1m";

/// Every section is in one of these tests.
#[test]
fn every_section_with_commands_is_tested() {
    let tested = [
        "First: what is the case?",
        "Rolled back",
        "Live, and bad",
        "It waits",
        "Under way, and it should not be",
        "Lost runner",
        "Stuck",
        "Kubernetes without Tidegate",
        "A lost cluster",
        "The embedded target",
    ];
    assert_eq!(sections(), tested.into_iter().map(str::to_owned).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn endings_are_looked_at_and_gone_back_from() {
    let Some(stage) = Stage::open("the runbook: endings", "night-a", Door::Service).await else { return };
    // A cluster that has nothing.
    stage.settings(BLUE_GREEN);
    stage.manifests("sample:1.0.0");
    runs(&stage, &blocks("A lost cluster")[0], 0);
    stage.is_as_written("1.0.0");
    stage.deploy("2.0.0-crashing").await.exits(4);
    runs(&stage, &blocks("First: what is the case?")[0], 0);
    let rolled_back = blocks("Rolled back");
    runs(&stage, &rolled_back[0], 0);
    runs(&stage, &rolled_back[1], 0);
    stage.deploy("2.0.0").await.exits(0);
    // Back to 1.0.0, and then by name to 2.0.0.
    runs(&stage, &blocks("Live, and bad")[0], 0);
    stage.is_as_written("2.0.0");
    runs(&stage, &blocks("Kubernetes without Tidegate")[0], 0);
    stage.is_as_written("1.0.0");
    runs(&stage, &blocks("Kubernetes without Tidegate")[1], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_let_go_on_or_taken_back() {
    let Some(stage) = Stage::open("the runbook: waiting", "night-b", Door::Service).await else { return };
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    stage.settings(WAITING);
    stage.deploy("2.0.0").await.exits(6);
    let waits = blocks("It waits");
    runs(&stage, &waits[1], 0);
    stage.is_as_written("1.0.0");
    stage.deploy("2.0.0").await.exits(6);
    runs(&stage, &waits[0], 0);
    // One that works, in another process.
    stage.settings("strategy: { canary: { weights: [50], compare: false, at-most: 1m } }\n    keep: 0s");
    stage.manifests("sample:1.1.0");
    let works = stage.spawn(&["deploy", "--version", "1.1.0"]);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let stage = std::sync::Arc::new(stage);
    let typing = stage.clone();
    tokio::task::spawn_blocking(move || runs(&typing, &blocks("Under way, and it should not be")[0], 0))
        .await
        .unwrap();
    said(works, &["deploy"]).await.exits(4);
    // One whose runner dies, twice: once it is waited for, once it is taken over knowingly.
    for block in blocks("Lost runner") {
        let mut works = stage.spawn(&["deploy", "--version", "1.1.0"]);
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        works.kill().await.unwrap();
        if block.len() == 1 {
            stage.settings("strategy: rolling");
        }
        let typing = stage.clone();
        tokio::task::spawn_blocking(move || runs(&typing, &block, 0)).await.unwrap();
        stage.manifests("sample:1.0.0");
        stage.settings("strategy: { canary: { weights: [50], compare: false, at-most: 40s } }\n    keep: 0s");
    }
}

const NO_PODS: &str = "apiVersion: v1
kind: ResourceQuota
metadata: { name: nothing }
spec: { hard: { pods: '0' } }
";

/// The way back cannot be gone, because the cluster makes no more pods; once that is mended, it is gone to its end.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stuck_goes_on_once_it_is_mended() {
    let Some(stage) = Stage::open("the runbook: stuck", "night-c", Door::Service).await else { return };
    stage.settings("strategy: recreate\n    budgets: { back: 1m, restore: 15s }");
    stage.deploy("1.0.0").await.exits(0);
    stage.manifests("sample:2.0.0-never-ready");
    let works = stage.spawn(&["deploy", "--version", "2.0.0"]);
    until("the new pods are there", || {
        let pods =
            stage.space.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}"]);
        (pods.matches("never-ready").count() == 2 && !pods.contains("1.0.0")).then_some(())
    })
    .await;
    stage.space.apply(NO_PODS);
    stage.run(&["abort", "--reason", "it is night"]).await;
    let stuck = said(works, &["deploy"]).await.exits(5);
    assert!(stuck.json()["sentence"].as_str().unwrap().contains("tidegate resume production"), "{stuck:?}");
    runs(&stage, &blocks("First: what is the case?")[0], 0);
    stage.space.kubectl(&["delete", "resourcequota", "nothing"]);
    runs(&stage, &blocks("Stuck")[0], 4);
    stage.space.rolled_out("shop");
    let image = stage.space.kubectl(&[
        "get",
        "deployment",
        "shop",
        "-o",
        "jsonpath={.spec.template.spec.containers[0].image}",
    ]);
    assert!(image.ends_with("sample:1.0.0"), "{image}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_target_is_looked_at_and_started_again() {
    let Some(stage) = Stage::open("the runbook: embedded", "night-d", Door::Service).await else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = format!(
        "app: shop
environments:
  production:
    target: {{ local: {{ command: [{:?}, sample-app], listen: \"127.0.0.1:{port}\" }} }}
    health: {{ get: /health }}
",
        env!("CARGO_BIN_EXE_tidegate")
    );
    fs::write(stage.dir.path().join("tidegate.yaml"), settings).unwrap();
    stage.run(&["deploy", "--version", "1.0.0"]).await.exits(0);
    runs(&stage, &blocks("The embedded target")[0], 0);
    stage.run(&["local", "stop"]).await.exits(0);
    runs(&stage, &blocks("The embedded target")[0][1..], 0);
    stage.run(&["local", "stop"]).await.exits(0);
}
