//! Plans without a comparison: the first deploy, the return of a release that still runs, and what a target does by itself.

use std::time::Duration;

use super::{Setting, Step, Weight, shift, verify};
use crate::rollout::Role;

pub(super) fn compile(setting: &Setting) -> Vec<Step> {
    let mut steps =
        vec![Step::Provision { role: Role::Candidate, instances: setting.instances }, shift(Weight::FULL)];
    steps.extend(verify(setting));
    steps.push(Step::Promote);
    steps
}

/// Gates were passed when it was new, and do not hold up a way back: what is asked is whether it answers.
pub(super) fn again(setting: &Setting) -> Vec<Step> {
    let mut steps = compile(setting);
    steps.retain(|step| !matches!(step, Step::Gate { .. }));
    steps.push(Step::Retire { role: Role::Stable, instances: 0, after: setting.keep });
    steps
}

pub(super) fn in_place(setting: &Setting, stable: bool) -> Vec<Step> {
    let mut steps = vec![Step::Provision { role: Role::Candidate, instances: setting.instances }];
    if stable {
        steps.push(Step::Retire { role: Role::Stable, instances: 0, after: Duration::ZERO });
    }
    steps.extend(verify(setting));
    steps.push(Step::Promote);
    steps
}
