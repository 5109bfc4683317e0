//! What disturbs the whole cluster: these tests run one after the other, when no other test uses it (tests/run.sh).

use std::time::Duration;

use testbed::{Part, Request};
use tidegate::sample::Ledger;

use crate::kubernetes::stage::{Door, ROLLING, Said, Stage, said};
use crate::parts::kube::until;
use crate::tiers::tell;

const PARTS: [Part; 3] = [Part::Node(1), Part::Node(2), Part::Gateway];

/// A canary that takes some fifteen seconds.
const SLOW_CANARY: &str = "strategy: { canary: { weights: [20, 40, 60], compare: false, at-most: 4s } }
    keep: 0s
    budgets: { step: 1m, back: 3m }";

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
    live
}

/// What was lost outside of the time in which a node was away.
fn lost_otherwise(ledger: &Ledger, from: Duration, to: Duration) -> usize {
    ledger.losses.iter().filter(|loss| loss.at < from || loss.at > to).count()
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
        let kill = Request::Signal("KILL".into(), "kube-apiserver".into());
        stage.bed.ask(kill, &|_| ()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        stage.bed.ask(Request::Up(PARTS.to_vec()), &|_| ()).await.unwrap();
        let live = ended(&stage, said(works, &["deploy"]).await).await;
        tell(&format!(
            "the API server was away for 3 s after {after} s of the rollout of {tag}: {live} is live"
        ));
    }
    let ledger = visitors.stop().await;
    tell(&format!("an API server that dies: {ledger}"));
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_in_the_middle_leaves_all_new_or_all_old() {
    let Some(mut stage) = Stage::open("a node is cut off", "cutoff", Door::Gateway).await else { return };
    stage.replicas = 3;
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    let visitors = stage.visitors(50).await;
    stage.settings(SLOW_CANARY);
    stage.manifests("sample:2.0.0");
    let works = stage.spawn(&["deploy", "--version", "2.0.0"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let from = visitors.elapsed();
    stage.bed.ask(Request::Cut("node2".into()), &|_| ()).await.unwrap();
    let outcome = said(works, &["deploy"]).await;
    stage.bed.ask(Request::Join("node2".into()), &|_| ()).await.unwrap();
    let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    until("node2 is ready again", || {
        (stage.space.kubectl(&["get", "node", "node2", "-o", ready]) == "True").then_some(())
    })
    .await;
    let to = visitors.elapsed() + Duration::from_secs(15);
    let live = ended(&stage, outcome).await;
    tokio::time::sleep(Duration::from_secs(17)).await;
    let ledger = visitors.stop().await;
    tell(&format!("a node cut off: {live} is live; {ledger}"));
    assert_eq!(lost_otherwise(&ledger, from, to), 0, "{:?}", ledger.losses);
}
