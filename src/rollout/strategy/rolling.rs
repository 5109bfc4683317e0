//! rolling: batches by max surge and max unavailable, each healthy before the next.

use std::time::Duration;

use super::{Setting, Step, Weight, shift, verify};
use crate::rollout::Role;

/// Batches by max surge and max unavailable, with the meaning that Kubernetes gives to them for a Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rolling {
    /// How many instances more than wanted may exist meanwhile.
    pub max_surge: u32,
    /// How many instances fewer than wanted may be ready meanwhile.
    pub max_unavailable: u32,
    /// How long to watch each batch before the next.
    pub wait: Duration,
}

impl Default for Rolling {
    fn default() -> Self {
        Self { max_surge: 1, max_unavailable: 0, wait: Duration::ZERO }
    }
}

impl Rolling {
    /// Both limits at zero would never move; such settings are read as a surge of one.
    pub(super) fn compile(&self, setting: &Setting) -> Vec<Step> {
        let wanted = setting.instances;
        let unavailable = self.max_unavailable.min(wanted);
        let surge = if unavailable == 0 { self.max_surge.max(1) } else { self.max_surge };
        let (mut old, mut new) = (wanted, 0);
        let mut steps = Vec::new();
        while new < wanted || old > 0 {
            let least_old = wanted.saturating_sub(unavailable).saturating_sub(new);
            if old > least_old {
                old = least_old;
                steps.push(Step::Retire { role: Role::Stable, instances: old, after: Duration::ZERO });
            }
            let most_new = (wanted + surge - old).min(wanted);
            if most_new > new {
                new = most_new;
                steps.push(Step::Provision { role: Role::Candidate, instances: new });
                steps.push(shift(Weight::carried_by(new, wanted)));
                if !self.wait.is_zero() && new < wanted {
                    steps.push(Step::Pause { lasting: Some(self.wait) });
                }
            }
        }
        let place =
            steps.iter().rposition(|s| matches!(s, Step::Shift { .. })).map_or(steps.len(), |at| at + 1);
        steps.splice(place..place, verify(setting));
        steps.push(Step::Promote);
        steps
    }
}
