//! What happens next: a pure function of the replayed journal, what is seen in the target, and the time.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::event::{Cause, Fact, Request, Way};
use super::state::{Current, Rollout};
use super::{Action, Observation, Outcome, ReleaseId, Role, Split, Weight, unwind};

mod analyze;
mod ending;
mod gate;
mod guard;
mod migrate;
mod progress;

use progress::Progress;

/// How long an accepted action gets to show before it is done again.
const SHOW: SignedDuration = SignedDuration::from_secs(2);
/// The longest time without another look at the target.
const BEAT: SignedDuration = SignedDuration::from_secs(5);

/// What happens next.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Do this.
    Act(Action),
    /// Note this in the journal, then decide again.
    Record(Fact),
    /// Nothing until then, unless the target changes or somebody asks for something.
    Wait(Timestamp),
    /// It is over, or (when paused) it goes on only when a person says so.
    Finish(Outcome),
}

/// What happens next in this rollout, given what is seen in the target now.
///
/// Deterministic and free of side effects. Repeating an action, or crashing before or after it, is harmless: the next call
/// sees the state and decides again. Every path ends: forward by the plan's budgets, back by the back budget.
#[must_use]
pub fn decide(rollout: &Rollout, seen: &Observation, now: Timestamp) -> Decision {
    if let Some((_, outcome)) = &rollout.outcome {
        return Decision::Finish(outcome.clone());
    }
    let view = View { rollout, seen, now };
    match rollout.way {
        Way::Forward => view.forward(),
        Way::Back => view.back(),
    }
}

/// The arguments of one decision, with the questions that are asked of them.
#[derive(Clone, Copy)]
struct View<'a> {
    rollout: &'a Rollout,
    seen: &'a Observation,
    now: Timestamp,
}

impl View<'_> {
    fn forward(&self) -> Decision {
        if let Some(cause) = self.reason_to_turn_back() {
            if let Some(decision) = self.settle() {
                return decision;
            }
            return Decision::Record(Fact::TurnedBack { cause });
        }
        if let Some(action) = self.guard() {
            return self.act(action);
        }
        if let Some((_, sentence)) = &self.rollout.paused {
            return Decision::Finish(self.paused(sentence));
        }
        if let Some(asked) = &self.rollout.asked
            && asked.request == Request::Pause
            && self.rollout.promoted.is_none()
        {
            return Decision::Record(Fact::Paused { sentence: ending::asked_to_pause(asked) });
        }
        self.walk(&self.rollout.plan.steps)
    }

    fn back(&self) -> Decision {
        if let Some(action) = self.guard() {
            return self.act(action);
        }
        if self.over(self.rollout.plan.budgets.back) {
            return Decision::Finish(self.stuck());
        }
        self.walk(&self.rollout.steps())
    }

    /// Enters, advances or leaves the step under way; ends the rollout after the last one.
    fn walk(&self, steps: &[super::Step]) -> Decision {
        let way = self.rollout.way;
        let Some(current) = &self.rollout.step else {
            return match steps.get(self.rollout.done) {
                Some(_) => Decision::Record(Fact::Entered { way, step: self.rollout.done }),
                None => Decision::Finish(self.completed()),
            };
        };
        let Some(step) = steps.get(current.index) else {
            return Decision::Record(Fact::Left { way, step: current.index });
        };
        let progress = if current.given_up {
            Progress::Done
        } else {
            self.finishing(self.progress(step, current), current)
        };
        match progress {
            Progress::Done => Decision::Record(Fact::Left { way, step: current.index }),
            Progress::Do(action) => self.act(action),
            Progress::Note(fact) => Decision::Record(fact),
            Progress::Wait(until) => Decision::Wait(until.min(self.now + BEAT)),
            Progress::Failed(cause) => self.failed(cause),
        }
    }

    /// A step that cannot be completed: forward it turns the rollout back, unless the candidate is promoted already, when
    /// only tidying up is left; on the way back it is passed over while that can help, and ends in a call for a person.
    fn failed(&self, cause: Cause) -> Decision {
        match self.rollout.way {
            Way::Forward if self.rollout.promoted.is_none() => Decision::Record(Fact::TurnedBack { cause }),
            Way::Forward => Decision::Record(Fact::GivenUp { code: cause.code, sentence: cause.sentence }),
            Way::Back => Decision::Finish(self.stuck_for(&cause)),
        }
    }

    /// Does the action, unless it was accepted a moment ago and only has not shown yet, or was refused a moment ago.
    fn act(&self, action: Action) -> Decision {
        let Some(step) = &self.rollout.step else { return Decision::Act(action) };
        if let Some((at, last)) = &step.acted
            && *last == action
            && self.now < *at + SHOW
        {
            return Decision::Wait(*at + SHOW);
        }
        if let Some(refused) = &step.refused
            && refused.action == action
        {
            let again = refused.at + backoff(refused.times);
            if self.now < again {
                return Decision::Wait(again);
            }
        }
        Decision::Act(action)
    }

    fn reason_to_turn_back(&self) -> Option<Cause> {
        if self.rollout.promoted.is_some() {
            return None;
        }
        if let Some(asked) = &self.rollout.asked
            && asked.request != Request::Pause
        {
            return Some(ending::asked_to_turn_back(asked));
        }
        if self.over(self.rollout.plan.budgets.total) {
            return Some(ending::total_budget(self.rollout));
        }
        self.trouble_of_candidate()
    }

    /// A fatal trouble of the candidate ends the way forward in any step that has it running.
    fn trouble_of_candidate(&self) -> Option<Cause> {
        let trouble = self.set(Role::Candidate)?.trouble.as_ref().filter(|trouble| trouble.fatal)?;
        let begun = self.rollout.reached > 0 && self.rollout.step.is_some();
        begun.then(|| Cause {
            code: trouble.code.clone(),
            sentence: trouble.sentence.clone(),
            log_tail: trouble.log_tail.clone(),
        })
    }

    fn over(&self, budget: Duration) -> bool {
        self.rollout.spent(self.now) > signed(budget)
    }

    fn step_over(&self, current: &Current) -> bool {
        self.now.duration_since(current.since) > signed(self.rollout.plan.budgets.step)
    }

    fn id(&self, role: Role) -> Option<&ReleaseId> {
        match role {
            Role::Candidate => Some(&self.rollout.plan.candidate.id),
            Role::Stable => self.rollout.plan.stable.as_ref().map(|release| &release.id),
        }
    }

    fn set(&self, role: Role) -> Option<&super::SetView> {
        self.seen.sets.get(self.id(role)?)
    }

    fn ready(&self, role: Role) -> u32 {
        self.set(role).map_or(0, |set| set.ready)
    }

    fn weight(&self, role: Role) -> Weight {
        self.id(role).and_then(|id| self.seen.weights.get(id)).copied().unwrap_or_default()
    }

    /// The weights that bring this split about; releases without a share are left out.
    fn weights(&self, split: Split) -> BTreeMap<ReleaseId, Weight> {
        let mut weights = BTreeMap::new();
        let both = [(Role::Stable, split.stable), (Role::Candidate, split.candidate)];
        for (role, weight) in both {
            if let (Some(id), true) = (self.id(role), weight > Weight::ZERO) {
                weights.insert(id.clone(), weight);
            }
        }
        weights
    }

    fn in_force(&self) -> BTreeMap<ReleaseId, Weight> {
        self.seen.weights.iter().filter(|(_, w)| **w > Weight::ZERO).map(|(id, w)| (id.clone(), *w)).collect()
    }

    fn carried(&self, role: Role) -> Weight {
        unwind::carried(&self.rollout.plan, self.ready(role))
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// 0.2 s, doubled with each refusal, at most 10 s.
fn backoff(times: u32) -> SignedDuration {
    SignedDuration::from_millis(200 << times.saturating_sub(1).min(6)).min(SignedDuration::from_secs(10))
}
