//! The capacity rule: no release gets more traffic than its ready instances can carry, in either direction.

use super::{Action, Role, Split, View, Way, Weight, signed, unwind};
use crate::rollout::Step;

impl View<'_> {
    /// Corrects the weights in force where the capacity rule, or the split that was last asked for, wants others. Goes before
    /// anything else, so that an abort moves traffic in its first act and a dying candidate loses its share at once.
    pub(super) fn guard(&self) -> Option<Action> {
        if self.rollout.plan.in_place {
            return None;
        }
        let split = match self.rollout.way {
            Way::Forward => self.wanted_forward()?,
            Way::Back => self.wanted_back()?,
        };
        let weights = self.weights(split);
        (weights != self.in_force()).then_some(Action::Route { weights })
    }

    /// Forward: what the last completed shift asked for, as far as the candidate can carry it.
    fn wanted_forward(&self) -> Option<Split> {
        let current = self.rollout.step.as_ref()?;
        if matches!(self.rollout.plan.steps.get(current.index), Some(Step::Shift { .. })) {
            return None;
        }
        let split = unwind::split_in_force(&self.rollout.plan.steps, current.index)?;
        Some(self.limited(split))
    }

    /// The split with the candidate's share cut to what it can carry, as long as somebody else can take the rest.
    pub(super) fn limited(&self, split: Split) -> Split {
        if split == Split::HELD || self.rollout.plan.stable.is_none() || self.ready(Role::Stable) == 0 {
            return split;
        }
        Split::candidate(split.candidate.min(self.carried(Role::Candidate)))
    }

    /// Back: to stable as much as it can carry at this moment; everything once the time for restoring its capacity is over.
    fn wanted_back(&self) -> Option<Split> {
        if self.rollout.plan.exclusive() || self.rollout.plan.stable.is_none() || self.seen.weights.is_empty()
        {
            return None;
        }
        let current = self.weight(Role::Candidate);
        let candidate = if self.forced() {
            Weight::ZERO
        } else {
            current.min(self.carried(Role::Candidate)).min(self.carried(Role::Stable).rest())
        };
        (candidate < current).then(|| Split::candidate(candidate))
    }

    /// Stable gets all traffic whether its capacity is whole or not, if only one of its instances is ready.
    pub(super) fn forced(&self) -> bool {
        let waited = self.rollout.spent(self.now) > signed(self.rollout.plan.budgets.restore);
        waited && self.ready(Role::Stable) > 0
    }
}
