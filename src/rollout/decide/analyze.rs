//! The analyze step: when to read the counters, and when their evidence is final.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::progress::Progress;
use super::{Cause, Current, Fact, Role, Split, View, Way, Weight, signed};
use crate::rollout::step::{Comparison, Unsettled};
use crate::rollout::{Counts, Judgement, Step, Verdict};

/// The shortest time between two readings.
const LOOK: SignedDuration = SignedDuration::from_millis(100);
/// Readings get rarer as the step gets older: one each fiftieth of its age, so that a failure is found at most two percent
/// later than it could be and an hour's analysis is a few hundred events.
const AGE: i32 = 50;

impl View<'_> {
    pub(super) fn analyze(
        &self,
        comparison: &Comparison,
        at_least: Duration,
        at_most: Duration,
        current: &Current,
    ) -> Progress {
        if let Some(judgement) = &current.judgement {
            return self.judged(comparison, judgement, current);
        }
        if let Some(fact) = self.due_look(current) {
            return Progress::Note(fact);
        }
        let Some(evidence) = &self.rollout.evidence else { return Progress::Done };
        let judgement = self.with_cause(evidence.judge(), comparison);
        let (earliest, latest) = (current.since + signed(at_least), current.since + signed(at_most));
        let is_final = match judgement.verdict {
            Verdict::Fail => true,
            Verdict::Pass => self.now >= earliest,
            Verdict::Inconclusive | Verdict::NoData => self.now >= latest,
        };
        if is_final {
            return Progress::Note(Fact::Judged { step: current.index, judgement });
        }
        let next = if judgement.verdict == Verdict::Pass { earliest } else { latest };
        let look = self.next_look(current);
        // Nothing new was there to read: look again a moment later.
        let look = if look > self.now { look } else { self.now + LOOK };
        Progress::Wait(look.min(next).max(self.now + SignedDuration::from_millis(1)))
    }

    /// A judgement with the reason why there is no data, or no more, where the target knows it. What a silent source leaves open
    /// never counts as a pass, whatever else is to follow from evidence that settles nothing.
    fn with_cause(&self, judgement: Judgement, comparison: &Comparison) -> Judgement {
        let Some(why) = &self.seen.silence else { return judgement };
        let told = format!("{} ({why})", judgement.sentence);
        match (judgement.verdict, comparison.inconclusive) {
            (Verdict::Inconclusive, Unsettled::Pass) => Judgement::new(Verdict::NoData, "silent", told),
            (Verdict::NoData | Verdict::Inconclusive, _) => Judgement { sentence: told, ..judgement },
            (Verdict::Pass | Verdict::Fail, _) => judgement,
        }
    }

    fn judged(&self, comparison: &Comparison, judgement: &Judgement, current: &Current) -> Progress {
        let against = || Progress::Failed(Cause::new(&judgement.code, judgement.sentence.clone()));
        match (judgement.verdict, comparison.inconclusive) {
            (Verdict::Pass, _) | (Verdict::Inconclusive, Unsettled::Pass) => Progress::Done,
            (Verdict::Inconclusive, Unsettled::Hold) if current.confirmed => Progress::Done,
            (Verdict::Inconclusive, Unsettled::Hold) => {
                Progress::Note(Fact::Paused { sentence: judgement.sentence.clone() })
            }
            (Verdict::Fail | Verdict::NoData, _) | (Verdict::Inconclusive, Unsettled::Fail) => against(),
        }
    }

    /// A switch of all traffic leaves nothing to compare with at the same time: what stable answered before is read first.
    pub(super) fn look_before_switch(&self, split: Split, current: &Current) -> Option<Fact> {
        let rest = self.rollout.plan.steps.get(current.index..).unwrap_or_default();
        let judged_after = rest.iter().any(|step| matches!(step, Step::Analyze { .. }));
        let unread = self.rollout.look.is_none()
            && self.rollout.evidence.as_ref().is_some_and(|evidence| evidence.totals().stable.requests == 0);
        let forward = self.rollout.way == Way::Forward;
        let wanted = forward && split.candidate == Weight::FULL && judged_after && unread;
        let (stable, candidate) = self.counts();
        wanted.then_some(Fact::Looked { epoch: self.seen.epoch, stable, candidate })
    }

    /// What both releases have answered by now.
    fn counts(&self) -> (Counts, Counts) {
        let counts =
            |role| self.id(role).and_then(|id| self.seen.traffic.get(id)).copied().unwrap_or_default();
        (counts(Role::Stable), counts(Role::Candidate))
    }

    /// The reading of the counters, when it is time for one and there is something new.
    fn due_look(&self, current: &Current) -> Option<Fact> {
        let (stable, candidate) = self.counts();
        if let Some(last) = &self.rollout.look {
            let same = last.epoch == self.seen.epoch && last.stable == stable && last.candidate == candidate;
            if same || self.now < self.next_look(current) {
                return None;
            }
        }
        Some(Fact::Looked { epoch: self.seen.epoch, stable, candidate })
    }

    /// When the counters are read next; past when a reading is due.
    fn next_look(&self, current: &Current) -> Timestamp {
        let Some(last) = &self.rollout.look else { return self.now };
        let age = last.at.duration_since(current.since);
        last.at + LOOK.max(age / AGE)
    }
}
