//! The steps that ask: declared requests, and gates.

use super::progress::Progress;
use super::{Action, Cause, Current, Fact, View, Weight, signed, unwind};
use crate::rollout::gate::Gate;
use crate::rollout::step::Unsettled;
use crate::rollout::{Judgement, Verdict};

impl View<'_> {
    pub(super) fn verify(&self, current: &Current) -> Progress {
        match &current.judgement {
            Some(judgement) if judgement.verdict == Verdict::Pass => Progress::Done,
            Some(judgement) => Progress::Failed(against(judgement)),
            None if self.step_over(current) => {
                let budget = self.rollout.plan.budgets.step;
                let why = current
                    .refused
                    .as_ref()
                    .map_or_else(|| format!("no end within {budget:?}"), |refused| refused.sentence.clone());
                let sentence = format!("the verification could not be run: {why}");
                Progress::Failed(Cause::new("not-verified", sentence))
            }
            None => Progress::Do(Action::Verify { step: current.index }),
        }
    }

    /// Not all of the traffic has been moved yet: who says to go on in full answers for the gates up to there, and not for those after it.
    pub(super) fn is_underway(&self, current: &Current) -> bool {
        let plan = &self.rollout.plan;
        let split = unwind::split_in_force(&plan.steps, current.index);
        !plan.in_place && split.is_none_or(|split| split.candidate != Weight::FULL)
    }

    /// What is advisory is told, and passed over.
    pub(super) fn gate(&self, gate: &Gate, current: &Current) -> Progress {
        let Some(judgement) = &current.judgement else { return self.ask(gate, current) };
        let is_advisory = gate.advisory && judgement.verdict != Verdict::Pass;
        match (judgement.verdict, gate.inconclusive) {
            (Verdict::Pass, _) | (Verdict::Inconclusive, Unsettled::Pass) => Progress::Done,
            _ if is_advisory => Progress::Note(passed_over(judgement)),
            (Verdict::Inconclusive, Unsettled::Hold) if current.confirmed => Progress::Done,
            (Verdict::Inconclusive, Unsettled::Hold) => {
                Progress::Note(Fact::Paused { sentence: judgement.sentence.clone() })
            }
            (Verdict::Fail | Verdict::NoData, _) | (Verdict::Inconclusive, Unsettled::Fail) => {
                Progress::Failed(against(judgement))
            }
        }
    }

    /// A gate has its own time. It is over only where the gate cannot be asked at all.
    fn ask(&self, gate: &Gate, current: &Current) -> Progress {
        let budget = gate.at_most + self.rollout.plan.budgets.step;
        if self.now.duration_since(current.since) <= signed(budget) {
            return Progress::Do(Action::Verify { step: current.index });
        }
        let why = current.refused.as_ref().map_or("no answer came", |refused| refused.sentence.as_str());
        let judgement =
            Judgement::new(Verdict::NoData, "gate-silent", format!("{gate} tells nothing: {why}"));
        Progress::Note(Fact::Judged { step: current.index, judgement })
    }
}

fn passed_over(judgement: &Judgement) -> Fact {
    let sentence = format!("{}; it is advisory, and stops nothing", judgement.sentence);
    Fact::GivenUp { code: judgement.code.clone(), sentence }
}

fn against(judgement: &Judgement) -> Cause {
    Cause { log_tail: judgement.log_tail.clone(), ..Cause::new(&judgement.code, judgement.sentence.clone()) }
}
