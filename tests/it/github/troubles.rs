//! GitHub down, slow, limiting, refusing in the middle of a rollout: nothing waits for it, and what was missed is told afterwards.

use std::time::{Duration, Instant};

use testbed::github::{Fault, GitHub, Matcher, Token};
use tidegate::report::github::Told;
use tidegate::rollout::strategy::{Strategy, StrategyName};

use super::kit::*;
use crate::tiers::wanted;
use crate::world::Behaviour;

fn heard() -> Heard {
    recorded("v2", Behaviour::default(), Strategy::by_name(StrategyName::Canary)).remove(1)
}

/// Everything is told, each thing once.
fn is_told(github: &GitHub, told: &Told, heard: &Heard) {
    assert_eq!(told.untold, Vec::<String>::new());
    let run = check_run(github);
    assert_eq!(run.conclusion.as_deref(), Some("success"));
    assert_eq!(run.title, Some(ending(heard).sentence));
    let all = deployments(github);
    assert_eq!((all.len(), all[0].state()), (1, "success"), "{all:#?}");
    let comments = comments(github);
    assert!(comments.len() == 1 && comments[0].contains("✅"), "{comments:#?}");
}

/// Tells it in two halves; says how long telling took the rollout.
async fn through(github: &GitHub, heard: &Heard, patience: Duration) -> (Told, Duration) {
    let reports = reports(github);
    let (first, rest) = heard.split_at(heard.len() / 2);
    let mut taken = Duration::ZERO;
    for part in [first, rest] {
        let begun = Instant::now();
        tell(&reports, part, Duration::ZERO).await;
        taken += begun.elapsed();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    (reports.finish(ending(heard), patience).await, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_while_github_was_down_is_told_afterwards() {
    if !wanted("testbed", "GitHub down") {
        return;
    }
    let heard = heard();
    for fault in [Fault::Status(502), Fault::CutConnection, Fault::Garbage] {
        let github = started(shop(), token()).await;
        github.fault(Matcher::any(), fault.clone(), 9);
        let (told, taken) = through(&github, &heard, Duration::from_secs(20)).await;
        is_told(&github, &told, &heard);
        assert!(taken < Duration::from_millis(500), "{fault:?}: telling took the rollout {taken:?}");
        assert_eq!(github.faults_left(), 0, "{fault:?}");
        github.finish().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_makes_nothing_twice() {
    if !wanted("testbed", "answers lost") {
        return;
    }
    let heard = heard();
    for operation in ["checks/create", "repos/create-deployment", "issues/create-comment"] {
        for fault in [Fault::CutAfterAct, Fault::Slow(Duration::from_secs(3))] {
            let github = started(shop(), token()).await;
            github.fault(Matcher::operation(operation), fault, 1);
            let told = reported(&github, &heard).await;
            is_told(&github, &told, &heard);
            assert_eq!(github.faults_left(), 0, "{operation}");
            github.finish().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_github_that_hangs_is_waited_for_no_longer_than_was_said() {
    if !wanted("testbed", "GitHub hanging") {
        return;
    }
    let heard = heard();
    let github = started(shop(), token()).await;
    github.fault(Matcher::any(), Fault::Slow(Duration::from_secs(30)), 1000);
    let begun = Instant::now();
    let (told, taken) = through(&github, &heard, Duration::from_secs(2)).await;
    assert!(taken < Duration::from_millis(500), "telling took the rollout {taken:?}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    let all = told.untold.join("\n");
    for part in ["check run", "deployment", "comment on the pull request"] {
        assert!(all.contains(part), "{part} is missing in {all}");
    }
    assert!(!all.contains(SECRET), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_limit_is_obeyed_and_then_everything_is_told() {
    if !wanted("testbed", "a secondary limit") {
        return;
    }
    let heard = heard();
    for status in [403, 429] {
        let github = started(shop(), token()).await;
        let limit = Fault::SecondaryLimit { retry_after: Duration::from_secs(2), status };
        github.fault(Matcher::operation("repos/create-deployment"), limit, 1);
        let told = reported(&github, &heard).await;
        is_told(&github, &told, &heard);
        let log = github.log();
        let at = log.iter().position(|exchange| exchange.fault.is_some()).unwrap();
        let pause = log[at + 1].at.duration_since(log[at].at);
        assert!(pause.as_millis() >= 2000, "the next request came after {pause:?}");
        github.finish().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_lasts_is_told_and_no_more_is_asked() {
    if !wanted("testbed", "a limit that lasts") {
        return;
    }
    let heard = heard();
    let github = started(shop(), token()).await;
    let reports = reports(&github);
    tell(&reports, &heard[..1], Duration::ZERO).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    github.limit(SECRET, 0, Duration::from_secs(600));
    tell(&reports, &heard[1..], Duration::ZERO).await;
    let before = github.log().len();
    let begun = Instant::now();
    let told = reports.finish(ending(&heard), Duration::from_secs(2)).await;
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert!(
        told.untold.iter().any(|why| why.contains("takes no request from this token")),
        "{:#?}",
        told.untold
    );
    assert!(github.log().len() <= before + 3, "{:#?}", github.log());
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_only_read_is_said_once() {
    if !wanted("testbed", "a token that may only read") {
        return;
    }
    let heard = heard();
    let github = started(shop(), Token::fork(SECRET)).await;
    let told = reported(&github, &heard).await;
    let [only] = told.untold.as_slice() else { panic!("{:#?}", told.untold) };
    for part in
        ["only the job summary", "check run, deployment, comment", "`checks: write`", "`deployments: write`"]
    {
        assert!(only.contains(part), "`{part}` is missing in {only}");
    }
    assert!(told.calls <= 6, "what is refused is not asked again: {} requests", told.calls);
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_known_is_said_once() {
    if !wanted("testbed", "an unknown token") {
        return;
    }
    let heard = heard();
    let github = started(shop(), Token::fork("ghs_other")).await;
    let told = reported(&github, &heard).await;
    assert_eq!(told.untold.len(), 1, "{:#?}", told.untold);
    assert!(told.untold[0].contains("GitHub does not know the token") && !told.untold[0].contains(SECRET));
    assert!(told.calls <= 4, "{} requests", told.calls);
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thing_that_github_does_not_take_keeps_nothing_else_back() {
    if !wanted("testbed", "something invalid") {
        return;
    }
    let heard = heard();
    let github = started(shop(), token()).await;
    github.fault(Matcher::operation("repos/create-deployment"), Fault::Status(422), 1000);
    let told = reported(&github, &heard).await;
    assert_eq!(told.untold.len(), 1, "{:#?}", told.untold);
    assert!(told.untold[0].contains("deployment") && told.untold[0].contains("does not take"));
    assert_eq!(check_run(&github).conclusion.as_deref(), Some("success"));
    assert!(comments(&github)[0].contains("✅") && deployments(&github).is_empty());
    assert!(calls(&github, "repos/create-deployment") <= 3);
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_that_somebody_takes_away_is_written_again() {
    if !wanted("testbed", "a comment taken away") {
        return;
    }
    let heard = heard();
    let github = started(shop(), token()).await;
    let reports = reports(&github);
    tell(&reports, &heard[..8], Duration::ZERO).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(comments(&github).len(), 1);
    github.change(SHOP, |shop| shop.issues.get_mut(&7).unwrap().comments.clear()).unwrap();
    tell(&reports, &heard[8..], Duration::ZERO).await;
    let told = reports.finish(ending(&heard), Duration::from_secs(20)).await;
    is_told(&github, &told, &heard);
    github.finish().unwrap();
}
