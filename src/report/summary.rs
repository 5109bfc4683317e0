//! The job summary: every rollout of a run in full, with its picture, and what could be told nowhere else.

use std::sync::{Arc, Mutex, PoisonError};

use super::markdown::Around;
use super::story::{self, Story};
use super::{Sink, markdown, picture, safe};
use crate::rollout::{Event, Rollout};

/// So many bytes a step's summary may have; GitHub drops one that is larger. Something is left for what others write.
const LONGEST: usize = 1_000_000;

/// Keeps what it hears for the summary. Clones keep it together.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<Story>>>);

impl Kept {
    /// The rollouts so far.
    #[must_use]
    pub fn stories(&self) -> Vec<Story> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Kept {
    fn publish(&mut self, rollout: &Rollout, event: &Event) {
        story::hear(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), rollout, event);
    }
}

/// The summary. Without a rollout it is the one sentence in which the command ended.
#[must_use]
pub fn render(stories: &[Story], sentence: &str, around: &Around, untold: &[String]) -> String {
    let mut text = String::new();
    for Story { rollout, events, .. } in stories {
        text += &markdown::head(rollout);
        text += &markdown::evidence(rollout, around);
        text += &picture::render(rollout, events);
        text.push('\n');
        text += &markdown::course(rollout, events);
        text.push('\n');
    }
    if stories.is_empty() {
        text = format!("**{}**\n", safe::text(sentence));
    }
    let untold: String = untold.iter().map(|why| format!("\n> ⚠️ {}\n", safe::text(why))).collect();
    let rest = safe::cut(&text, LONGEST - untold.len().min(LONGEST / 2), "… the rest is in the log.");
    rest + &untold
}
