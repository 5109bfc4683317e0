//! The binary is killed at random moments, and another process ends what it left: all new or all old, and nothing lost.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::stage::{BLUE_GREEN, CANARY, Door, ROLLING, Stage, said};
use crate::real::dice::{Dice, seed};
use crate::tiers::tell;

/// Kills in each of the four namespaces.
const KILLS: usize = 10;
/// Requests a second at each door.
const RATE: u32 = 50;
/// The longest time until a kill: a rollout of these is done in about seven seconds.
const LATEST: f64 = 6.5;

#[tokio::test(flavor = "multi_thread")]
async fn forty_kills_leave_all_new_or_all_old_and_lose_nothing() {
    let name = "forty kills";
    let (one, two, three, four) = tokio::join!(
        Stage::open(name, "killed-a", Door::Service),
        Stage::open(name, "killed-b", Door::Service),
        Stage::open(name, "killed-c", Door::Gateway),
        Stage::open(name, "killed-d", Door::Gateway)
    );
    let (Some(one), Some(two), Some(three), Some(four)) = (one, two, three, four) else { return };
    let seed = seed();
    tell(&format!("forty kills: TIDEGATE_SEED={seed}"));
    tokio::join!(many(&one, seed, 1), many(&two, seed, 2), many(&three, seed, 3), many(&four, seed, 4));
}

async fn many(stage: &Stage, seed: u64, stream: u64) {
    let mut dice = Dice::new(seed, stream);
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    let visitors = stage.visitors(RATE).await;
    let strategies = [ROLLING, BLUE_GREEN, CANARY];
    let mut live = "1.0.0".to_owned();
    let mut story = Vec::new();
    for turn in 0..KILLS {
        stage.settings(strategies[turn % strategies.len()]);
        let other = if live == "1.0.0" { "2.0.0" } else { "1.0.0" };
        stage.manifests(&format!("sample:{other}"));
        let child = stage.spawn(&["deploy", "--version", other]);
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        let moment = Duration::from_secs_f64(dice.share() * LATEST);
        tokio::time::sleep(moment).await;
        // One that is done already is not there to be killed.
        let _ = kill_process(pid, Signal::KILL);
        let ended = said(child, &["deploy"]).await;
        // Who takes over says so knowingly; else it would wait until the lease of the dead runs out.
        stage.run(&["unlock", "--force"]).await.exits(0);
        let resumed = stage.run(&["resume"]).await;
        assert!(
            matches!(resumed.code, 0 | 4),
            "turn {turn} after {moment:.1?}: {resumed:?}\nkilled: {}",
            ended.err
        );
        let status = stage.run(&["status"]).await.exits(0).json();
        status["live"].as_str().unwrap_or_else(|| panic!("{status}")).clone_into(&mut live);
        story.push(format!("{moment:.1?} {live}"));
        let differs = stage.differs(&live);
        assert!(
            differs.is_empty(),
            "seed {seed}, turn {turn}, killed after {moment:.1?}: {differs:#?}\nkilled: {}\nresumed: {resumed:?}",
            ended.err
        );
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let ledger = visitors.stop().await;
    tell(&format!("{:?}, seed {seed}: {} kills ({}): {ledger}", stage.door, KILLS, story.join(", ")));
    assert_eq!(ledger.lost, 0, "{:?}, seed {seed}: {:?}", stage.door, ledger.losses);
}
