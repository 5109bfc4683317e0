//! A canary that is judged by what its pods count themselves.

use super::stage::{Door, ROLLING, Stage};
use crate::tiers::tell;

const JUDGED: &str = "strategy: { canary: { weights: [25, 50], compare: { errors: 1%, slower-than: 500ms, slow: 5%, inconclusive: pass }, at-most: 20s } }
    keep: 0s";

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_fails_or_is_slow_is_taken_back_on_evidence_and_a_good_one_is_not() {
    let Some(stage) = Stage::open("canaries are judged", "judged", Door::Gateway).await else { return };
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    let visitors = stage.visitors(100).await;
    stage.settings(JUDGED);
    for tag in ["2.0.0-failing", "2.0.0-slow"] {
        let answer = stage.deploy(tag).await.exits(4).json();
        let gate = answer["gates"].as_array().and_then(|gates| gates.last()).cloned().unwrap_or_default();
        tell(&format!("judged: {tag}: {}, {}", answer["seconds"], answer["sentence"]));
        assert_eq!(gate["verdict"], "fail", "{answer}");
        assert_eq!(answer["reason"], gate["code"], "{answer}");
        stage.is_as_written("1.0.0");
    }
    let answer = stage.deploy("2.0.0").await.exits(0).json();
    tell(&format!("judged: 2.0.0: {}, {}", answer["seconds"], answer["sentence"]));
    let gates = answer["gates"].as_array().unwrap();
    assert!(!gates.is_empty() && gates.iter().all(|gate| gate["verdict"] != "no-data"), "{answer}");
    stage.is_as_written("2.0.0");
    let ledger = visitors.stop().await;
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
}
