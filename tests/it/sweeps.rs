//! Every strategy, every place: fail there, die there, do it twice, lose the lock. And the same at random.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use tidegate::rollout::event::Request;
use tidegate::rollout::step::{Comparison, Unsettled};
use tidegate::rollout::strategy::{BlueGreen, Canary, Recreate, Rolling, Stage, Strategy, StrategyName};
use tidegate::rollout::{Action, Environment, Event, Fact, Outcome, OutcomeKind, Phase, Rollout, Weight};

use crate::world::{Behaviour, Database, Fault, Upset, World};

const RATE: f64 = 1000.0;

/// A strategy with every kind of step in it.
fn rich(name: StrategyName) -> Strategy {
    match name {
        StrategyName::Rolling => {
            Strategy::Rolling(Rolling { wait: Duration::from_millis(500), ..Rolling::default() })
        }
        StrategyName::BlueGreen => {
            Strategy::BlueGreen(BlueGreen { watch: Duration::from_secs(1), ..BlueGreen::default() })
        }
        StrategyName::Canary | StrategyName::Recreate => Strategy::by_name(name),
    }
}

fn behaviours() -> [(&'static str, Behaviour); 3] {
    let good = Behaviour::default();
    [
        ("good", good),
        ("failing", Behaviour { errors: 0.08, ..good }),
        ("broken", Behaviour { never_ready: Some(Duration::from_secs(1)), ..good }),
    ]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// All new, all old, or stuck with a reason, in agreement with the outcome's word; and no rule was broken on the way.
fn coherent(world: &World, outcome: &Outcome, context: &str) {
    let seen = world.target.now();
    match outcome.kind {
        // What could not be tidied up after the promotion was said, and stays without traffic.
        OutcomeKind::Promoted if gave_up(world) => assert_eq!(world.weight("v2"), Weight::FULL, "{context}"),
        OutcomeKind::Promoted => assert!(world.is_all("v2", "v1"), "{context}: promoted, but {seen:#?}"),
        OutcomeKind::RolledBack => assert!(world.is_all("v1", "v2"), "{context}: rolled back, but {seen:#?}"),
        OutcomeKind::Failed => assert!(world.is_all("v1", "v2"), "{context}: failed, but {seen:#?}"),
        OutcomeKind::Stuck => assert!(!outcome.sentence.is_empty(), "{context}"),
        OutcomeKind::Paused | OutcomeKind::Nothing => panic!("{context}: {} is no end", outcome.kind),
    }
    assert_eq!(world.target.violations(), Vec::<String>::new(), "{context}");
    assert!(world.target.lost() < 1.0, "{context}: {} lost", world.target.lost());
    assert!(!outcome.reason.is_empty() && outcome.sentence.len() > 10, "{context}: {outcome:?}");
}

fn gave_up(world: &World) -> bool {
    let events = world.journal.all();
    let facts = events.last().into_iter().flatten().map(|event| &event.fact);
    facts.into_iter().any(|fact| matches!(fact, Fact::GivenUp { .. }))
}

/// Every prefix of the journal, written out and read back, replays to the state that was live then.
fn replays(world: &World) {
    let histories = world.journal.all();
    let last = histories.last().unwrap();
    let text: Vec<String> = last.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let events: Vec<Event> = text.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let live: Vec<Rollout> =
        world.states.lock().unwrap().iter().filter(|r| r.id == last[0].rollout).cloned().collect();
    let mut state = Rollout::replay(&events[..1]).unwrap();
    let mut compared = 0;
    for event in &events[1..] {
        state.apply(event).unwrap();
        // An event that was kept just before a crash was never published; its state has no live counterpart.
        if let Some(live) = live.iter().find(|live| live.next == state.next) {
            assert_eq!(live, &state, "after event {}", event.seq);
            compared += 1;
        }
    }
    assert!(compared + 4 >= events.len() - 1, "only {compared} of {} states were compared", events.len());
}

/// How many events a whole rollout has: the places where it can be hit.
fn places(strategy: &Strategy, behaviour: Behaviour) -> usize {
    runtime().block_on(async {
        let world = World::with_v1(&[("v2", behaviour)], RATE, None).await;
        world.deploy("v2", strategy).await.unwrap();
        world.journal.all().last().unwrap().len()
    })
}

#[test]
fn dying_at_every_write_ends_all_new_or_all_old() {
    for name in StrategyName::ALL {
        let strategy = rich(name);
        for (what, behaviour) in behaviours() {
            for place in 0..places(&strategy, behaviour) {
                for (kept, request) in [(false, None), (true, None), (true, Some(Request::Abort))] {
                    let context =
                        format!("{name}, {what}, death at write {place}, kept {kept}, then {request:?}");
                    runtime().block_on(async {
                        let world = World::with_v1(&[("v2", behaviour)], RATE, None).await;
                        world.journal.crash_at(place, kept);
                        let died = world.deploy("v2", &strategy).await;
                        assert!(died.is_err(), "{context}: it lived");
                        world.journal.heal();
                        tokio::time::sleep(Duration::from_secs(3)).await;
                        if world.journal.all().len() < 2 {
                            return;
                        }
                        if let Some(request) = request {
                            world.ask(request).await;
                        }
                        let outcome = world.settle(&Request::Abort).await;
                        assert_ne!(outcome.kind, OutcomeKind::Stuck, "{context}: {}", outcome.sentence);
                        coherent(&world, &outcome, &context);
                        replays(&world);
                    });
                }
            }
        }
    }
}

/// An act is many writes, of which a death may have left some: what is not known to be done to its end is done once more, also
/// where the numbers look as if it were.
#[test]
fn an_act_that_death_may_have_cut_short_is_done_again() {
    let acts = |world: &World, wanted: &Action| {
        let all = world.journal.all();
        let acts = all.last().unwrap().iter().filter(|event| match &event.fact {
            Fact::Acting { action } => action == wanted,
            _ => false,
        });
        acts.count()
    };
    let mut seen = 0;
    for name in StrategyName::ALL {
        let strategy = rich(name);
        for place in 0..places(&strategy, Behaviour::default()) {
            runtime().block_on(async {
                let world = World::with_v1(&[], RATE, None).await;
                world.journal.crash_at(place, false);
                world.deploy("v2", &strategy).await.unwrap_err();
                world.journal.heal();
                let all = world.journal.all();
                let last = all.last().and_then(|events| events.last()).map(|event| event.fact.clone());
                let Some(Fact::Acting { action: action @ (Action::Scale { .. } | Action::Retire { .. }) }) =
                    last
                else {
                    return;
                };
                // Long enough for what was begun to look done.
                tokio::time::sleep(Duration::from_secs(3)).await;
                let before = acts(&world, &action);
                let outcome = world.settle(&Request::Abort).await;
                assert_eq!(outcome.kind, OutcomeKind::Promoted, "{name}: {}", outcome.sentence);
                assert!(acts(&world, &action) > before, "{name}, {action}, is not done again");
                seen += 1;
            });
        }
    }
    assert!(seen >= 8, "only {seen} such deaths were found");
}

#[test]
fn refusing_every_action_ends_all_new_or_all_old() {
    for name in StrategyName::ALL {
        let strategy = rich(name);
        for nth in 0..14 {
            for (times, fatal) in [(1, false), (3, false), (1, true), (1000, false)] {
                let context = format!("{name}, action {nth} refused {times} times, fatal {fatal}");
                runtime().block_on(async {
                    let world = World::with_v1(&[], RATE, Some(Fault::Refuse { nth, times, fatal })).await;
                    let outcome = world.deploy("v2", &strategy).await.unwrap();
                    if outcome.kind == OutcomeKind::Stuck {
                        assert!(times > 3 || fatal, "{context}: {}", outcome.sentence);
                        assert!(
                            outcome.sentence.contains("tidegate resume"),
                            "{context}: {}",
                            outcome.sentence
                        );
                    }
                    world.target.heal();
                    let outcome = world.settle(&Request::Abort).await;
                    coherent(&world, &outcome, &context);
                    replays(&world);
                });
            }
        }
    }
}

#[test]
fn doing_everything_twice_is_doing_it_once() {
    for name in StrategyName::ALL {
        for (what, behaviour) in behaviours() {
            runtime().block_on(async {
                let world = World::with_v1(&[("v2", behaviour)], RATE, Some(Fault::Twice)).await;
                let outcome = world.deploy("v2", &rich(name)).await.unwrap();
                let kind = if what == "good" { OutcomeKind::Promoted } else { OutcomeKind::RolledBack };
                let blind = what == "failing"
                    && matches!(
                        name,
                        StrategyName::Rolling | StrategyName::Recreate | StrategyName::BlueGreen
                    );
                assert_eq!(
                    outcome.kind,
                    if blind { OutcomeKind::Promoted } else { kind },
                    "{name}, {what}: {}",
                    outcome.sentence
                );
                coherent(&world, &outcome, &format!("{name}, {what}, everything twice"));
            });
        }
    }
}

#[test]
fn a_lost_lock_stops_every_act_at_once() {
    for name in StrategyName::ALL {
        let strategy = rich(name);
        for place in (0..60).step_by(3) {
            let context = format!("{name}, lock lost at check {place}");
            runtime().block_on(async {
                let world = World::with_v1(&[], RATE, None).await;
                world.lock.lose_at(place);
                let ended = world.deploy("v2", &strategy).await;
                let before = world.journal.all().len();
                if let Err(error) = &ended {
                    assert!(error.to_string().contains("taken over"), "{context}: {error}");
                    let events = world.journal.all().last().unwrap().len();
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    assert_eq!(
                        world.journal.all().last().unwrap().len(),
                        events,
                        "{context}: it went on writing"
                    );
                }
                world.lock.take_again();
                if before > 1 {
                    let outcome = world.settle(&Request::Abort).await;
                    coherent(&world, &outcome, &context);
                    replays(&world);
                }
            });
        }
    }
}

prop_compose! {
    fn any_behaviour()(
        start in 0u64..3000,
        drain in 0u64..2000,
        errors in prop_oneof![4 => Just(0.0), 2 => 0.02f64..0.5, 1 => Just(1.0)],
        broken in prop_oneof![5 => Just(None), 1 => (200u64..4000).prop_map(Some)],
    ) -> Behaviour {
        let ms = Duration::from_millis;
        Behaviour { start: ms(start), drain: ms(drain), errors, never_ready: broken.map(ms), dies_after: None }
    }
}

fn any_strategy() -> impl proptest::strategy::Strategy<Value = Strategy> {
    let rolling = (0u32..4, 0u32..3, 0u64..3000).prop_map(|(max_surge, max_unavailable, wait)| {
        Strategy::Rolling(Rolling { max_surge, max_unavailable, wait: Duration::from_millis(wait) })
    });
    let blue_green = (any::<bool>(), 0u64..2000, any::<bool>()).prop_map(|(confirm, watch, compares)| {
        let comparison = compares.then(Comparison::default);
        let watch = Duration::from_millis(watch);
        Strategy::BlueGreen(BlueGreen { confirm, watch, comparison, ..BlueGreen::default() })
    });
    let unsettled = prop_oneof![Just(Unsettled::Hold), Just(Unsettled::Pass), Just(Unsettled::Fail)];
    let canary = (proptest::collection::btree_set(1u16..9999, 1..4), any::<bool>(), unsettled, 1u64..20)
        .prop_map(|(weights, confirm, inconclusive, at_most)| {
            let stages = weights
                .into_iter()
                .map(|w| Stage { weight: Weight::from_basis_points(w), confirm })
                .collect();
            let mut canary = Canary { stages, at_most: Duration::from_secs(at_most), ..Canary::default() };
            if let Some(comparison) = &mut canary.comparison {
                comparison.inconclusive = inconclusive;
            }
            Strategy::Canary(canary)
        });
    prop_oneof![rolling, blue_green, canary, Just(Strategy::Recreate(Recreate::default()))]
}

fn any_fault() -> impl proptest::strategy::Strategy<Value = Option<Fault>> {
    let refuse = (0usize..14, prop_oneof![1usize..4, Just(500)], any::<bool>())
        .prop_map(|(nth, times, fatal)| Some(Fault::Refuse { nth, times, fatal }));
    prop_oneof![3 => Just(None), 1 => Just(Some(Fault::Twice)), 3 => refuse]
}

fn any_request() -> impl proptest::strategy::Strategy<Value = Request> {
    let newer = Request::Supersede { version: "v3".to_owned() };
    prop_oneof![
        Just(Request::Abort),
        Just(Request::GoOn { full: false }),
        Just(Request::GoOn { full: true }),
        Just(newer)
    ]
}

fn any_upset() -> impl proptest::strategy::Strategy<Value = Upset> {
    let phase = || prop_oneof![Just(Phase::Expand), Just(Phase::Contract)];
    prop_oneof![
        3 => Just(Upset::None),
        1 => phase().prop_map(Upset::Fails),
        1 => phase().prop_map(Upset::Breaks),
        1 => prop_oneof![1usize..4, Just(500)].prop_map(Upset::Unreachable),
        1 => Just(Upset::Gone),
    ]
}

/// Nothing ran twice, nothing is half done without a word, and who was promoted has what it needs.
fn database_is_known(world: &World, outcome: &Outcome) {
    let database = world.target.database.lock().unwrap();
    assert!(database.applied.values().all(|times| *times == 1), "{database:?}");
    let all = Environment::replay(&world.journal.all()).unwrap();
    if database.partly.is_some() {
        assert!(all.schema_hold().is_some(), "half done, and nobody knows: {database:?}, {outcome:?}");
    }
    if outcome.kind == OutcomeKind::Promoted {
        assert!(database.applied.contains_key(&1), "live without what it needs: {database:?}");
    }
    if database.applied.contains_key(&2) && outcome.kind == OutcomeKind::Promoted {
        assert!(all.contracted_since(&crate::world::release("v1").id).is_some(), "v1 is thought safe");
    }
}

/// What happens to one random rollout.
#[derive(Debug, Clone)]
struct Story {
    strategy: Strategy,
    instances: u32,
    v1: Behaviour,
    v2: Behaviour,
    rate: f64,
    fault: Option<Fault>,
    deaths: Vec<(usize, bool)>,
    gap: u64,
    meanwhile: Option<(u64, Request)>,
    when_paused: Request,
    upset: Option<(Upset, bool)>,
}

prop_compose! {
    fn any_story()(
        strategy in any_strategy(),
        instances in 1u32..6,
        v1 in any_behaviour(),
        v2 in any_behaviour(),
        rate in prop_oneof![Just(0.0), Just(20.0), Just(2000.0)],
        fault in any_fault(),
        deaths in proptest::collection::vec((0usize..40, any::<bool>()), 0..3),
        gap in 0u64..20_000,
        meanwhile in proptest::option::of((0u64..20_000, any_request())),
        when_paused in any_request(),
        upset in proptest::option::of((any_upset(), any::<bool>())),
    ) -> Story {
        let v1 = Behaviour { never_ready: None, errors: 0.0, ..v1 };
        Story { strategy, instances, v1, v2, rate, fault, deaths, gap, meanwhile, when_paused, upset }
    }
}

async fn live_through(story: &Story) {
    let mut world =
        World::with_v1_of(&[("v1", story.v1), ("v2", story.v2)], story.rate, story.fault, story.instances)
            .await;
    world.setting.keep = Duration::from_secs(story.gap % 2 * 60);
    if let Some((upset, is_transactional)) = story.upset {
        world.is_migrating = true;
        let database = Database { upset, is_transactional, ..Database::default() };
        *world.target.database.lock().unwrap() = database;
    }
    let mut deaths = story.deaths.iter();
    if let Some((place, kept)) = deaths.next() {
        world.journal.crash_at(*place, *kept);
    }
    let meanwhile = async {
        if let Some((after, request)) = &story.meanwhile {
            tokio::time::sleep(Duration::from_millis(*after)).await;
            world.ask(request.clone()).await;
        }
    };
    let (first, ()) = tokio::join!(world.deploy("v2", &story.strategy), meanwhile);
    for (place, kept) in deaths {
        tokio::time::sleep(Duration::from_millis(story.gap)).await;
        world.journal.crash_at(*place, *kept);
        if world.last().is_some_and(|rollout| rollout.open()) && world.journal.all().len() > 1 {
            let _ = world.resume().await;
        }
    }
    world.journal.heal();
    world.target.heal();
    if world.journal.all().len() < 2 {
        assert!(first.is_err(), "nothing was written, and nobody said so");
        return;
    }
    let outcome = world.settle(&story.when_paused).await;
    coherent(&world, &outcome, "a random story");
    if world.is_migrating {
        database_is_known(&world, &outcome);
    }
    replays(&world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_stories_end_all_new_all_old_or_stuck(story in any_story()) {
        runtime().block_on(live_through(&story));
    }

    #[test]
    fn random_stories_end_well_on_the_other_core_too(story in any_story()) {
        runtime().block_on(live_through(&story));
    }
}
