//! The command is killed at any moment of a rollout; whatever is run next ends it, and no visitor notices.

use std::fmt;
use std::time::{Duration, Instant};

use tidegate::sample::load::LoadHandle;
use tokio::time::timeout;

use super::dice::{self, Dice};
use super::stage::{Answer, Fault, Stage, Strategy, finished};
use super::{tell, visitors, wanted};

/// Kills for each strategy: 35 in all.
const KILLS: [usize; 4] = [9, 9, 9, 8];

/// Visitors a second for each of the four environments.
const RATE: u32 = 70;

/// What is run after the kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Resume,
    Abort,
    Rollback,
    Newer,
}

/// One kill: what was planned and what came of it.
#[derive(Debug)]
struct Kill {
    strategy: Strategy,
    fault: Fault,
    after: Duration,
    then: Then,
    answer: Option<Answer>,
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { strategy, fault, after, then, answer } = self;
        write!(f, "{strategy:?}, fault {fault:?}, killed after {} ms, then {then:?}", after.as_millis())?;
        match answer {
            Some(answer) => write!(f, ": {} (exit {:?})", answer.word(), answer.code),
            None => Ok(()),
        }
    }
}

/// What came of one kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// There was nothing left to kill after this time.
    EndedBefore(Duration),
    /// The environment is on the new release.
    New,
    /// It is on an old one.
    Old,
}

/// What a stage has seen so far.
#[derive(Debug)]
struct Known {
    live: String,
    /// Every release that may be live again.
    good: Vec<String>,
}

/// What the kills of one strategy came to.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    new: usize,
    old: usize,
    requests: u64,
    reconnected: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_command_leaves_nothing_half_done_and_loses_no_request() {
    if !wanted("35 kills of the command") {
        return;
    }
    let (seed, began) = (dice::seed(), Instant::now());
    let plays = Strategy::ALL.iter().zip(KILLS).enumerate().map(|(index, (strategy, kills))| {
        tokio::spawn(play(*strategy, kills, Dice::new(seed, index as u64)))
    });
    let mut faults = Vec::new();
    for (play, strategy) in plays.collect::<Vec<_>>().into_iter().zip(Strategy::ALL) {
        match play.await.unwrap() {
            Ok(Tally { kills, new, old, requests, reconnected }) => tell(&format!(
                "kills of the command, {strategy:?}: {kills}, then {new} × all new, {old} × all old; \
                 {requests} requests, 0 lost, {reconnected} sent again on a new connection"
            )),
            Err(fault) => faults.push(fault),
        }
    }
    tell(&format!("kills of the command: {:.0} s, TIDEGATE_SEED={seed}", began.elapsed().as_secs_f64()));
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
    let mut told = Vec::new();
    let played = kill_all(&stage, &visitors, strategy, kills, &mut dice, &mut tally, &mut told).await;
    let story = stage.story().await;
    let ledger = visitors.stop().await;
    tally.requests = ledger.requests;
    tally.reconnected = ledger.reconnected;
    let fault = match played {
        Err(fault) => fault,
        Ok(()) if ledger.lost > 0 => visitors::losses(&ledger),
        Ok(()) => return Ok(tally),
    };
    Err(format!("{fault}\n{}\n{story}", told.join("\n")))
}

async fn kill_all(
    stage: &Stage,
    visitors: &LoadHandle,
    strategy: Strategy,
    kills: usize,
    dice: &mut Dice,
    tally: &mut Tally,
    told: &mut Vec<String>,
) -> Result<(), String> {
    let mut known = Known { live: "first".to_owned(), good: vec!["first".to_owned()] };
    let good = timed(stage, visitors, strategy, Fault::None, &mut known).await?;
    let bad = timed(stage, visitors, strategy, Fault::Fails, &mut known).await?;
    let mut lasts = [(Fault::None, good), (Fault::Fails, bad), (Fault::Stranger, bad)];
    let offset = (dice.share() * kills as f64) as usize;
    // A command that had ended before it was to be killed proves nothing but how long it lasts: another try, a few at most.
    for round in 0..kills * 2 {
        if tally.kills == kills {
            return Ok(());
        }
        let (fault, whole) = dice.one(&[lasts[0], lasts[0], lasts[1], lasts[2]]);
        // Each kill has a stretch of the rollout to itself, so that together they cover it from end to end; five has no
        // divisor in common with the numbers of kills, so that each stretch comes once, and not always before the same command.
        let stretch = (tally.kills * 5 + offset) % kills;
        let share = (stretch as f64 + dice.share()) / kills as f64;
        let then = [Then::Resume, Then::Newer, Then::Rollback, Then::Abort][tally.kills % 4];
        let mut kill = Kill { strategy, fault, after: whole.mul_f64(share), then, answer: None };
        let done = one(stage, visitors, &mut kill, round, &mut known).await;
        told.push(kill.to_string());
        match done? {
            Done::EndedBefore(took) => {
                told.push(format!("  (it had ended by itself after {} ms)", took.as_millis()));
                lasts.iter_mut().filter(|(of, _)| *of == fault).for_each(|(_, lasts)| *lasts = took);
            }
            Done::New => (tally.kills, tally.new) = (tally.kills + 1, tally.new + 1),
            Done::Old => (tally.kills, tally.old) = (tally.kills + 1, tally.old + 1),
        }
    }
    (tally.kills == kills).then_some(()).ok_or_else(|| format!("only {} kills met a command", tally.kills))
}

/// How long a rollout takes that nobody disturbs.
async fn timed(
    stage: &Stage,
    visitors: &LoadHandle,
    strategy: Strategy,
    fault: Fault,
    known: &mut Known,
) -> Result<Duration, String> {
    stage.configure(strategy, fault);
    let (version, began) = (format!("timed-{fault:?}").to_lowercase(), Instant::now());
    let answer = stage.deploy(&version).await;
    let took = began.elapsed();
    let expected = if fault == Fault::None { "promoted" } else { "rolled-back" };
    if answer.word() != expected {
        return Err(format!("{strategy:?}, {fault:?}: undisturbed, it ended so: {}", answer.json));
    }
    if fault == Fault::None {
        known.good.push(version.clone());
        known.live = version;
    }
    let live = visitors::live(stage, visitors).await?;
    (live == known.live).then_some(took).ok_or_else(|| format!("{live} is live after {answer:?}"))
}

/// Kills one deploy, runs what is to be run next, and looks at what came of it.
async fn one(
    stage: &Stage,
    visitors: &LoadHandle,
    kill: &mut Kill,
    round: usize,
    known: &mut Known,
) -> Result<Done, String> {
    let version = format!("v{round}");
    stage.configure(kill.strategy, kill.fault);
    let (mut deploy, began) = (stage.deploying(&version), Instant::now());
    let ended = timeout(kill.after, deploy.wait()).await.is_ok().then(|| began.elapsed());
    let _ = deploy.start_kill();
    finished(deploy).await;

    let newer = format!("v{round}-newer");
    let answer = match kill.then {
        Then::Resume => stage.run(&["resume"]).await,
        Then::Abort => stage.run(&["abort", "--reason", "a test"]).await,
        Then::Rollback => stage.run(&["rollback"]).await,
        Then::Newer => {
            stage.configure(kill.strategy, Fault::None);
            stage.deploy(&newer).await
        }
    };
    kill.answer = Some(answer.clone());
    let live = visitors::live(stage, visitors).await;
    let fault = |what: String| {
        let ledger = visitors.snapshot();
        format!("{kill}: {what}\n{}\n{}\n{}", answer.json, answer.log, visitors::losses(&ledger))
    };
    let live = live.map_err(&fault)?;
    let lost = visitors.snapshot().lost;
    if lost > 0 {
        return Err(fault("requests were lost".to_owned()));
    }
    expected(kill, &answer, &live, &version, &newer, known).map_err(fault)?;
    let new = live == version || live == newer;
    // A good one may have been promoted and gone back from since, and be brought back by a later rollback.
    known.good.extend((kill.fault == Fault::None).then_some(version));
    known.good.extend((kill.then == Then::Newer).then_some(newer));
    known.live = live;
    Ok(match ended {
        Some(took) => Done::EndedBefore(took),
        None if new => Done::New,
        None => Done::Old,
    })
}

/// What may be live, and what may have been answered.
fn expected(
    kill: &Kill,
    answer: &Answer,
    live: &str,
    version: &str,
    newer: &str,
    known: &Known,
) -> Result<(), String> {
    let old = known.live.as_str();
    let good = kill.fault == Fault::None;
    let right = match kill.then {
        Then::Newer => live == newer && answer.word() == "promoted",
        // Nothing was begun, or all of it was done: then there is nothing to go on with.
        Then::Resume => match answer.word() {
            "promoted" => good && live == version,
            "rolled-back" => live == old,
            "nothing" | "nothing-open" => live == old || (good && live == version),
            _ => false,
        },
        Then::Abort => match answer.word() {
            // Promoted already: only the tidying up was left.
            "promoted" => good && live == version,
            "rolled-back" | "failed" => live == old,
            "nothing-open" => live == old || (good && live == version),
            _ => false,
        },
        Then::Rollback => match answer.word() {
            "rolled-back" | "failed" => live == old,
            // No rollout was open any more, or yet: the release before the live one is brought back.
            "promoted" => live != version && known.good.iter().any(|good| good == live),
            "no-earlier-release" => live == old,
            _ => false,
        },
    };
    right.then_some(()).ok_or_else(|| format!("{live} is live, where {old} was and {version} was to be"))
}
