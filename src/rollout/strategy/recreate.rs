//! recreate: for what must not run twice.

use std::time::Duration;

use super::{Setting, Step, Weight, shift, verify};
use crate::rollout::{Role, Split};

/// The old release ends before the new one starts; the router holds requests meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recreate {}

impl Recreate {
    pub(super) fn compile(self, setting: &Setting) -> Vec<Step> {
        let mut steps = vec![
            Step::Shift { split: Split::HELD },
            Step::Retire { role: Role::Stable, instances: 0, after: Duration::ZERO },
            Step::Provision { role: Role::Candidate, instances: setting.instances },
            shift(Weight::FULL),
        ];
        steps.extend(verify(setting));
        steps.push(Step::Promote);
        steps
    }
}
