//! canary: weight by weight, each ended by evidence.

use std::time::Duration;

use super::{Comparison, Condition, Setting, Step, Weight, demand, shift, verify};
use crate::rollout::Role;
use crate::rollout::step::Unsettled;

/// One weight of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// The candidate's share of the requests.
    pub weight: Weight,
    /// Wait for a person before the next weight.
    pub confirm: bool,
}

/// Weight by weight, by request; each weight ends as soon as the evidence is enough and stops at once when it is against.
#[derive(Debug, Clone, PartialEq)]
pub struct Canary {
    /// The weights on the way to all of the traffic, which need not be listed itself.
    pub stages: Vec<Stage>,
    /// What is compared; `None` goes by time alone.
    pub comparison: Option<Comparison>,
    /// Each weight lasts at least this long.
    pub at_least: Duration,
    /// Each weight lasts at most this long.
    pub at_most: Duration,
    /// What must hold of the candidate before it gets any traffic.
    pub before: Vec<Condition>,
    /// What must hold at each weight, once its comparison has passed.
    pub gates: Vec<Condition>,
}

impl Default for Canary {
    fn default() -> Self {
        let stage = |percent| Stage { weight: Weight::from_percent(percent), confirm: false };
        Self {
            stages: vec![stage(5), stage(25), stage(50)],
            comparison: Some(Comparison::default()),
            at_least: Duration::ZERO,
            at_most: Duration::from_secs(600),
            before: Vec::new(),
            gates: Vec::new(),
        }
    }
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            error_margin: 0.01,
            slower_than: None,
            slow_margin: 0.01,
            alpha: 0.01,
            min_requests: 50,
            inconclusive: Unsettled::Hold,
            load: None,
        }
    }
}

impl Canary {
    pub(super) fn compile(&self, setting: &Setting) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut provisioned = 0;
        for stage in &self.stages {
            let needed = stage.weight.instances(setting.instances).max(1);
            if needed > provisioned {
                provisioned = needed;
                steps.push(Step::Provision { role: Role::Candidate, instances: needed });
            }
            if steps.len() == 1 {
                steps.extend(demand(&self.before, true));
            }
            steps.push(shift(stage.weight));
            steps.push(self.judge());
            steps.extend(demand(&self.gates, false));
            if stage.confirm {
                steps.push(Step::Pause { lasting: None });
            }
        }
        if setting.instances > provisioned {
            steps.push(Step::Provision { role: Role::Candidate, instances: setting.instances });
        }
        if self.stages.last().is_none_or(|stage| stage.weight != Weight::FULL) {
            steps.push(shift(Weight::FULL));
        }
        steps.extend(verify(setting));
        steps.push(Step::Promote);
        steps.push(Step::Retire { role: Role::Stable, instances: 0, after: setting.keep });
        steps
    }

    /// A stage at full weight has no concurrent stable to compare with; the analysis then uses what stable answered before.
    fn judge(&self) -> Step {
        match &self.comparison {
            Some(comparison) => Step::Analyze {
                comparison: comparison.clone(),
                at_least: self.at_least,
                at_most: self.at_most,
            },
            None => Step::Pause { lasting: Some(self.at_most) },
        }
    }
}
