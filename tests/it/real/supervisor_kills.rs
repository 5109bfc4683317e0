//! The supervisor is killed at any moment of a rollout: the standby takes its place, the rollout goes on to its end, and no
//! request is lost but those on connections that the killed process had in its hands.

use std::time::{Duration, Instant};

use tidegate::sample::Loss;
use tidegate::sample::load::LoadHandle;

use super::dice::{self, Dice};
use super::stage::{Fault, Stage, Strategy, finished};
use super::{ms, processes, tell, visitors, wanted};

/// Kills for each strategy: 15 in all.
const KILLS: [usize; 4] = [4, 4, 4, 3];

/// Visitors a second for each of the four environments.
const RATE: u32 = 70;

/// What the kills of one strategy came to.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    in_flight: u64,
    lost: u64,
    requests: u64,
    reconnected: u64,
    story: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_supervisor_is_replaced_and_the_rollout_goes_on() {
    if !wanted("15 kills of the supervisor") {
        return;
    }
    let (seed, began) = (dice::seed(), Instant::now());
    let plays = Strategy::ALL.iter().zip(KILLS).enumerate().map(|(index, (strategy, kills))| {
        tokio::spawn(play(*strategy, kills, Dice::new(seed, 100 + index as u64)))
    });
    let mut faults = Vec::new();
    for (play, strategy) in plays.collect::<Vec<_>>().into_iter().zip(Strategy::ALL) {
        match play.await.unwrap() {
            Ok(Tally { kills, in_flight, lost, requests, reconnected, .. }) => tell(&format!(
                "kills of the supervisor, {strategy:?}: {kills}; {requests} requests, {lost} lost on connections to the \
                 killed processes, which had {in_flight} in flight, {reconnected} sent again on a new connection"
            )),
            Err(fault) => faults.push(fault),
        }
    }
    tell(&format!("kills of the supervisor: {:.0} s, TIDEGATE_SEED={seed}", began.elapsed().as_secs_f64()));
    assert!(faults.is_empty(), "TIDEGATE_SEED={seed}\n{}", faults.join("\n\n"));
}

async fn play(strategy: Strategy, kills: usize, mut dice: Dice) -> Result<Tally, String> {
    let stage = Stage::new();
    stage.configure(strategy, Fault::None);
    let first = stage.deploy("first").await;
    if first.word() != "promoted" {
        return Err(format!("{strategy:?}: the first deploy: {}\n{}", first.json, first.log));
    }
    let visitors = visitors::visit(&stage, RATE);
    let mut tally = Tally::default();
    let played = kill_all(&stage, &visitors, strategy, kills, &mut dice, &mut tally).await;
    let story = stage.story().await;
    let ledger = visitors.stop().await;
    (tally.requests, tally.reconnected) = (ledger.requests, ledger.reconnected);
    let fault = match played {
        Err(fault) => fault,
        Ok(()) if ledger.lost > tally.lost => "requests were lost after the last kill".to_owned(),
        Ok(()) => return Ok(tally),
    };
    let told = tally.story.join("\n");
    Err(format!("{strategy:?}: {fault}\n{told}\n{}\n{story}", visitors::losses(&ledger)))
}

async fn kill_all(
    stage: &Stage,
    visitors: &LoadHandle,
    strategy: Strategy,
    kills: usize,
    dice: &mut Dice,
    tally: &mut Tally,
) -> Result<(), String> {
    let began = Instant::now();
    let mut live = "timed".to_owned();
    let timed = stage.deploy(&live).await;
    let whole = began.elapsed();
    if timed.word() != "promoted" {
        return Err(format!("undisturbed, the deploy ended so: {}", timed.json));
    }
    for round in 0..kills {
        let fault = if round + 1 == kills { Fault::Fails } else { Fault::None };
        let share = (round as f64 + dice.share()) / kills as f64;
        let after = whole.mul_f64(share * 0.9);
        let version = format!("v{round}");
        tally
            .story
            .push(format!("{version}, fault {fault:?}, supervisor killed after {} ms", after.as_millis()));
        live = one(stage, visitors, tally, (strategy, fault, after), &version, live).await?;
    }
    Ok(())
}

async fn one(
    stage: &Stage,
    visitors: &LoadHandle,
    tally: &mut Tally,
    (strategy, fault, after): (Strategy, Fault, Duration),
    version: &str,
    old: String,
) -> Result<String, String> {
    if !stage.standby().await {
        return Err("there is no standby".to_owned());
    }
    let supervisor = stage.supervisor().await.ok_or("no supervisor runs")?;
    stage.configure(strategy, fault);
    let lost_before = visitors.snapshot().lost;
    let deploy = stage.deploying(version);
    tokio::time::sleep(after).await;

    let before = visitors.snapshot();
    processes::kill(supervisor);
    if !processes::gone(supervisor, Duration::from_secs(10)).await {
        return Err("the supervisor does not die".to_owned());
    }
    // Until then it may have taken connections: a signal is sent in a moment, and a process dies in some.
    let gone = visitors.elapsed();
    // What was sent while the process was dying was in its hands as well, and so was every connection that was open then: a
    // request that cannot be sent twice is lost when it goes out on one before this side has heard of its end.
    let in_flight = before.in_flight() + (visitors.snapshot().requests - before.requests);
    let answer = finished(deploy).await;
    let live = visitors::live(stage, visitors).await.map_err(|what| format!("{what}\n{answer:?}"))?;
    let right = match answer.word() {
        "promoted" => fault == Fault::None && live == version,
        "rolled-back" => fault != Fault::None && live == old,
        _ => false,
    };
    if !right {
        return Err(format!(
            "{live} is live after {version} in place of {old}: {}\n{}",
            answer.json, answer.log
        ));
    }
    if stage.supervisor().await.is_none_or(|now| now == supervisor) {
        return Err("nobody has taken the place of the supervisor".to_owned());
    }
    tokio::time::sleep(ms(1200)).await;
    let ledger = visitors.snapshot();
    let lost = ledger.lost - lost_before;
    tally.kills += 1;
    tally.in_flight += in_flight;
    tally.lost += lost;
    tally.story.push(format!("  {}, {lost} lost, {in_flight} were in flight", answer.word()));
    if as_index(ledger.lost) != ledger.losses.len() {
        return Err(format!("{} requests were lost, too many to tell of each", ledger.lost));
    }
    let held = |loss: &&Loss| loss.connection_age.is_some_and(|age| loss.at.saturating_sub(age) <= gone);
    let excused = ledger.losses.iter().skip(as_index(lost_before)).filter(held).count();
    if excused != as_index(lost) {
        return Err(format!(
            "{lost} requests were lost, but only {excused} on connections to the killed process"
        ));
    }
    Ok(live)
}

/// A count as a place in a list.
fn as_index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
