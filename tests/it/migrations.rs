//! Whole rollouts with migrations, in the in-memory world: a database never meets the wrong version, and nothing about it stays unsaid.

use std::time::Duration;

use tidegate::rollout::event::Request;
use tidegate::rollout::strategy::{Strategy, StrategyName};
use tidegate::rollout::{Environment, Fact, Ledger, Outcome, OutcomeKind, Phase, Step};

use crate::world::{Behaviour, Database, Upset, World, release};

const RATE: f64 = 1000.0;

async fn world(upset: Upset, is_transactional: bool) -> World {
    let broken = Behaviour { never_ready: Some(Duration::from_secs(1)), ..Behaviour::default() };
    let mut world = World::with_v1(&[("broken", broken)], RATE, None).await;
    world.is_migrating = true;
    *world.target.database.lock().unwrap() = Database { upset, is_transactional, ..Database::default() };
    world
}

async fn deploy(world: &World, version: &str, name: StrategyName) -> Outcome {
    let outcome = world.deploy(version, &Strategy::by_name(name)).await.unwrap();
    assert_eq!(world.target.violations(), Vec::<String>::new(), "{name}");
    assert!(world.target.lost() < 1.0, "{name}: {} requests lost", world.target.lost());
    outcome
}

fn known(world: &World) -> Environment {
    Environment::replay(&world.journal.all()).unwrap()
}

fn applied(world: &World) -> Vec<i64> {
    world.target.database.lock().unwrap().applied.keys().copied().collect()
}

#[tokio::test(start_paused = true)]
async fn what_adds_runs_first_and_what_takes_away_runs_last() {
    for name in StrategyName::ALL {
        let world = world(Upset::None, true).await;
        let outcome = deploy(&world, "v2", name).await;
        assert_eq!(outcome.kind, OutcomeKind::Promoted, "{name}: {}", outcome.sentence);
        assert_eq!(applied(&world), [1, 2], "{name}");
        let last = world.last().unwrap();
        let steps = &last.plan.steps;
        assert!(
            matches!(steps.first(), Some(Step::Migrate { phase: Phase::Expand, .. })),
            "{name}: {steps:?}"
        );
        assert!(
            matches!(steps.last(), Some(Step::Migrate { phase: Phase::Contract, .. })),
            "{name}: {steps:?}"
        );
        let known = known(&world);
        assert!(known.schema_hold().is_none());
        let (rollout, _) = known.contracted_since(&release("v1").id).expect("v1 has lost what it needs");
        assert_eq!(rollout.plan.candidate.version, "v2");
        assert!(known.contracted_since(&release("v2").id).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_taken_back_keeps_what_was_added_and_takes_nothing_away() {
    for name in StrategyName::ALL {
        let world = world(Upset::None, true).await;
        let outcome = deploy(&world, "broken", name).await;
        assert_eq!(outcome.kind, OutcomeKind::RolledBack, "{name}: {}", outcome.sentence);
        assert_eq!(applied(&world), [1], "{name}");
        assert!(known(&world).contracted_since(&release("v1").id).is_none(), "{name}");
        assert!(world.is_all("v1", "broken"), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_migration_that_changes_nothing_and_fails_costs_nothing() {
    let world = world(Upset::Fails(Phase::Expand), true).await;
    let outcome = deploy(&world, "v2", StrategyName::Canary).await;
    assert_eq!((outcome.kind, outcome.reason.as_str()), (OutcomeKind::RolledBack, "migration-failed"));
    assert!(known(&world).schema_hold().is_none());
    assert!(world.is_all("v1", "v2"));
    world.target.database.lock().unwrap().upset = Upset::None;
    let outcome = deploy(&world, "v2", StrategyName::Canary).await;
    assert_eq!(outcome.kind, OutcomeKind::Promoted, "{}", outcome.sentence);
}

#[tokio::test(start_paused = true)]
async fn one_that_breaks_half_way_holds_until_a_person_answers_for_it() {
    let world = world(Upset::Breaks(Phase::Expand), true).await;
    let outcome = deploy(&world, "v2", StrategyName::BlueGreen).await;
    assert_eq!(
        (outcome.kind, outcome.reason.as_str()),
        (OutcomeKind::RolledBack, "migration-partly-applied")
    );
    assert!(outcome.sentence.contains("tidegate unlock test"), "{}", outcome.sentence);
    let known = known(&world);
    let (rollout, migrated) = known.schema_hold().expect("it is held");
    assert_eq!(migrated.ledger, Ledger::PartlyApplied);
    // The word of a person is one more event of that rollout.
    let mut rollout = rollout.clone();
    let fact = Fact::Acknowledged { by: "ann".to_owned(), reason: None };
    let at = rollout.last;
    let event = tidegate::rollout::Event { seq: rollout.next, at, rollout: rollout.id.clone(), fact };
    rollout.apply(&event).unwrap();
    assert!(Environment { rollouts: vec![rollout] }.schema_hold().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_fails_after_the_promotion_is_said_with_it() {
    for (upset, holds) in [(Upset::Fails(Phase::Contract), false), (Upset::Breaks(Phase::Contract), true)] {
        let world = world(upset, true).await;
        let outcome = deploy(&world, "v2", StrategyName::Rolling).await;
        assert_eq!(outcome.kind, OutcomeKind::Promoted, "{}", outcome.sentence);
        assert!(outcome.sentence.contains("the contract migration"), "{}", outcome.sentence);
        assert_eq!(outcome.sentence.contains("tidegate unlock test"), holds, "{}", outcome.sentence);
        assert_eq!(known(&world).schema_hold().is_some(), holds);
        assert_eq!(known(&world).contracted_since(&release("v1").id).is_some(), holds);
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_out_of_reach_is_waited_for_a_while_and_then_the_release_is_not_begun() {
    let world = world(Upset::Unreachable(3), true).await;
    assert_eq!(deploy(&world, "v2", StrategyName::Rolling).await.kind, OutcomeKind::Promoted);
    let world = self::world(Upset::Unreachable(usize::MAX), true).await;
    let outcome = deploy(&world, "v2", StrategyName::Rolling).await;
    assert_eq!((outcome.kind, outcome.reason.as_str()), (OutcomeKind::RolledBack, "not-migrated"));
    assert!(outcome.sentence.contains("does not answer"), "{}", outcome.sentence);
    assert!(known(&world).schema_hold().is_none(), "nothing was begun");
}

/// The process dies while a migration runs; the next one finds out how it stands before anything else.
#[tokio::test(start_paused = true)]
async fn what_a_dead_process_had_begun_is_settled_first() {
    for (is_transactional, request) in
        [(true, None), (true, Some(Request::Abort)), (false, None), (false, Some(Request::Abort))]
    {
        let context = format!("transactional {is_transactional}, then {request:?}");
        let world = world(Upset::None, is_transactional).await;
        // Started, entered, acting; dead when it says that the migration has run.
        world.journal.crash_at(4, false);
        world.deploy("v2", &Strategy::by_name(StrategyName::BlueGreen)).await.unwrap_err();
        world.journal.heal();
        if let Some(request) = &request {
            world.ask(request.clone()).await;
        }
        let outcome = world.settle(&Request::Abort).await;
        let held = known(&world).schema_hold().is_some();
        match (is_transactional, request) {
            (true, None) => assert_eq!((outcome.kind, held), (OutcomeKind::Promoted, false), "{context}"),
            (true, Some(_)) => {
                assert_eq!((outcome.reason.as_str(), held), ("aborted", false), "{context}");
                assert_eq!(applied(&world), Vec::<i64>::new(), "{context}: nothing more is begun");
            }
            (false, _) => assert_eq!((outcome.kind, held), (OutcomeKind::RolledBack, true), "{context}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_unknown_and_held() {
    let world = world(Upset::None, true).await;
    world.journal.crash_at(4, false);
    world.deploy("v2", &Strategy::by_name(StrategyName::BlueGreen)).await.unwrap_err();
    world.journal.heal();
    world.target.database.lock().unwrap().upset = Upset::Gone;
    let outcome = world.settle(&Request::Abort).await;
    assert_eq!((outcome.kind, outcome.reason.as_str()), (OutcomeKind::RolledBack, "migration-unknown"));
    let known = known(&world);
    assert_eq!(known.schema_hold().map(|(_, migrated)| migrated.ledger), Some(Ledger::Unknown));
}

#[tokio::test(start_paused = true)]
async fn an_abort_is_heard_in_the_middle_of_a_migration() {
    let world = world(Upset::None, true).await;
    let asked = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.ask(Request::Abort).await;
    };
    let (outcome, ()) = tokio::join!(deploy(&world, "v2", StrategyName::Canary), asked);
    assert_eq!((outcome.kind, outcome.reason.as_str()), (OutcomeKind::RolledBack, "aborted"));
    assert_eq!(applied(&world), Vec::<i64>::new());
}
