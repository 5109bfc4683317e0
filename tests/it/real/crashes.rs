//! Kills with nothing to fall back on: the very first deploy, and the whole machine.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::dice::{self, Dice};
use super::stage::{Answer, Fault, Stage, Strategy, finished};
use super::{ms, processes, tell, visitors, wanted};

/// Kills of a first deploy.
const FIRST: usize = 8;

/// Crashes of the machine for each strategy.
const CRASHES: usize = 2;

/// After a crash of everything the release that is live has to be whole again within this time.
const RECOVERY: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_deploy_killed_at_any_moment_is_gone_on_with_or_leaves_nothing() {
    if !wanted("8 kills of a first deploy") {
        return;
    }
    let seed = dice::seed();
    let mut dice = Dice::new(seed, 200);
    let began = Instant::now();
    first(&Stage::new(), "v1").await;
    let whole = began.elapsed();
    for number in 0..FIRST {
        let stage = Stage::new();
        stage.configure(Strategy::BlueGreen, Fault::None);
        let after = whole.mul_f64((number as f64 + dice.share()) / FIRST as f64);
        kill(&stage, "v1", after).await;
        let then: &[&str] = [&["resume"], &["abort"], &["deploy", "--version", "v1"][..]][number % 3];
        let answer = stage.run(then).await;
        let status = stage.run(&["status"]).await.json;
        let story = || format!("TIDEGATE_SEED={seed}, after {after:?}, {then:?}: {answer:?}\n{status}");
        match (then[0], answer.word()) {
            ("resume" | "abort", "nothing-open" | "failed") if empty(&status) => {}
            // Done, either by what came then or before it could be killed.
            (_, "promoted" | "nothing" | "nothing-open") => {
                assert_eq!(visitors::whole(&status), Ok("v1".into()), "{}", story());
            }
            _ => panic!("{}", story()),
        }
        first(&stage, "v2").await;
    }
    tell(&format!("kills of a first deploy: {FIRST} in {:.0} s", began.elapsed().as_secs_f64()));
}

/// Nothing is live, and nothing runs or gets requests.
fn empty(status: &Value) -> bool {
    let sets = status["sets"].as_array().map_or(0, Vec::len);
    status["live"].is_null() && status["rollout"].is_null() && sets == 0
}

async fn first(stage: &Stage, version: &str) -> Answer {
    stage.configure(Strategy::BlueGreen, Fault::None);
    let answer = stage.deploy(version).await;
    assert_eq!(answer.word(), "promoted", "{}\n{}", answer.json, answer.log);
    answer
}

async fn kill(stage: &Stage, version: &str, after: Duration) {
    let mut deploy = stage.deploying(version);
    tokio::time::sleep(after).await;
    let _ = deploy.start_kill();
    finished(deploy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_of_everything_one_release_serves_again() {
    if !wanted("8 crashes of everything at once") {
        return;
    }
    let (seed, began) = (dice::seed(), Instant::now());
    let plays = Strategy::ALL
        .iter()
        .enumerate()
        .map(|(index, strategy)| tokio::spawn(crash_all(*strategy, Dice::new(seed, 300 + index as u64))));
    let mut faults = Vec::new();
    for play in plays.collect::<Vec<_>>() {
        match play.await.unwrap() {
            Ok(told) => tell(&told),
            Err(fault) => faults.push(fault),
        }
    }
    tell(&format!("crashes of everything: {:.0} s, TIDEGATE_SEED={seed}", began.elapsed().as_secs_f64()));
    assert!(faults.is_empty(), "TIDEGATE_SEED={seed}\n{}", faults.join("\n\n"));
}

async fn crash_all(strategy: Strategy, mut dice: Dice) -> Result<String, String> {
    let stage = Stage::new();
    first(&stage, "v0").await;
    stage.configure(strategy, Fault::None);
    let began = Instant::now();
    let timed = stage.deploy("timed").await;
    if timed.word() != if strategy == Strategy::Canary { "rolled-back" } else { "promoted" } {
        return Err(format!("{strategy:?}, undisturbed: {}", timed.json));
    }
    // Nobody visits before the crash, so the comparison of a canary has no data, which is never a pass.
    let mut old = if strategy == Strategy::Canary { "v0" } else { "timed" }.to_owned();
    let (whole, mut told) = (began.elapsed(), Vec::new());
    for number in 0..CRASHES {
        let after = whole.mul_f64((number as f64 + dice.share()) / CRASHES as f64);
        let version = format!("v{}", number + 1);
        let mut deploy = stage.deploying(&version);
        tokio::time::sleep(after).await;
        let _ = deploy.start_kill();
        finished(deploy).await;
        processes::end_all(stage.path()).await;
        let crashed = Instant::now();
        let answer = stage.run(&["resume"]).await;
        let live = whole_again(&stage).await;
        let recovered = crashed.elapsed().as_millis();
        let story = stage.story().await;
        let fault = |why: String| {
            format!("{strategy:?}, crash after {after:?}: {why}\n{}\n{}\n{story}", answer.json, answer.log)
        };
        let live = live.map_err(fault)?;
        if live != old && live != version {
            return Err(fault(format!("{live} is live, neither {old} nor {version}")));
        }
        let visitors = visitors::visit(&stage, 50);
        let met = visitors::live(&stage, &visitors).await;
        let ledger = visitors.stop().await;
        if met.as_ref() != Ok(&live) || ledger.lost > 0 {
            return Err(fault(format!("visitors meet {met:?}; {}", visitors::losses(&ledger))));
        }
        let (after, word) = (after.as_millis(), answer.word());
        told.push(format!("after {after} ms: {word} ({live} serves, {recovered} ms after the crash)"));
        old = live;
    }
    Ok(format!("crash of everything, {strategy:?}: {}", told.join("; ")))
}

async fn whole_again(stage: &Stage) -> Result<String, String> {
    let until = Instant::now() + RECOVERY;
    loop {
        match visitors::whole(&stage.run(&["status"]).await.json) {
            Err(_) if Instant::now() < until => tokio::time::sleep(ms(50)).await,
            result => return result,
        }
    }
}
