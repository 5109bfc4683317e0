//! No request is lost, whatever is rolled out and back.

use std::time::Duration;

use super::stage::{BLUE_GREEN, CANARY, Door, ROLLING, Stage};
use crate::tiers::tell;

/// Rollouts at each door.
const ROLLOUTS: usize = 25;
/// Requests a second at each door.
const RATE: u32 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_rollouts_and_rollbacks_lose_no_request() {
    let (by_service, by_gateway) = tokio::join!(
        Stage::open("fifty rollouts lose nothing", "lossless", Door::Service),
        Stage::open("fifty rollouts lose nothing", "losslessgate", Door::Gateway)
    );
    let (Some(by_service), Some(by_gateway)) = (by_service, by_gateway) else { return };
    tokio::join!(many(&by_service), many(&by_gateway));
}

async fn many(stage: &Stage) {
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    let visitors = stage.visitors(RATE).await;
    let strategies = [ROLLING, BLUE_GREEN, CANARY];
    let mut version = "1.0.0";
    for turn in 0..ROLLOUTS {
        stage.settings(strategies[turn % strategies.len()]);
        // Every fifth is a rollback by hand.
        let other = if version == "1.0.0" { "2.0.0" } else { "1.0.0" };
        let said = if turn % 5 == 4 { stage.run(&["rollback"]).await } else { stage.deploy(other).await };
        let answer = said.exits(0).json();
        assert_eq!(answer["outcome"], "promoted", "turn {turn}: {answer}");
        version = other;
        stage.is_as_written(version);
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let ledger = visitors.stop().await;
    tell(&format!("{:?}: {ROLLOUTS} rollouts: {ledger}", stage.door));
    assert_eq!(ledger.lost, 0, "{:?}: {:?}", stage.door, ledger.losses);
    assert!(ledger.by_version.values().all(|version| version.errors == 0), "{ledger}");
}
