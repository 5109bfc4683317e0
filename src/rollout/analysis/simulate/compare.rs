//! Several judges on the same requests.

use super::result::quantile;
use super::trial::{End, Judge};
use super::{FixedRule, Simulation};
use crate::rollout::analysis::Evidence;
use crate::rollout::analysis::simulate::rule::Watch;

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JudgeKind {
    /// The sequential test by which real rollouts are judged.
    Sequential,
    /// A rule that counts failed checks at fixed intervals.
    Fixed(FixedRule),
}

/// What one judge made of the trials.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The judge.
    pub judge: JudgeKind,
    /// The share of candidates as good as the stable release that it stopped: false alarms.
    pub false_alarms: f64,
    /// The share of the candidates in question that it stopped.
    pub detected: f64,
    /// Seconds until each candidate that it stopped was stopped, in their order.
    pub seconds: Vec<f64>,
    /// Bad answers that candidates gave to users until they were stopped, or until the trial's end: mean.
    pub mean_exposure: f64,
    /// The same: half of the trials had at most so many.
    pub median_exposure: u64,
}

impl Compared {
    /// Within so many seconds this share, from 0 to 1, of the stopped candidates was stopped; `None` when none was.
    #[must_use]
    pub fn seconds_at(&self, share: f64) -> Option<f64> {
        quantile(&self.seconds, share)
    }
}

impl Simulation {
    /// What the sequential test and these rules make of the same trials, each twice: with the candidate in question, and with one
    /// that fails as often as the stable release, for the false alarms.
    #[must_use]
    pub fn compare(&self, rules: &[FixedRule]) -> Vec<Compared> {
        let good = Self { canary_error: self.stable_error, ..self.clone() };
        let ours = self.compared(&good, JudgeKind::Sequential, || Evidence::new(&self.comparison()));
        let fixed = |rule: &FixedRule| self.compared(&good, JudgeKind::Fixed(*rule), || Watch::new(*rule));
        std::iter::once(ours).chain(rules.iter().map(fixed)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of trials and of bad answers")]
    fn compared<J: Judge>(&self, good: &Self, judge: JudgeKind, new: impl Fn() -> J) -> Compared {
        let (bad, good) = (self.ends(&new), good.ends(&new));
        let share = |ends: &[End]| {
            ends.iter().filter(|end| end.stopped.is_some()).count() as f64 / ends.len().max(1) as f64
        };
        let mut exposures: Vec<u64> = bad.iter().map(|end| end.bad).collect();
        exposures.sort_unstable();
        let mut seconds: Vec<f64> = bad.iter().filter_map(|end| Some(end.stopped?.seconds)).collect();
        seconds.sort_by(f64::total_cmp);
        Compared {
            judge,
            false_alarms: share(&good),
            detected: share(&bad),
            seconds,
            mean_exposure: exposures.iter().sum::<u64>() as f64 / exposures.len().max(1) as f64,
            median_exposure: quantile(&exposures, 0.5).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_meet_the_same_requests() {
        let simulation = Simulation { trials: 40, max_requests: 1_000, ..Simulation::default() };
        let rule: FixedRule = "interval=20s,failures=2,threshold=1%".parse().unwrap();
        let compared = simulation.compare(&[rule, rule]);
        assert_eq!(compared[1], compared[2], "the same rule twice");
        assert_eq!(compared[0].detected, simulation.run().aborted_share);
        assert_eq!(compared[0].seconds_at(0.5), simulation.run().median_seconds);
        // Nothing is stopped before the second check.
        assert!(compared[1].seconds[0] >= 40.0, "{:?}", compared[1].seconds);
        assert!(compared[0].mean_exposure < compared[1].mean_exposure, "{compared:?}");
    }

    #[test]
    fn a_rule_with_few_requests_a_check_wrongs_good_candidates() {
        // 1 % of 25 requests a check fail: more than 1 % of them fail in nearly a quarter of all checks.
        let simulation = Simulation {
            stable_error: 0.01,
            canary_error: 0.05,
            trials: 100,
            max_requests: 600,
            ..Simulation::default()
        };
        let rule: FixedRule = "interval=5s,failures=3,threshold=1%".parse().unwrap();
        let compared = simulation.compare(&[rule]);
        assert!(compared[1].false_alarms > 0.5, "{compared:?}");
        assert!(compared[0].false_alarms < 0.05, "{compared:?}");
    }
}
