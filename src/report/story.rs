//! What a run knows of the rollouts that it drives: for reports that are put together anew each time they are told.

use super::words;
use crate::rollout::{Event, Fact, OutcomeKind, Rollout};

/// So many events of a rollout are kept, its first ones and its last ones: a rollout that waits for weeks tells no more.
const KEPT: usize = 2000;

/// A rollout with its events, as far as this run has heard of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// Its newest state.
    pub rollout: Rollout,
    /// What happened.
    pub events: Vec<Event>,
    /// This run has begun it; others it has taken up.
    pub is_own: bool,
}

/// How a story stands, as far as it matters outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was done yet.
    Begun,
    /// It goes forward.
    Forward,
    /// It goes back.
    Back,
    /// It waits for a person.
    Paused,
    /// It is over.
    Ended(OutcomeKind),
}

impl Story {
    /// The story that begins with what was just heard.
    #[must_use]
    pub fn begin(rollout: &Rollout, event: &Event) -> Self {
        let is_own = matches!(event.fact, Fact::Started { .. });
        Self { rollout: rollout.clone(), events: vec![event.clone()], is_own }
    }

    /// Takes the next event in.
    pub fn take(&mut self, rollout: &Rollout, event: &Event) {
        self.rollout.clone_from(rollout);
        if self.events.len() >= KEPT {
            self.events.remove(KEPT / 2);
        }
        self.events.push(event.clone());
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let rollout = &self.rollout;
        match (&rollout.outcome, &rollout.paused) {
            (Some((_, outcome)), _) => Standing::Ended(outcome.kind),
            (None, Some(_)) => Standing::Paused,
            (None, None) if rollout.cause.is_some() => Standing::Back,
            (None, None) if rollout.reached == 0 => Standing::Begun,
            (None, None) => Standing::Forward,
        }
    }

    /// How it stands, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        words::standing(&self.rollout)
    }
}

/// The stories of a run, in the order in which they were heard of, each event taken in.
pub fn hear(stories: &mut Vec<Story>, rollout: &Rollout, event: &Event) {
    match stories.iter_mut().rev().find(|story| story.rollout.id == rollout.id) {
        Some(story) => story.take(rollout, event),
        None => stories.push(Story::begin(rollout, event)),
    }
}
