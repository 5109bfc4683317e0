//! What an environment's journal says as a whole.

use super::event::Event;
use super::state::{ReplayError, Rollout};
use super::{Migrated, OutcomeKind, Release, ReleaseId};

/// What an environment's journal says as a whole: the fold of its rollouts, oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Environment {
    /// Every rollout that the journal still holds, oldest first.
    pub rollouts: Vec<Rollout>,
}

impl Environment {
    /// Replays each rollout's events.
    ///
    /// # Errors
    /// When a history has gaps or does not begin with a start.
    pub fn replay(histories: &[Vec<Event>]) -> Result<Self, ReplayError> {
        let rollouts = histories.iter().map(Rollout::replay).collect::<Result<_, _>>()?;
        Ok(Self { rollouts })
    }

    /// The good release: the candidate that was promoted last.
    #[must_use]
    pub fn stable(&self) -> Option<&Release> {
        self.promoted().next()
    }

    /// The releases that were promoted, newest first, each only once.
    pub fn promoted(&self) -> impl Iterator<Item = &Release> {
        let mut seen = Vec::new();
        let mut promotions: Vec<_> =
            self.rollouts.iter().filter_map(|r| r.promoted.map(|at| (at, &r.plan.candidate))).collect();
        promotions.reverse();
        promotions.into_iter().filter_map(move |(_, release)| {
            let fresh = !seen.contains(&&release.id);
            seen.push(&release.id);
            fresh.then_some(release)
        })
    }

    /// The rollout that has not ended: under way in another process, left by one that died, or waiting for a person.
    #[must_use]
    pub fn open(&self) -> Option<&Rollout> {
        self.rollouts.last().filter(|rollout| rollout.open())
    }

    /// The last rollout, when it is stuck.
    #[must_use]
    pub fn stuck(&self) -> Option<&Rollout> {
        self.rollouts.last().filter(|rollout| {
            rollout.outcome.as_ref().is_some_and(|(_, outcome)| outcome.kind == OutcomeKind::Stuck)
        })
    }

    /// The release of that version which was promoted last, or else rolled out last.
    #[must_use]
    pub fn version(&self, version: &str) -> Option<&Release> {
        let rolled_out = || self.rollouts.iter().rev().map(|rollout| &rollout.plan.candidate);
        self.promoted()
            .find(|release| release.version == version)
            .or_else(|| rolled_out().find(|r| r.version == version))
    }

    /// The last run of migrations, where how it ended is not clear and no person has answered for it since.
    #[must_use]
    pub fn schema_hold(&self) -> Option<(&Rollout, &Migrated)> {
        let runs = self.rollouts.iter().rev().find_map(|rollout| Some((rollout, rollout.migrated.last()?)));
        runs.filter(|(rollout, migrated)| migrated.ledger.holds() && rollout.acknowledged.is_none())
    }

    /// The run of contract migrations after which that release can no longer be gone back to: it ran when the release was not
    /// the newest, and the release was not live since.
    #[must_use]
    pub fn contracted_since(&self, release: &ReleaseId) -> Option<(&Rollout, &Migrated)> {
        let is_of = |rollout: &&Rollout| rollout.plan.candidate.id == *release && rollout.promoted.is_some();
        let since = self.rollouts.iter().rposition(|rollout| is_of(&rollout))?;
        self.rollouts[since + 1..].iter().find_map(|rollout| Some((rollout, rollout.contracted()?)))
    }
}
