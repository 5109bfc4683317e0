//! Migrations: begun once, waited for, and never left without a word about how they ended.

use super::progress::Progress;
use super::{Action, Cause, Current, Decision, Fact, Role, View};
use crate::rollout::action::Begin;
use crate::rollout::{Ledger, Migrated, Phase, Step};

impl View<'_> {
    pub(super) fn migrate(&self, phase: Phase, current: &Current) -> Progress {
        if let Some(migrated) = &current.migrated {
            return match migrated.ledger {
                Ledger::Applied => Progress::Done,
                _ => Progress::Failed(cause(migrated, &self.rollout.plan.environment)),
            };
        }
        if let Some(fact) = self.out_of_reach(phase, current) {
            return Progress::Note(fact);
        }
        if !current.migrating && self.step_over(current) {
            let why = current.refused.as_ref().map_or("", |refused| refused.sentence.as_str());
            let budget = self.rollout.plan.budgets.step;
            let sentence = format!("the migrations could not be begun within {budget:?}: {why}");
            return Progress::Failed(Cause::new("not-migrated", sentence.trim_end_matches([':', ' '])));
        }
        // Who still answers a request by the old release needs what is to be taken away.
        let busy = self.set(Role::Stable).is_some_and(|set| set.in_flight > 0);
        if phase == Phase::Contract && busy && !current.migrating {
            return self.later(current);
        }
        let begin = if current.migrating { Begin::TakeUp } else { Begin::Anew };
        Progress::Do(Action::Migrate { step: current.index, begin })
    }

    /// What must be known before the rollout may turn back: how the migrations stand that were begun.
    pub(super) fn settle(&self) -> Option<Decision> {
        let current = self.rollout.step.as_ref().filter(|step| step.migrating)?;
        let Some(Step::Migrate { phase, .. }) = self.rollout.plan.steps.get(current.index) else {
            return None;
        };
        if let Some(fact) = self.out_of_reach(*phase, current) {
            return Some(Decision::Record(fact));
        }
        Some(self.act(Action::Migrate { step: current.index, begin: Begin::Settle }))
    }

    /// The end of looking for an answer: begun, and nobody tells how it stands.
    fn out_of_reach(&self, phase: Phase, current: &Current) -> Option<Fact> {
        let refused = current.refused.as_ref().filter(|_| current.migrating)?;
        if !refused.fatal && !self.step_over(current) {
            return None;
        }
        let migrated = Migrated {
            phase,
            ledger: Ledger::Unknown,
            applied: Vec::new(),
            changed: true,
            code: "migration-unknown".to_owned(),
            sentence: format!(
                "migrations were begun, and how they ended cannot be told: {}",
                refused.sentence
            ),
            log_tail: Vec::new(),
            backup: None,
        };
        Some(Fact::Migrated { step: current.index, migrated: Box::new(migrated) })
    }
}

/// How a run of migrations ended, with what follows from it.
pub(super) fn in_words(migrated: &Migrated, environment: &str) -> String {
    let sentence = migrated.sentence.trim_end_matches('.').to_owned();
    if !migrated.ledger.holds() {
        return sentence;
    }
    format!(
        "{sentence}; nothing is deployed there until a person has looked at the database and run `tidegate unlock {environment}`"
    )
}

fn cause(migrated: &Migrated, environment: &str) -> Cause {
    let sentence = in_words(migrated, environment);
    Cause { code: migrated.code.clone(), sentence, log_tail: migrated.log_tail.clone() }
}
