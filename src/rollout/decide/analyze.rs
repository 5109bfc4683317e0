//! The analyze step: when to read the counters, and when their evidence is final.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::progress::Progress;
use super::{Cause, Current, Fact, Role, View, signed};
use crate::rollout::step::{Comparison, Unsettled};
use crate::rollout::{Counts, Judgement, Verdict};

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
        let judgement = evidence.judge();
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

    /// The reading of the counters, when it is time for one and there is something new.
    fn due_look(&self, current: &Current) -> Option<Fact> {
        let counts =
            |role| self.id(role).and_then(|id| self.seen.traffic.get(id)).copied().unwrap_or_default();
        let (stable, candidate): (Counts, Counts) = (counts(Role::Stable), counts(Role::Candidate));
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
