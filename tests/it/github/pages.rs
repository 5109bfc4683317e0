//! What is written, seen whole: the in-memory world is the same each time.

use tidegate::report::markdown::Around;
use tidegate::report::story::Story;
use tidegate::report::{Sink as _, picture, summary, words};
use tidegate::rollout::strategy::{Strategy, StrategyName};

use super::kit::{Heard, RUN, bad, recorded, recorded_pause};
use crate::world::Behaviour;

fn story(heard: &Heard) -> Story {
    let mut kept = summary::Kept::default();
    heard.iter().for_each(|(rollout, event)| kept.publish(rollout, event));
    kept.stories().remove(0)
}

fn around() -> Around {
    Around { url: Some("https://shop.example.com".to_owned()), run: Some(RUN.to_owned()) }
}

fn canary() -> Strategy {
    Strategy::by_name(StrategyName::Canary)
}

#[test]
fn the_summary_of_a_good_canary() {
    let story = story(&recorded("v2", Behaviour::default(), canary())[1]);
    insta::assert_snapshot!(summary::render(&[story], "", &around(), &[]));
}

#[test]
fn the_summary_of_a_canary_that_was_taken_back_and_could_not_be_told() {
    let story = story(&recorded("v2", bad(), canary())[1]);
    let untold = ["the token may not write this: check run (`checks: write`)".to_owned()];
    insta::assert_snapshot!(summary::render(&[story], "", &around(), &untold));
}

#[test]
fn the_summary_of_a_canary_that_waits() {
    let heard = &recorded_pause()[1];
    let waits = heard.iter().position(|(rollout, _)| rollout.paused.is_some()).unwrap();
    let story = story(&heard[..=waits].to_vec());
    insta::assert_snapshot!(summary::render(&[story], "", &around(), &[]));
}

#[test]
fn a_command_that_began_no_rollout_is_one_sentence() {
    let text = summary::render(&[], "test was closed by <ann>: @all", &around(), &[]);
    assert_eq!(text, "**test was closed by &lt;ann&gt;: @\u{200b}all**\n");
}

#[test]
fn traffic_that_was_not_divided_has_no_picture() {
    let recorded = recorded("v2", Behaviour::default(), canary());
    let Story { rollout, events, .. } = story(&recorded[1]);
    let whole = picture::render(&rollout, &events);
    assert_eq!(whole.matches("xychart-beta").count(), 2, "{whole}");
    assert_eq!(picture::render(&rollout, &events[..3]), "");
    assert_eq!(picture::render(&rollout, &[]), "");
}

#[test]
fn a_summary_stays_within_a_steps_limit() {
    let mut story = story(&recorded("v2", Behaviour::default(), canary())[1]);
    let mut events = story.events.clone();
    events.retain(|event| words::sentence(&story.rollout, event).is_some());
    while story.events.len() < 20_000 {
        story.events.extend(events.iter().cloned());
    }
    let untold = ["late".to_owned()];
    let text = summary::render(&[story], "", &around(), &untold);
    assert!(text.len() <= 1_000_000 && text.len() > 900_000, "{}", text.len());
    assert!(text.ends_with("… the rest is in the log.\n\n> ⚠️ late\n"), "{}", &text[text.len() - 200..]);
}
