//! The cluster itself fails in the middle of a rollout: all new or all old in the end, and nothing lost.

use std::time::Duration;

use serde_json::Value;
use testbed::{Part, Request};
use tidegate::sample::Ledger;

use super::stage::{Door, ROLLING, Said, Stage, said};
use crate::parts::kube::until;
use crate::tiers::tell;

const PARTS: [Part; 3] = [Part::Node(1), Part::Node(2), Part::Gateway];

/// A canary that takes some fifteen seconds.
const SLOW_CANARY: &str = "strategy: { canary: { weights: [20, 40, 60], compare: false, at-most: 4s } }
    keep: 0s
    budgets: { step: 30s, back: 40s }";

/// One ending or another, and nothing in between: a run that lost its lock is gone on with by the next.
async fn ended(stage: &Stage, said: Said) -> String {
    let last = match said.code {
        0 | 4 => said,
        _ => stage.run(&["resume"]).await,
    };
    assert!(matches!(last.code, 0 | 4), "{last:?}");
    let status = stage.run(&["status"]).await.exits(0).json();
    let live = status["live"].as_str().unwrap().to_owned();
    stage.space.rolled_out("shop");
    stage.is_as_written(&live);
    format!("{live} is live: {}", last.json()["sentence"])
}

/// What was lost outside of the time in which requests were sent to a node that was away, each of which may take ten seconds to be
/// given up.
fn lost_otherwise(ledger: &Ledger, from: Duration, to: Duration) -> usize {
    let to = to + Duration::from_secs(12);
    ledger.losses.iter().filter(|loss| loss.at < from || loss.at > to).count()
}

/// Waits until no Service leads to a pod on node2 any more: from then on nobody may be sent there.
async fn is_avoided(stage: &Stage) {
    let leads_there = |endpoint: &Value| {
        endpoint["nodeName"] == "node2" && endpoint["conditions"]["ready"] != Value::Bool(false)
    };
    until("no Service leads to node2", || {
        let slices = stage.space.json(&["get", "endpointslices"]);
        let slices = slices["items"].as_array().unwrap();
        let mut endpoints = slices.iter().filter_map(|slice| slice["endpoints"].as_array()).flatten();
        (!endpoints.any(leads_there)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_dies_in_the_middle_costs_no_request() {
    let Some(stage) = Stage::open("the API server dies", "headless", Door::Gateway).await else { return };
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    let visitors = stage.visitors(100).await;
    stage.settings(SLOW_CANARY);
    for (tag, after) in [("2.0.0", 3), ("1.0.0", 8)] {
        stage.manifests(&format!("sample:{tag}"));
        let works = stage.spawn(&["deploy", "--version", tag]);
        tokio::time::sleep(Duration::from_secs(after)).await;
        let kill = Request::Signal("kube-apiserver".into(), "KILL".into());
        stage.bed.ask(kill, &|_| ()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        stage.bed.ask(Request::Up(PARTS.to_vec()), &|_| ()).await.unwrap();
        let live = ended(&stage, said(works, &["deploy"]).await).await;
        tell(&format!("the API server was away for 3 s after {after} s of the rollout of {tag}: {live}"));
    }
    let ledger = visitors.stop().await;
    tell(&format!("an API server that dies: {ledger}"));
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
}

/// Brings the node back, whatever the test came to.
struct Joined<'a>(&'a Stage);

impl Joined<'_> {
    async fn again(&self) {
        self.0.bed.ask(Request::Join("node2".into()), &|_| ()).await.unwrap();
        let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        until("node2 is ready again", || {
            (self.0.space.kubectl(&["get", "node", "node2", "-o", ready]) == "True").then_some(())
        })
        .await;
    }
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.again()));
        }
    }
}

/// The manifests, with the pods on both nodes.
fn spread(stage: &Stage, tag: &str) {
    stage.manifests(&format!("sample:{tag}"));
    let file = stage.dir.path().join("deploy/shop.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let constraint = "topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: { matchLabels: { app: shop } }
        matchLabelKeys: [pod-template-hash]
      terminationGracePeriodSeconds:";
    let spread = text.replacen("terminationGracePeriodSeconds:", constraint, 1);
    assert_ne!(spread, text);
    std::fs::write(&file, spread).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_in_the_middle_leaves_all_new_or_all_old() {
    let Some(mut stage) = Stage::open("a node is cut off", "cutoff", Door::Gateway).await else { return };
    stage.replicas = 4;
    stage.settings(ROLLING);
    spread(&stage, "1.0.0");
    stage.run(&["deploy", "--version", "1.0.0"]).await.exits(0);
    let visitors = stage.visitors(50).await;
    stage.settings(SLOW_CANARY);
    spread(&stage, "2.0.0");
    let works = stage.spawn(&["deploy", "--version", "2.0.0"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let pods = stage.space.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"]);
    assert!(pods.contains("node2"), "{pods}");
    let from = visitors.elapsed();
    let cut = Joined(&stage);
    stage.bed.ask(Request::Cut("node2".into()), &|_| ()).await.unwrap();
    is_avoided(&stage).await;
    let to = visitors.elapsed();
    let outcome = said(works, &["deploy"]).await;
    // Pods that the node has taken up, or never takes up, cannot be ready: whatever comes of it, the reason names the node.
    let sentence = outcome.json()["sentence"].to_string();
    assert!(outcome.code == 0 || sentence.contains("node2"), "{outcome:?}");
    tell(&format!("a node cut off: {sentence}"));
    cut.again().await;
    let live = ended(&stage, outcome).await;
    tokio::time::sleep(Duration::from_secs(17)).await;
    let ledger = visitors.stop().await;
    tell(&format!("a node cut off: {live}; {ledger}"));
    assert_eq!(lost_otherwise(&ledger, from, to), 0, "{:?}", ledger.losses);
}
