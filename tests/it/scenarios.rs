//! Whole rollouts through the engine, in the in-memory world.

use std::time::Duration;

use tidegate::rollout::event::Request;
use tidegate::rollout::step::{Check, Comparison, Unsettled};
use tidegate::rollout::strategy::{BlueGreen, Canary, Rolling, Strategy, StrategyName};
use tidegate::rollout::{Fact, Outcome, OutcomeKind, Weight};

use crate::world::{Behaviour, World};

const RATE: f64 = 1000.0;

fn good() -> Behaviour {
    Behaviour::default()
}

fn bad() -> Behaviour {
    Behaviour { errors: 0.05, ..good() }
}

fn broken() -> Behaviour {
    Behaviour { never_ready: Some(Duration::from_secs(1)), ..good() }
}

fn named(name: StrategyName) -> Strategy {
    Strategy::by_name(name)
}

/// No request met a release without instances, and no rule was broken.
fn harmless(world: &World) {
    assert_eq!(world.target.violations(), Vec::<String>::new());
    assert!(world.target.lost() < 1.0, "{} requests lost", world.target.lost());
}

fn expect(outcome: &Outcome, kind: OutcomeKind, reason: &str) {
    assert_eq!((outcome.kind, outcome.reason.as_str()), (kind, reason), "{}", outcome.sentence);
}

#[tokio::test(start_paused = true)]
async fn first_deploy_provisions_and_promotes() {
    for name in StrategyName::ALL {
        let world = World::empty(&[], RATE, None);
        let outcome = world.deploy("v1", &named(name)).await.unwrap();
        expect(&outcome, OutcomeKind::Promoted, "promoted");
        assert!(world.is_all("v1", "v0"), "{name}");
        harmless(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn first_deploy_that_fails_leaves_nothing() {
    let world = World::empty(&[("v1", broken())], RATE, None);
    let outcome = world.deploy("v1", &named(StrategyName::Canary)).await.unwrap();
    expect(&outcome, OutcomeKind::Failed, "exited");
    assert!(world.target.now().sets.is_empty());
    assert!(outcome.sentence.contains("exited with code 7"), "{}", outcome.sentence);
}

#[tokio::test(start_paused = true)]
async fn every_strategy_replaces_a_good_release() {
    for name in StrategyName::ALL {
        let world = World::with_v1(&[], RATE, None).await;
        let outcome = world.deploy("v2", &named(name)).await.unwrap();
        expect(&outcome, OutcomeKind::Promoted, "promoted");
        assert!(world.is_all("v2", "v1"), "{name}: {:#?}", world.target.now());
        harmless(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn every_strategy_takes_back_a_release_that_will_not_start() {
    for name in StrategyName::ALL {
        let world = World::with_v1(&[("v2", broken())], RATE, None).await;
        let outcome = world.deploy("v2", &named(name)).await.unwrap();
        expect(&outcome, OutcomeKind::RolledBack, "exited");
        assert!(world.is_all("v1", "v2"), "{name}: {:#?}", world.target.now());
        harmless(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_fails_requests_is_taken_back_at_its_first_weight() {
    let world = World::with_v1(&[("v2", bad())], RATE, None).await;
    let outcome = world.deploy("v2", &named(StrategyName::Canary)).await.unwrap();
    expect(&outcome, OutcomeKind::RolledBack, "errors-worse");
    assert!(world.is_all("v1", "v2"));
    let histories = world.journal.all();
    let highest = histories.last().unwrap().iter().filter_map(|event| match &event.fact {
        Fact::Acted { action: tidegate::rollout::Action::Route { weights } } => {
            weights.get(&crate::world::release("v2").id).copied()
        }
        _ => None,
    });
    assert_eq!(highest.max(), Some(Weight::from_percent(5)));
    harmless(&world);
}

#[tokio::test(start_paused = true)]
async fn a_failed_verification_turns_a_blue_green_back() {
    let mut world = World::with_v1(&[], RATE, None).await;
    let check = Check::get("/health", Duration::from_secs(1));
    world.setting.verify = vec![check.clone().into()];
    world.answers.status = 500;
    let outcome = world.deploy("v2", &named(StrategyName::BlueGreen)).await.unwrap();
    expect(&outcome, OutcomeKind::RolledBack, "wrong-answer");
    assert!(world.is_all("v1", "v2"));
    world.setting.verify.clear();
    let before = Strategy::BlueGreen(BlueGreen { before: vec![check.into()], ..BlueGreen::default() });
    expect(&world.deploy("v2", &before).await.unwrap(), OutcomeKind::RolledBack, "wrong-answer");
    assert_eq!(world.weight("v2"), Weight::ZERO);
    harmless(&world);
}

#[tokio::test(start_paused = true)]
async fn a_release_within_its_rollback_window_comes_back_at_once() {
    let world = World::with_v1(&[], RATE, None).await;
    world.deploy("v2", &named(StrategyName::Canary)).await.unwrap();
    let before = world.clock.now();
    let outcome = world.deploy("v1", &named(StrategyName::Canary)).await.unwrap();
    expect(&outcome, OutcomeKind::Promoted, "promoted");
    let took = world.clock.now().duration_since(before);
    assert!(took.as_millis() < 1000, "it took {took}");
    assert!(world.is_all("v1", "v2"));
    harmless(&world);
}

#[tokio::test(start_paused = true)]
async fn a_newer_release_supersedes_the_running_one() {
    let world = World::with_v1(&[], 1.0, None).await;
    let strategy = named(StrategyName::Canary);
    let (outcome, ()) = tokio::join!(world.deploy("v2", &strategy), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.ask(Request::Supersede { version: "v3".to_owned() }).await;
    });
    expect(&outcome.unwrap(), OutcomeKind::RolledBack, "superseded");
    assert!(world.is_all("v1", "v2"));
    harmless(&world);
}

#[tokio::test(start_paused = true)]
async fn too_little_evidence_holds_until_a_person_goes_on() {
    let world = World::with_v1(&[], 1.0, None).await;
    let strategy = named(StrategyName::Canary);
    let mut outcome = world.deploy("v2", &strategy).await.unwrap();
    let mut pauses = 0;
    while outcome.kind == OutcomeKind::Paused {
        pauses += 1;
        assert!(pauses <= 3, "{}", outcome.sentence);
        assert!(outcome.sentence.contains("tidegate promote test"), "{}", outcome.sentence);
        tokio::time::sleep(Duration::from_secs(100_000)).await;
        world.ask(Request::GoOn { full: false }).await;
        outcome = world.resume().await.unwrap();
    }
    expect(&outcome, OutcomeKind::Promoted, "promoted");
    assert!(pauses >= 1);
    harmless(&world);
}

#[tokio::test(start_paused = true)]
async fn full_promotion_skips_what_is_left_to_analyze() {
    let world = World::with_v1(&[], 1.0, None).await;
    world.deploy("v2", &named(StrategyName::Canary)).await.unwrap();
    let before = world.clock.now();
    world.ask(Request::GoOn { full: true }).await;
    expect(&world.resume().await.unwrap(), OutcomeKind::Promoted, "promoted");
    assert!(world.clock.now().duration_since(before).as_secs() < 10);
    harmless(&world);
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_an_abort_are_heard_in_mid_step() {
    let world = World::with_v1(&[], 1.0, None).await;
    let strategy = named(StrategyName::Canary);
    let (outcome, ()) = tokio::join!(world.deploy("v2", &strategy), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.ask(Request::Pause).await;
    });
    expect(&outcome.unwrap(), OutcomeKind::Paused, "paused");
    assert_eq!(world.weight("v2"), Weight::from_percent(5));
    world.ask(Request::Abort).await;
    expect(&world.resume().await.unwrap(), OutcomeKind::RolledBack, "aborted");
    assert!(world.is_all("v1", "v2"));
    harmless(&world);
}

#[tokio::test(start_paused = true)]
async fn no_visitors_is_no_data_and_never_a_pass() {
    let world = World::with_v1(&[], 0.0, None).await;
    let outcome = world.deploy("v2", &named(StrategyName::Canary)).await.unwrap();
    expect(&outcome, OutcomeKind::RolledBack, "silent");
    assert!(outcome.sentence.contains("(no instance tells its counts)"), "{}", outcome.sentence);
}

#[tokio::test(start_paused = true)]
async fn an_abort_in_mid_rolling_restores_capacity_first_and_is_not_blocked_by_it() {
    let slow_v1 = Behaviour { start: Duration::from_secs(3), ..good() };
    let strategy = Strategy::Rolling(Rolling { wait: Duration::from_secs(30), ..Rolling::default() });
    let world = World::with_v1(&[("v1", slow_v1)], RATE, None).await;
    let (outcome, ()) = tokio::join!(world.deploy("v2", &strategy), async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        assert_eq!(world.weight("v2"), Weight::from_percent(50));
        world.ask(Request::Abort).await;
    });
    expect(&outcome.unwrap(), OutcomeKind::RolledBack, "aborted");
    assert!(world.is_all("v1", "v2"));
    harmless(&world);
}

#[tokio::test(start_paused = true)]
async fn a_stable_that_cannot_be_restored_in_time_still_gets_the_traffic() {
    // Stable instances started later than the first deploy take longer than the time for restoring them.
    let slow_v1 = Behaviour { start: Duration::from_secs(12), ..good() };
    let strategy = Strategy::Rolling(Rolling { wait: Duration::from_secs(30), ..Rolling::default() });
    let world = World::with_v1(&[("v1", slow_v1)], RATE, None).await;
    let seen = async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        world.ask(Request::Abort).await;
        tokio::time::sleep(Duration::from_secs(7)).await;
        (world.weight("v1"), world.ready("v1"))
    };
    let (outcome, (weight, ready)) = tokio::join!(world.deploy("v2", &strategy), seen);
    assert_eq!((weight, ready), (Weight::FULL, 3));
    expect(&outcome.unwrap(), OutcomeKind::RolledBack, "aborted");
    harmless(&world);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_loses_instances_loses_its_share() {
    let world = World::with_v1(&[], 1.0, None).await;
    let strategy = Strategy::Canary(Canary { comparison: None, ..Canary::default() });
    let (outcome, ()) = tokio::join!(world.deploy("v2", &strategy), async {
        tokio::time::sleep(Duration::from_secs(1300)).await;
        assert_eq!(world.weight("v2"), Weight::from_percent(50));
        world.target.kill(&crate::world::release("v2").id, 2);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(world.weight("v2"), Weight::ZERO);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(world.weight("v2"), Weight::from_percent(50));
    });
    expect(&outcome.unwrap(), OutcomeKind::Promoted, "promoted");
}

#[tokio::test(start_paused = true)]
async fn a_switch_is_judged_against_what_stable_answered_before() {
    let watched = Strategy::BlueGreen(BlueGreen {
        comparison: Some(Comparison::default()),
        watch: Duration::from_secs(10),
        ..BlueGreen::default()
    });
    for (behaviour, kind, reason) in
        [(good(), OutcomeKind::Promoted, "promoted"), (bad(), OutcomeKind::RolledBack, "errors-worse")]
    {
        let world = World::with_v1(&[("v2", behaviour)], RATE, None).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        let outcome = world.deploy("v2", &watched).await.unwrap();
        expect(&outcome, kind, reason);
        harmless(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_falls_silent_makes_no_release_pass() {
    for (inconclusive, kind, reason) in [
        (Unsettled::Pass, OutcomeKind::RolledBack, "silent"),
        (Unsettled::Fail, OutcomeKind::RolledBack, "unsettled"),
    ] {
        let world = World::with_v1(&[], 50.0, None).await;
        world.target.mute_after(Duration::from_secs(30));
        let comparison = Comparison { inconclusive, ..Comparison::default() };
        let canary = Canary { comparison: Some(comparison), ..Canary::default() };
        let outcome = world.deploy("v2", &Strategy::Canary(canary)).await.unwrap();
        expect(&outcome, kind, reason);
        assert!(outcome.sentence.contains("(no instance tells its counts)"), "{}", outcome.sentence);
        assert!(world.is_all("v1", "v2"));
        harmless(&world);
    }
}
