//! Trials of the judge: how soon it sees a bad candidate, and how often it wrongs a good one, beside what could be done at best and
//! what rules with fixed intervals do on the same requests.
//!
//! Each trial is a rollout at one weight, judged by the same [`Evidence`] as real ones, with requests that go well or badly
//! at random at the given rates. The same seed gives the same result on every machine.
//!
//! - `trial`: requests at random, and one judge that looks at them;
//! - `oracle`: bounds; `rule`: fixed intervals;
//! - `result`: what came of many trials; `compare`: of several judges;
//! - `whole`: a whole rollout of several weights, for the rate of false alarms.

mod compare;
mod oracle;
mod result;
mod rule;
mod trial;
mod whole;

pub use compare::{Compared, JudgeKind};
pub use result::SimulationResult;
pub use rule::FixedRule;
pub use whole::WholeRollout;

use super::Evidence;
use oracle::Oracle;
use trial::{End, Judge};

use crate::rollout::step::{Comparison, Unsettled};

/// What is tried. [`Simulation::default`] is the first stage of a canary rollout, looked at every second.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// The rate at which requests to the stable release fail, from 0 to 1.
    pub stable_error: f64,
    /// The rate at which requests to the candidate fail, from 0 to 1.
    pub canary_error: f64,
    /// Requests to the candidate per second, on average.
    pub rate: f64,
    /// The candidate's share of all requests, in percent, above 0 and below 100. The stable release answers the rest at the
    /// same time.
    pub weight: f64,
    /// The probability, over a whole trial, that a candidate as good as the stable release is stopped.
    pub alpha: f64,
    /// By how much the candidate's rate may exceed the stable one's at a pass, from 0 to 1.
    pub margin: f64,
    /// How many rollouts are tried.
    pub trials: u32,
    /// Where the random numbers begin.
    pub seed: u64,
    /// A trial ends undecided after this many requests to the candidate.
    pub max_requests: u64,
    /// Seconds between looks; `None` looks after every request to the candidate.
    pub look_every: Option<f64>,
    /// True ends a trial at the first pass, as a rollout does. False goes on looking for a failure, so that an early pass
    /// hides no later false alarm.
    pub stop_at_pass: bool,
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            stable_error: 0.001,
            canary_error: 0.05,
            rate: 5.0,
            weight: 5.0,
            alpha: 0.01,
            margin: 0.01,
            trials: 1000,
            seed: 1,
            max_requests: 2000,
            look_every: Some(1.0),
            stop_at_pass: false,
        }
    }
}

impl Simulation {
    /// Whether this can be tried.
    ///
    /// # Errors
    /// A sentence that names the first value out of range and the range.
    pub fn check(&self) -> Result<(), String> {
        let within = |value: f64, low: f64, high: f64| value >= low && value <= high;
        let sentence = if !within(self.stable_error, 0.0, 1.0) {
            format!("the stable error rate is {}: give a share from 0 to 1, such as 0.001", self.stable_error)
        } else if !within(self.canary_error, 0.0, 1.0) {
            format!("the canary error rate is {}: give a share from 0 to 1, such as 0.05", self.canary_error)
        } else if !within(self.rate, 1e-3, 1e6) {
            format!("the rate is {}: give 0.001 to 1000000 requests to the candidate per second", self.rate)
        } else if !within(self.weight, 0.01, 99.99) {
            format!(
                "the weight is {} %: give 0.01 to 99.99, for both sides must answer requests",
                self.weight
            )
        } else if !within(self.alpha, 1e-12, 0.5) {
            format!("alpha is {}: give a probability from 1e-12 to 0.5, such as 0.01", self.alpha)
        } else if !within(self.margin, 1e-6, 0.999) {
            format!("the margin is {}: give a share from 0.000001 to 0.999, such as 0.01", self.margin)
        } else if self.trials == 0 {
            "there are 0 trials: give at least 1".to_owned()
        } else if self.max_requests == 0 {
            "a trial has 0 requests: give at least 1".to_owned()
        } else if self.look_every.is_some_and(|seconds| !within(seconds, 1e-3, 86_400.0)) {
            "the time between looks is out of range: give 0.001 to 86400 seconds".to_owned()
        } else if self.rate * 100.0 / self.weight * self.look_every.unwrap_or(0.0) > 1e6 {
            "more than 1000000 requests come between two looks: lower the rate or look more often".to_owned()
        } else {
            return Ok(());
        };
        Err(sentence)
    }

    /// Runs all trials. Values that [`Simulation::check`] refuses give a result that means nothing.
    #[must_use]
    pub fn run(&self) -> SimulationResult {
        let ends = self.ends(|| Evidence::new(&self.comparison()));
        let oracle = self.is_worse().then(|| self.ends(|| self.oracle()));
        SimulationResult::of(self, &ends, oracle.as_deref())
    }

    /// How each trial ends before such a judge.
    fn ends<J: Judge>(&self, judge: impl Fn() -> J) -> Vec<End> {
        (0..self.trials).map(|number| self.trial(u64::from(number), judge())).collect()
    }

    fn oracle(&self) -> Oracle {
        Oracle::new(self.stable_error, self.canary_error, self.weight / 100.0, self.alpha)
    }

    fn is_worse(&self) -> bool {
        self.canary_error > self.stable_error
    }

    fn comparison(&self) -> Comparison {
        Comparison {
            error_margin: self.margin,
            slower_than: None,
            slow_margin: self.margin,
            alpha: self.alpha,
            min_requests: 1,
            inconclusive: Unsettled::Hold,
            load: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_named() {
        assert_eq!(Simulation::default().check(), Ok(()));
        let wrong = [
            (Simulation { stable_error: -0.1, ..Simulation::default() }, "stable error"),
            (Simulation { canary_error: f64::NAN, ..Simulation::default() }, "canary error"),
            (Simulation { rate: 0.0, ..Simulation::default() }, "rate"),
            (Simulation { weight: 100.0, ..Simulation::default() }, "weight"),
            (Simulation { alpha: 0.0, ..Simulation::default() }, "alpha"),
            (Simulation { margin: 2.0, ..Simulation::default() }, "margin"),
            (Simulation { trials: 0, ..Simulation::default() }, "trials"),
            (Simulation { max_requests: 0, ..Simulation::default() }, "requests"),
            (Simulation { look_every: Some(0.0), ..Simulation::default() }, "looks"),
        ];
        for (simulation, word) in wrong {
            assert!(simulation.check().unwrap_err().contains(word), "{word}");
        }
    }
}
