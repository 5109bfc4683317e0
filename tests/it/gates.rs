//! Gates in whole rollouts, in the in-memory world.

use std::time::Duration;

use tidegate::rollout::event::Request;
use tidegate::rollout::gate::{Gate, Probe, Sample};
use tidegate::rollout::step::Unsettled;
use tidegate::rollout::strategy::{BlueGreen, Strategy};
use tidegate::rollout::{Condition, Fact, Outcome, OutcomeKind, Verdict, Weight};

use crate::world::{Behaviour, World};

fn gate() -> Gate {
    Gate {
        name: None,
        probe: Probe::Approval { file: "approvals/{version}".to_owned() },
        every: Duration::from_secs(10),
        at_most: Duration::from_secs(600),
        inconclusive: Unsettled::Hold,
        advisory: false,
    }
}

fn before(gate: Gate) -> Strategy {
    let before = vec![Condition::Gate(Box::new(gate))];
    Strategy::BlueGreen(BlueGreen { before, ..BlueGreen::default() })
}

fn absent() -> Sample {
    Sample::Approval(None)
}

fn told(text: &str) -> Sample {
    Sample::Approval(Some(text.to_owned()))
}

fn silent() -> Sample {
    Sample::Silent { why: "connection refused".to_owned(), lasting: false }
}

/// A world in which gates are answered so, the last answer for ever.
async fn answering(samples: &[Sample]) -> World {
    let mut world = World::with_v1(&[], 1000.0, None).await;
    world.answers.samples = samples.to_vec();
    world
}

fn expect(outcome: &Outcome, kind: OutcomeKind, reason: &str) {
    assert_eq!((outcome.kind, outcome.reason.as_str()), (kind, reason), "{}", outcome.sentence);
}

fn progress(world: &World) -> Vec<String> {
    let all = world.journal.all();
    let facts = all.last().unwrap().iter().filter_map(|event| match &event.fact {
        Fact::Progressed { sentence } => Some(sentence.clone()),
        _ => None,
    });
    facts.collect()
}

fn seconds(world: &World, since: jiff::Timestamp) -> i64 {
    world.clock.now().duration_since(since).as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_gate_is_waited_for_and_says_so_once() {
    let world = answering(&[absent(), absent(), absent(), told("approved: Ann")]).await;
    let since = world.clock.now();
    expect(&world.deploy("v2", &before(gate())).await.unwrap(), OutcomeKind::Promoted, "promoted");
    assert!((30..40).contains(&seconds(&world, since)), "{}", seconds(&world, since));
    assert_eq!(progress(&world), ["approval approvals/v2 is not there yet"]);
    let judgement = &world.last().unwrap().judgements[0].1;
    assert_eq!(judgement.sentence, "approval approvals/v2 is given: Ann");
    assert!(world.is_all("v2", "v1"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_silence_turn_back_before_any_traffic() {
    let silence =
        "v2 was taken back: approval approvals/v2 tells nothing: connection refused; v1 serves all requests";
    for (samples, inconclusive, reason, sentence) in [
        (
            vec![absent(), told("rejected: too late")],
            Unsettled::Pass,
            "gate-failed",
            "v2 was taken back: approval approvals/v2 is refused: too late; v1 serves all requests",
        ),
        (vec![silent()], Unsettled::Pass, "gate-silent", silence),
        (vec![absent(), silent()], Unsettled::Hold, "gate-silent", silence),
        (
            vec![absent()],
            Unsettled::Fail,
            "gate-open",
            "v2 was taken back: approval approvals/v2 is not there yet; v1 serves all requests",
        ),
    ] {
        let world = answering(&samples).await;
        let outcome = world.deploy("v2", &before(Gate { inconclusive, ..gate() })).await.unwrap();
        expect(&outcome, OutcomeKind::RolledBack, reason);
        assert_eq!(outcome.sentence, sentence);
        assert_eq!(world.weight("v2"), Weight::ZERO);
        assert!(world.is_all("v1", "v2"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_settled_in_time_waits_for_a_person_or_goes_on() {
    let world = answering(&[absent()]).await;
    let since = world.clock.now();
    let outcome = world.deploy("v2", &before(gate())).await.unwrap();
    expect(&outcome, OutcomeKind::Paused, "paused");
    assert!((580..=610).contains(&seconds(&world, since)), "{}", seconds(&world, since));
    assert_eq!(world.weight("v2"), Weight::ZERO);
    let asked = world.answers.asked.lock().unwrap().len();
    world.ask(Request::GoOn { full: false }).await;
    expect(&world.resume().await.unwrap(), OutcomeKind::Promoted, "promoted");
    assert_eq!(world.answers.asked.lock().unwrap().len(), asked, "a person's word is enough");
    let world = answering(&[absent()]).await;
    let on = Gate { inconclusive: Unsettled::Pass, ..gate() };
    expect(&world.deploy("v2", &before(on)).await.unwrap(), OutcomeKind::Promoted, "promoted");
}

#[tokio::test(start_paused = true)]
async fn an_advisory_gate_is_told_and_stops_nothing() {
    for samples in [vec![told("rejected")], vec![silent()], vec![absent()]] {
        let world = answering(&samples).await;
        let advisory = Gate { advisory: true, ..gate() };
        expect(&world.deploy("v2", &before(advisory)).await.unwrap(), OutcomeKind::Promoted, "promoted");
        let all = world.journal.all();
        let warned = all.last().unwrap().iter().find_map(|event| match &event.fact {
            Fact::GivenUp { sentence, .. } => Some(sentence.clone()),
            _ => None,
        });
        assert!(warned.unwrap().ends_with("; it is advisory, and stops nothing"));
        assert_ne!(world.last().unwrap().judgements[0].1.verdict, Verdict::Pass);
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_the_way_back_is_heard_while_a_gate_is_asked() {
    let world = answering(&[absent()]).await;
    let begun = world.clock.now();
    let strategy = before(gate());
    let asking = async {
        tokio::time::sleep(Duration::from_secs(65)).await;
        world.ask(Request::Abort).await;
        world.clock.now()
    };
    let (outcome, asked) = tokio::join!(world.deploy("v2", &strategy), asking);
    expect(&outcome.unwrap(), OutcomeKind::RolledBack, "aborted");
    assert!(asked.duration_since(begun).as_secs() >= 65);
    let all = world.journal.all();
    let turned = all.last().unwrap().iter().find(|event| matches!(event.fact, Fact::TurnedBack { .. }));
    let late = turned.unwrap().at.duration_since(asked);
    assert!(late.as_millis() <= 500, "it went back {late} after it was asked to");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_dies_ends_the_question() {
    let dying = Behaviour { dies_after: Some(Duration::from_secs(100)), ..Behaviour::default() };
    let mut world = World::with_v1(&[("v2", dying)], 1000.0, None).await;
    world.answers.samples = vec![absent()];
    let since = world.clock.now();
    let outcome = world.deploy("v2", &before(gate())).await.unwrap();
    assert_eq!(outcome.kind, OutcomeKind::RolledBack, "{}", outcome.sentence);
    assert!((100..160).contains(&seconds(&world, since)), "{}", seconds(&world, since));
    assert!(world.is_all("v1", "v2"));
}

#[tokio::test(start_paused = true)]
async fn another_process_asks_anew_by_the_same_name() {
    let world = answering(&[absent(), absent(), told("approved")]).await;
    let strategy = before(gate());
    // The first process goes away in the middle of the wait.
    let first = tokio::time::timeout(Duration::from_secs(15), world.deploy("v2", &strategy)).await;
    assert!(first.is_err());
    expect(&world.resume().await.unwrap(), OutcomeKind::Promoted, "promoted");
    let asked = world.answers.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|id| *id == asked[0]), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn who_says_to_go_on_in_full_answers_for_the_gates_up_to_all_traffic_and_not_for_those_after_it() {
    let mut world = answering(&[absent()]).await;
    world.setting.verify = vec![Condition::Gate(Box::new(gate()))];
    let strategy = before(gate());
    let asking = async {
        tokio::time::sleep(Duration::from_secs(15)).await;
        world.ask(Request::GoOn { full: true }).await;
    };
    let (outcome, ()) = tokio::join!(world.deploy("v2", &strategy), asking);
    expect(&outcome.unwrap(), OutcomeKind::Paused, "paused");
    assert_eq!(world.weight("v2"), Weight::FULL);
    let asked = world.answers.asked.lock().unwrap().clone();
    let before = asked.iter().filter(|id| **id == asked[0]).count();
    assert!((1..=3).contains(&before) && asked.len() > before + 50, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_says_something_else_each_time_does_not_fill_the_journal() {
    let words: Vec<Sample> = (0..60).map(|n| Sample::Said { status: 500 + n, body: Vec::new() }).collect();
    let world = answering(&words).await;
    expect(&world.deploy("v2", &before(gate())).await.unwrap(), OutcomeKind::RolledBack, "gate-silent");
    assert_eq!(progress(&world).len(), 20);
}
