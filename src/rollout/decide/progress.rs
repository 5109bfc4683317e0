//! How far the step under way is, and what brings it on.

use std::time::Duration;

use jiff::Timestamp;

use super::{Action, BEAT, Cause, Current, Fact, Role, Split, View, Way, signed};
use crate::rollout::Step;

/// What the step under way needs.
pub(super) enum Progress {
    /// Nothing more.
    Done,
    /// This action.
    Do(Action),
    /// This fact in the journal.
    Note(Fact),
    /// Time, until then.
    Wait(Timestamp),
    /// It cannot be completed.
    Failed(Cause),
}

impl View<'_> {
    pub(super) fn progress(&self, step: &Step, current: &Current) -> Progress {
        if let Some(refused) = current.refused.as_ref().filter(|refused| refused.fatal)
            && !current.migrating
            && current.migrated.is_none()
        {
            return Progress::Failed(Cause::new(&refused.code, refused.sentence.clone()));
        }
        match step {
            Step::Migrate { phase, .. } => self.migrate(*phase, current),
            Step::Provision { role, instances } => self.provision(*role, *instances, current),
            Step::Shift { split } => self.shift(*split, current),
            Step::Analyze { .. } | Step::Pause { .. } if self.rollout.full => Progress::Done,
            Step::Analyze { comparison, at_least, at_most } => {
                self.analyze(comparison, *at_least, *at_most, current)
            }
            Step::Pause { lasting } => self.pause(*lasting, current),
            Step::Verify { .. } => self.verify(current),
            Step::Gate { .. } if self.rollout.full && self.is_underway(current) => Progress::Done,
            Step::Gate { gate, .. } => self.gate(gate, current),
            Step::Promote if self.rollout.promoted.is_some() => Progress::Done,
            Step::Promote => Progress::Note(Fact::Promoted),
            Step::Retire { role, instances, after } => self.retire(*role, *instances, *after, current),
        }
    }

    /// What was begun and not done to its end is begun once more, whatever the numbers say: a target's act may be many writes, of
    /// which some show in no number. On the way back nothing that is refused holds up what comes after it.
    pub(super) fn finishing(&self, progress: Progress, current: &Current) -> Progress {
        let Some(action) = &current.unfinished else { return progress };
        // Whatever was begun: nothing is taken away with traffic on it.
        if let Action::Retire { release, .. } = action
            && !self.rollout.plan.in_place
            && self.seen.weights.get(release).is_some_and(|weight| *weight > crate::rollout::Weight::ZERO)
        {
            return progress;
        }
        let is_forward = self.rollout.way == Way::Forward;
        match (progress, &current.refused) {
            (Progress::Done, Some(refused)) if is_forward && self.step_over(current) => {
                Progress::Failed(Cause::new(&refused.code, refused.sentence.clone()))
            }
            (Progress::Done | Progress::Wait(_), None) => Progress::Do(action.clone()),
            (Progress::Done | Progress::Wait(_), Some(_)) if is_forward => Progress::Do(action.clone()),
            (progress, _) => progress,
        }
    }

    fn provision(&self, role: Role, instances: u32, current: &Current) -> Progress {
        let Some(release) = self.id(role).cloned() else { return Progress::Done };
        let set = self.set(role);
        let kept = set.is_some_and(|set| set.desired >= instances && set.retire_at.is_none());
        if kept && self.ready(role) >= instances {
            return Progress::Done;
        }
        if let Some(end) = self.provision_cannot(role, instances, current) {
            return end;
        }
        if kept { self.later(current) } else { Progress::Do(Action::Scale { release, instances }) }
    }

    /// On the way back stable's own trouble must not block the traffic: after the time for restoring it, what is ready has
    /// to do. With nothing ready there is no way back, and a person is called.
    fn provision_cannot(&self, role: Role, instances: u32, current: &Current) -> Option<Progress> {
        let ready = self.ready(role);
        if self.rollout.way == Way::Back {
            let trouble = self.set(role).and_then(|set| set.trouble.as_ref()).filter(|trouble| trouble.fatal);
            // The last step of the way back waits for what the first one could not wait for.
            let more_to_come = current.index + 1 < self.rollout.steps().len();
            if more_to_come && self.forced() && !self.rollout.plan.exclusive() {
                let sentence = format!(
                    "only {ready} of {instances} instances of the stable release came back in time; they get all traffic"
                );
                return Some(Progress::Note(Fact::GivenUp { code: "stable-short".to_owned(), sentence }));
            }
            // What is seen first may be from before it was mended: the cluster tries again only after a while.
            let waited = self.rollout.spent(self.now) > signed(self.rollout.plan.budgets.restore);
            if let (Some(trouble), 0, true) = (trouble, ready, waited) {
                return Some(Progress::Failed(Cause::new("stable-will-not-start", trouble.sentence.clone())));
            }
            return None;
        }
        self.step_over(current).then(|| Progress::Failed(self.not_ready_in_time(role, instances, current)))
    }

    fn not_ready_in_time(&self, role: Role, instances: u32, current: &Current) -> Cause {
        let ready = self.ready(role);
        let budget = self.rollout.plan.budgets.step;
        let mut sentence =
            format!("only {ready} of {instances} instances of the {role} became ready within {budget:?}");
        let set = self.set(role);
        if let Some(trouble) = set.and_then(|set| set.trouble.as_ref()) {
            sentence = format!("{sentence}: {}", trouble.sentence);
        } else if let Some(refused) = &current.refused {
            sentence = format!("{sentence}: {}", refused.sentence);
        }
        let log_tail =
            set.and_then(|set| set.trouble.as_ref()).map(|t| t.log_tail.clone()).unwrap_or_default();
        Cause { code: "not-ready".to_owned(), sentence, log_tail }
    }

    fn shift(&self, split: Split, current: &Current) -> Progress {
        if let Some(fact) = self.look_before_switch(split, current) {
            return Progress::Note(fact);
        }
        let allowed = self.limited(split);
        let weights = self.weights(allowed);
        if weights != self.in_force() {
            if self.rollout.way == Way::Forward && self.step_over(current) {
                return Progress::Failed(self.not_shifted(split, current));
            }
            return Progress::Do(Action::Route { weights });
        }
        if allowed == split {
            return Progress::Done;
        }
        if self.rollout.way == Way::Forward && self.step_over(current) {
            return Progress::Failed(self.not_shifted(split, current));
        }
        self.later(current)
    }

    fn not_shifted(&self, split: Split, current: &Current) -> Cause {
        let budget = self.rollout.plan.budgets.step;
        let why = current.refused.as_ref().map_or_else(
            || format!("its {} ready instances cannot carry more", self.ready(Role::Candidate)),
            |refused| refused.sentence.clone(),
        );
        Cause::new(
            "not-shifted",
            format!(
                "the candidate did not get its {} of the traffic within {budget:?}: {why}",
                split.candidate
            ),
        )
    }

    fn pause(&self, lasting: Option<Duration>, current: &Current) -> Progress {
        if current.confirmed {
            return Progress::Done;
        }
        match lasting {
            Some(lasting) if self.now >= current.since + signed(lasting) => Progress::Done,
            Some(lasting) => Progress::Wait(current.since + signed(lasting)),
            None => Progress::Note(Fact::Paused { sentence: "the plan asks for a person here".to_owned() }),
        }
    }

    fn retire(&self, role: Role, instances: u32, after: Duration, current: &Current) -> Progress {
        let (Some(release), Some(set)) = (self.id(role).cloned(), self.set(role)) else {
            return Progress::Done;
        };
        if set.running <= instances && set.desired <= instances {
            return Progress::Done;
        }
        if !after.is_zero() && set.retire_at.is_some() {
            return Progress::Done;
        }
        if self.step_over(current) {
            return Progress::Failed(self.not_retired(role, current));
        }
        let at = (!after.is_zero()).then(|| current.since + signed(after));
        match (instances, set.desired > instances || at.is_some()) {
            (0, true) if !self.rollout.plan.in_place && self.weight(role) > crate::rollout::Weight::ZERO => {
                self.later(current)
            }
            (0, true) => Progress::Do(Action::Retire { release, at }),
            (_, true) => Progress::Do(Action::Scale { release, instances }),
            (_, false) => self.later(current),
        }
    }

    fn not_retired(&self, role: Role, current: &Current) -> Cause {
        let set = self.set(role).cloned().unwrap_or_default();
        let why = current.refused.as_ref().map_or_else(
            || format!("{} instances still run, with {} requests in flight", set.running, set.in_flight),
            |refused| refused.sentence.clone(),
        );
        Cause::new("not-retired", format!("the {role} set could not be taken away: {why}"))
    }

    /// Waits for the target to change, or for the step's budget to end.
    pub(super) fn later(&self, current: &Current) -> Progress {
        let end = current.since + signed(self.rollout.plan.budgets.step);
        let restore = self.rollout.since + signed(self.rollout.plan.budgets.restore);
        let next = if self.rollout.way == Way::Back && restore > self.now { end.min(restore) } else { end };
        let tick = jiff::SignedDuration::from_millis(1);
        Progress::Wait((next + tick).max(self.now + tick).min(self.now + BEAT))
    }
}
