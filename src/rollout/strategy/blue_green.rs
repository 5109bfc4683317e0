//! blue-green: the new set complete and verified before any traffic moves, then all at once.

use std::time::Duration;

use super::{Comparison, Condition, Setting, Step, Weight, demand, shift, verify};
use crate::rollout::Role;

/// The whole new set, verified, then all traffic at once; the old set stays for an instant way back.
#[derive(Debug, Clone, PartialEq)]
pub struct BlueGreen {
    /// What must hold of the new set before traffic moves.
    pub before: Vec<Condition>,
    /// What to watch for after the switch, against the stable release as it was before.
    pub comparison: Option<Comparison>,
    /// How long to watch after the switch.
    pub watch: Duration,
    /// Wait for a person before traffic moves.
    pub confirm: bool,
}

impl Default for BlueGreen {
    fn default() -> Self {
        Self { before: Vec::new(), comparison: None, watch: Duration::ZERO, confirm: false }
    }
}

impl BlueGreen {
    pub(super) fn compile(&self, setting: &Setting) -> Vec<Step> {
        let mut steps = vec![Step::Provision { role: Role::Candidate, instances: setting.instances }];
        steps.extend(demand(&self.before, true));
        if self.confirm {
            steps.push(Step::Pause { lasting: None });
        }
        steps.push(shift(Weight::FULL));
        steps.extend(verify(setting));
        if !self.watch.is_zero() {
            steps.push(match &self.comparison {
                Some(comparison) => Step::Analyze {
                    comparison: comparison.clone(),
                    at_least: self.watch,
                    at_most: self.watch,
                },
                None => Step::Pause { lasting: Some(self.watch) },
            });
        }
        steps.push(Step::Promote);
        steps.push(Step::Retire { role: Role::Stable, instances: 0, after: setting.keep });
        steps
    }
}
