//! Endings, and the reasons for turning back, in words.

use super::{Cause, Request, Rollout, View};
use crate::rollout::event::Asked;
use crate::rollout::{Ledger, Outcome, OutcomeKind, Role, Weight};

impl View<'_> {
    /// The last step of the present way is done.
    pub(super) fn completed(&self) -> Outcome {
        let plan = &self.rollout.plan;
        let version = &plan.candidate.version;
        let Some(cause) = &self.rollout.cause else {
            let sentence = match &plan.stable {
                Some(stable) => {
                    format!("{version} is live in {}, in place of {}", plan.environment, stable.version)
                }
                None => format!("{version} is live in {}, its first release", plan.environment),
            };
            let sentence = match self.rollout.migrated.last() {
                Some(last) if last.ledger != Ledger::Applied => {
                    format!("{sentence}; {}", super::migrate::in_words(last, &plan.environment))
                }
                _ => sentence,
            };
            return Outcome { kind: OutcomeKind::Promoted, reason: "promoted".to_owned(), sentence };
        };
        let reason = cause.code.clone();
        // It becomes a part of a sentence.
        let why = cause.sentence.trim_end_matches('.');
        match &plan.stable {
            Some(_) if self.rollout.reached == 0 => Outcome {
                kind: OutcomeKind::Failed,
                reason,
                sentence: format!("{version} was not started: {why}"),
            },
            Some(stable) => Outcome {
                kind: OutcomeKind::RolledBack,
                reason,
                sentence: format!("{version} was taken back: {why}; {} serves all requests", stable.version),
            },
            None => Outcome {
                kind: OutcomeKind::Failed,
                reason,
                sentence: format!("{version} was taken away again: {why}; nothing is left changed"),
            },
        }
    }

    pub(super) fn paused(&self, sentence: &str) -> Outcome {
        let plan = &self.rollout.plan;
        let name = &plan.environment;
        Outcome {
            kind: OutcomeKind::Paused,
            reason: "paused".to_owned(),
            sentence: format!(
                "{} waits in {name} with {} of the traffic: {sentence}; `tidegate promote {name}` goes on, `tidegate abort {name}` goes back",
                plan.candidate.version,
                self.weight(Role::Candidate)
            ),
        }
    }

    /// The time for the way back is over.
    pub(super) fn stuck(&self) -> Outcome {
        let budget = self.rollout.plan.budgets.back;
        let refused = self.rollout.step.as_ref().and_then(|step| step.refused.as_ref());
        let why = refused.map(|refused| refused.sentence.clone()).or_else(|| self.stable_is_short());
        let why = why.unwrap_or_else(|| "the target does not change".to_owned());
        self.stuck_for(&Cause::new(
            "back-budget",
            format!("the way back was not done within {budget:?}: {why}"),
        ))
    }

    /// What stable lacks, and whether visitors come to it all the same.
    fn stable_is_short(&self) -> Option<String> {
        let stable = self.rollout.plan.stable.as_ref()?;
        let (ready, instances) = (self.ready(Role::Stable), self.rollout.plan.instances);
        if ready >= instances {
            return None;
        }
        let mut sentence = format!("only {ready} of {instances} instances of {} are ready", stable.version);
        if ready > 0 && self.weight(Role::Stable) == Weight::FULL {
            sentence.push_str(", which serve all requests");
        }
        if let Some(trouble) = self.set(Role::Stable).and_then(|set| set.trouble.as_ref()) {
            sentence = format!("{sentence} ({})", trouble.sentence.trim_end_matches('.'));
        }
        Some(sentence)
    }

    pub(super) fn stuck_for(&self, cause: &Cause) -> Outcome {
        let plan = &self.rollout.plan;
        let first = self.rollout.cause.as_ref().map_or("", |first| first.sentence.trim_end_matches('.'));
        Outcome {
            kind: OutcomeKind::Stuck,
            reason: cause.code.clone(),
            sentence: format!(
                "{} could not be taken back whole: {}; it was going back because {first}; mend that, then run `tidegate resume {}`",
                plan.candidate.version, cause.sentence, plan.environment
            ),
        }
    }
}

pub(super) fn asked_to_pause(asked: &Asked) -> String {
    let reason = asked.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("{} asked for a pause{reason}", asked.by)
}

pub(super) fn asked_to_turn_back(asked: &Asked) -> Cause {
    let reason = asked.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    match &asked.request {
        Request::Supersede { version } => {
            Cause::new("superseded", format!("{} came with the newer {version}{reason}", asked.by))
        }
        Request::Cancel { signal } => {
            Cause::new("cancelled", format!("the command was told to stop (signal {signal})"))
        }
        Request::Abort | Request::Pause | Request::GoOn { .. } => {
            Cause::new("aborted", format!("{} aborted it{reason}", asked.by))
        }
    }
}

pub(super) fn total_budget(rollout: &Rollout) -> Cause {
    let budget = rollout.plan.budgets.total;
    let steps = rollout.plan.steps.len();
    Cause::new(
        "total-budget",
        format!("it was not done within {budget:?}, after {} of {steps} steps", rollout.done),
    )
}
