//! Trials of the judge: how soon it sees a bad candidate, and how often it wrongs a good one.
//!
//! Each trial is a rollout at one weight, judged by the same [`Evidence`] as real ones, with requests that go well or badly
//! at random at the given rates. The same seed gives the same result on every machine.

use std::fmt;

use serde::Serialize;

use super::random::Random;
use super::{Block, Counts, Evidence, Verdict};
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

/// What came of the trials.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SimulationResult {
    /// How many rollouts were tried.
    pub trials: u32,
    /// How many of them were stopped.
    pub aborted: u32,
    /// The same as a share of the trials.
    pub aborted_share: f64,
    /// How many passed and were not stopped.
    pub passed: u32,
    /// How many were neither stopped nor passed.
    pub undecided: u32,
    /// Requests to the candidate until a stopped trial was stopped: half of them took at most so many. `None` when none was
    /// stopped.
    pub median_requests: Option<u64>,
    /// The same for 95 of 100 of the stopped trials.
    pub p95_requests: Option<u64>,
    /// Seconds until a stopped trial was stopped, median.
    pub median_seconds: Option<f64>,
    /// Requests to the candidate until the first pass, median over the trials that passed.
    pub median_requests_to_pass: Option<u64>,
    /// Wald's bound: the mean number of requests to the candidate that no test can undercut which errs as rarely, even one
    /// that knows both rates beforehand: `ln(1/alpha) / KL(canary ‖ stable)`. `None` when the candidate is not worse.
    pub wald_bound: Option<f64>,
    /// `median_requests` as a multiple of `wald_bound`.
    pub times_wald: Option<f64>,
}

/// How one trial ended.
struct Trial {
    aborted_at: Option<(u64, f64)>,
    passed_at: Option<u64>,
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
        let trials: Vec<Trial> = (0..self.trials).map(|trial| self.trial(u64::from(trial))).collect();
        let mut aborted: Vec<(u64, f64)> = trials.iter().filter_map(|trial| trial.aborted_at).collect();
        aborted.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut passes: Vec<u64> = trials.iter().filter_map(|trial| trial.passed_at).collect();
        passes.sort_unstable();
        let count = |of: &dyn Fn(&Trial) -> bool| {
            u32::try_from(trials.iter().filter(|trial| of(trial)).count()).unwrap_or(u32::MAX)
        };
        let stopped = count(&|trial| trial.aborted_at.is_some());
        let passed = count(&|trial| trial.aborted_at.is_none() && trial.passed_at.is_some());
        let median_requests = quantile(&aborted, 0.5).map(|at| at.0);
        let wald_bound = wald(self.stable_error, self.canary_error, self.alpha);
        SimulationResult {
            trials: self.trials,
            aborted: stopped,
            aborted_share: f64::from(stopped) / f64::from(self.trials.max(1)),
            passed,
            undecided: self.trials - stopped - passed,
            median_requests,
            p95_requests: quantile(&aborted, 0.95).map(|at| at.0),
            median_seconds: quantile(&aborted, 0.5).map(|at| at.1),
            median_requests_to_pass: quantile(&passes, 0.5),
            wald_bound,
            times_wald: ratio(median_requests, wald_bound),
        }
    }

    fn trial(&self, number: u64) -> Trial {
        let mut random = Random::new(self.seed, number);
        let mut evidence = Evidence::new(&self.comparison());
        let mut end = Trial { aborted_at: None, passed_at: None };
        let mut seconds = 0.0;
        // A rate at which hardly a request ever comes must not keep a trial going for ever.
        let looks = self.max_requests.saturating_mul(1000).max(1_000_000);
        for _ in 0..looks {
            seconds += self.look(&mut random, &mut evidence);
            let requests = evidence.totals().candidate.requests;
            match evidence.verdict() {
                Verdict::Fail => {
                    end.aborted_at = Some((requests, seconds));
                    return end;
                }
                Verdict::Pass if end.passed_at.is_none() => end.passed_at = Some(requests),
                _ => {}
            }
            if requests >= self.max_requests || (self.stop_at_pass && end.passed_at.is_some()) {
                break;
            }
        }
        end
    }

    /// Lets requests come until the next look. Gives back how many seconds that took.
    #[expect(clippy::cast_precision_loss, reason = "requests between two looks")]
    fn look(&self, random: &mut Random, evidence: &mut Evidence) -> f64 {
        let share = self.weight / 100.0;
        let (stable, candidate, seconds) = if let Some(seconds) = self.look_every {
            let expected = self.rate * seconds;
            (random.poisson(expected * (1.0 - share) / share), random.poisson(expected), seconds)
        } else {
            let stable = random.gap(share);
            (stable, 1, (stable + 1) as f64 * share / self.rate)
        };
        let counts = |random: &mut Random, requests, rate| Counts {
            requests,
            errors: random.binomial(requests, rate),
            slow: 0,
        };
        let stable = counts(random, stable, self.stable_error);
        let candidate = counts(random, candidate, self.canary_error);
        evidence.absorb(&Block { stable, candidate });
        seconds
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

/// The smallest of the sorted values that at least this share of them does not exceed.
#[expect(clippy::cast_precision_loss, reason = "a number of trials")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the values")]
fn quantile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// `ln(1/alpha) / KL(p1 ‖ p0)`; 0 when one bad request proves it all.
fn wald(p0: f64, p1: f64, alpha: f64) -> Option<f64> {
    if p1 <= p0 {
        return None;
    }
    let term = |x: f64, y: f64| if x <= 0.0 { 0.0 } else { x * (x / y).ln() };
    Some((1.0 / alpha).ln() / (term(p1, p0) + term(1.0 - p1, 1.0 - p0)))
}

#[expect(clippy::cast_precision_loss, reason = "a number of requests")]
fn ratio(requests: Option<u64>, bound: Option<f64>) -> Option<f64> {
    Some(requests? as f64 / bound.filter(|bound| *bound > 0.0)?)
}

impl fmt::Display for SimulationResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "trials              {}", self.trials)?;
        writeln!(f, "stopped             {} ({:.2} %)", self.aborted, self.aborted_share * 100.0)?;
        writeln!(f, "passed              {}", self.passed)?;
        writeln!(f, "undecided           {}", self.undecided)?;
        if let (Some(median), Some(p95), Some(seconds)) =
            (self.median_requests, self.p95_requests, self.median_seconds)
        {
            writeln!(f, "requests to a stop  {median} (median), {p95} (95 %); {seconds:.1} s (median)")?;
        }
        if let Some(pass) = self.median_requests_to_pass {
            writeln!(f, "requests to a pass  {pass} (median)")?;
        }
        match (self.wald_bound, self.times_wald) {
            (Some(bound), Some(times)) => {
                write!(f, "Wald's bound        {bound:.1} (median is {times:.2} times that)")
            }
            (Some(bound), None) => write!(f, "Wald's bound        {bound:.1}"),
            _ => write!(f, "Wald's bound        none: the candidate is not worse"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walds_bound_as_by_hand() {
        assert!((wald(0.001, 0.05, 0.01).unwrap() - 31.15).abs() < 0.1);
        assert_eq!(wald(0.05, 0.05, 0.01), None);
        assert_eq!(wald(0.0, 0.05, 0.01), Some(0.0));
    }

    #[test]
    fn quantiles_are_ranks() {
        assert_eq!(quantile(&[1, 2, 3, 4], 0.5), Some(2));
        assert_eq!(quantile(&[1, 2, 3, 4], 0.95), Some(4));
        assert_eq!(quantile::<u64>(&[], 0.5), None);
    }

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
