//! A hundred rollouts in a row under every kind of traffic, good and bad ones, forwards and back: not one request is lost.

use std::time::Instant;

use tidegate::sample::load::LoadHandle;

use super::stage::{Answer, Fault, Stage, Strategy};
use super::{tell, visitors, wanted};

const ROLLOUTS: usize = 100;

/// Visitors a second.
const RATE: u32 = 150;

/// Requests that may find their kept connection closed, over all rollouts. A router that keeps its connections open through
/// every change has none; a few are left to the chance that a connection ends for idleness just then.
const RECONNECTED: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_deploys_and_rollbacks_lose_no_request() {
    if !wanted("100 deploys and rollbacks in a row") {
        return;
    }
    let stage = Stage::new();
    stage.configure(Strategy::BlueGreen, Fault::None);
    let first = stage.deploy("v0").await;
    assert_eq!(first.word(), "promoted", "{}\n{}", first.json, first.log);
    let visitors = visitors::visit(&stage, RATE);
    let began = Instant::now();
    let mut live = vec!["v0".to_owned()];
    let mut fault = None;
    for number in 1..=ROLLOUTS {
        if let Err(what) = rollout(&stage, &visitors, number, &mut live).await {
            fault = Some(what);
            break;
        }
    }
    let took = began.elapsed().as_secs_f64();
    let end = visitors::live(&stage, &visitors).await;
    let story = stage.story().await;
    let ledger = visitors.stop().await;
    let again: Vec<_> = ledger.reconnects.iter().map(|first| (first.kind, &first.detail)).collect();
    let kinds: Vec<_> =
        ledger.by_kind.iter().map(|(kind, tally)| format!("{} {kind}", tally.answered)).collect();
    let (requests, lost, kinds) = (ledger.requests, ledger.lost, kinds.join(", "));
    tell(&format!("no loss: {ROLLOUTS} rollouts in {took:.0} s; {requests} requests, {lost} lost; {kinds}"));
    tell(&format!("no loss: {} requests were sent again on a new connection: {again:?}", ledger.reconnected));
    assert_eq!(fault, None, "{}\n{story}", visitors::losses(&ledger));
    assert_eq!(ledger.lost, 0, "{}\n{story}", visitors::losses(&ledger));
    assert_eq!(end.as_ref(), Ok(live.last().unwrap()));
    assert!(ledger.reconnected <= RECONNECTED, "{again:?}");
    // Else nothing would be proved of the kind that did not come.
    assert!(ledger.by_kind.len() == 7 && ledger.by_kind.values().all(|kind| kind.answered > 100), "{kinds}");
}

/// The next rollout: mostly good deploys by each strategy in turn, each fifth one a bad one, each fourth one a rollback.
async fn rollout(
    stage: &Stage,
    visitors: &LoadHandle,
    number: usize,
    live: &mut Vec<String>,
) -> Result<(), String> {
    let strategy = Strategy::ALL[(number + number / 4) % 4];
    let version = format!("v{number}");
    let (answer, expected) = if number.is_multiple_of(4) && live.len() > 1 {
        stage.configure(strategy, Fault::None);
        live.pop();
        (stage.run(&["rollback"]).await, "promoted")
    } else if number % 5 == 3 {
        stage.configure(strategy, if number.is_multiple_of(2) { Fault::Fails } else { Fault::Stranger });
        (stage.deploy(&version).await, "rolled-back")
    } else {
        stage.configure(strategy, Fault::None);
        live.push(version.clone());
        (stage.deploy(&version).await, "promoted")
    };
    judged(number, strategy, &answer, expected, visitors, live)
}

fn judged(
    number: usize,
    strategy: Strategy,
    answer: &Answer,
    expected: &str,
    visitors: &LoadHandle,
    live: &[String],
) -> Result<(), String> {
    let place = format!("rollout {number}, {strategy:?}");
    let ledger = visitors.snapshot();
    if ledger.lost > 0 {
        return Err(format!("{place}: requests were lost\n{}", answer.json));
    }
    let version = answer.json["version"].as_str().unwrap_or_default();
    if answer.word() != expected || (expected == "promoted" && live.last().is_none_or(|live| live != version))
    {
        let (json, log) = (&answer.json, &answer.log);
        return Err(format!("{place}: it was to be {expected}, with {:?} live: {json}\n{log}", live.last()));
    }
    Ok(())
}
