//! What visitors see, and whether it is all of one release.

use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate::sample::Ledger;
use tidegate::sample::load::{Load, LoadHandle, Mix};

use super::ms;
use super::stage::Stage;

/// How long a release that is live may take to answer somebody.
const PATIENCE: Duration = Duration::from_secs(15);

/// Visitors of every kind, `rate` of them a second.
pub(super) fn visit(stage: &Stage, rate: u32) -> LoadHandle {
    // A machine that is busy with other tests is slow, which is no loss; a request that never ends still is one.
    let timeout = Duration::from_secs(40);
    Load { mix: Mix::everything(), timeout, max_in_flight: 2048, ..Load::new(stage.address, rate) }.start()
}

/// The one version that is live: the journal, the supervisor and whoever answers visitors agree on it.
///
/// # Errors
/// What does not agree.
pub(super) async fn live(stage: &Stage, visitors: &LoadHandle) -> Result<String, String> {
    let status = stage.run(&["status"]).await;
    let version = whole(&status.json)?;
    let from = visitors.elapsed();
    let until = Instant::now() + PATIENCE;
    loop {
        tokio::time::sleep(ms(150)).await;
        let ledger = visitors.snapshot();
        let seen: Vec<String> = ledger.versions_seen_after(from).into_keys().map(str::to_owned).collect();
        match seen.as_slice() {
            [only] if *only == version => return Ok(version),
            [] if Instant::now() < until => {}
            others => return Err(format!("{version} is live, but visitors meet {others:?}")),
        }
    }
}

/// The one version that has all requests by a status, with no rollout open.
///
/// # Errors
/// What is not as it should be.
pub(super) fn whole(status: &Value) -> Result<String, String> {
    let fault = |what: &str| Err(format!("{what}: {status}"));
    let Some(live) = status["live"].as_str() else { return fault("nothing is live") };
    if status["reachable"] != true {
        return fault("the target does not answer");
    }
    if !status["rollout"].is_null() || !status["locked_by"].is_null() {
        return fault("a rollout is still open or worked on");
    }
    let sets = status["sets"].as_array().cloned().unwrap_or_default();
    let loaded: Vec<&Value> = sets.iter().filter(|set| set["weight_percent"] != 0.0).collect();
    let [only] = loaded.as_slice() else { return fault("not exactly one set has requests") };
    if only["weight_percent"] != 100.0 || only["version"] != live {
        return fault("the live version does not have all requests");
    }
    if only["ready"] != only["desired"] || only["desired"] != 2 {
        return fault("the live set is not whole");
    }
    Ok(live.to_owned())
}

/// How requests were lost, for the story of a failure.
pub(super) fn losses(ledger: &Ledger) -> String {
    let line = |loss: &tidegate::sample::Loss| {
        format!(
            "  at {:.3} s: {} {}: {} (connection {:?} old)",
            loss.at.as_secs_f64(),
            loss.kind,
            loss.what,
            loss.detail,
            loss.connection_age
        )
    };
    let lost: Vec<String> = ledger.losses.iter().map(line).collect();
    format!("{} lost, {:?}\n{}", ledger.lost, ledger.by_loss, lost.join("\n"))
}
