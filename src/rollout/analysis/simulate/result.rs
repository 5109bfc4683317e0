//! What came of many trials.

use std::fmt;

use serde::Serialize;

use super::Simulation;
use super::oracle::wald;
use super::trial::{End, Moment};

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
    /// The two-sample oracle, which is told both rates but must convince one who is not: requests to the candidate until it stops
    /// the same trials, looking as often; median. `None` when the candidate is not worse.
    pub oracle_median_requests: Option<u64>,
    /// `median_requests` as a multiple of `oracle_median_requests`.
    pub times_oracle: Option<f64>,
}

impl SimulationResult {
    /// Sums trials up, with those of the oracle where it has something to find.
    pub(super) fn of(simulation: &Simulation, ends: &[End], oracle: Option<&[End]>) -> Self {
        let stops = sorted(ends.iter().filter_map(|end| end.stopped));
        let mut seconds: Vec<f64> = stops.iter().map(|stop| stop.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let mut passes: Vec<u64> = ends.iter().filter_map(|end| Some(end.passed?.requests)).collect();
        passes.sort_unstable();
        let aborted = u32::try_from(stops.len()).unwrap_or(u32::MAX);
        let passed = ends.iter().filter(|end| end.stopped.is_none() && end.passed.is_some()).count();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        let median_requests = quantile(&stops, 0.5).map(|stop| stop.requests);
        let oracle = oracle.map(|ends| sorted(ends.iter().filter_map(|end| end.stopped)));
        let oracle = oracle.and_then(|stops| quantile(&stops, 0.5)).map(|stop| stop.requests);
        let wald_bound = wald(simulation.stable_error, simulation.canary_error, simulation.alpha);
        Self {
            trials: simulation.trials,
            aborted,
            aborted_share: f64::from(aborted) / f64::from(simulation.trials.max(1)),
            passed,
            undecided: simulation.trials - aborted - passed,
            median_requests,
            p95_requests: quantile(&stops, 0.95).map(|stop| stop.requests),
            median_seconds: quantile(&seconds, 0.5),
            median_requests_to_pass: quantile(&passes, 0.5),
            wald_bound,
            times_wald: ratio(median_requests, wald_bound),
            oracle_median_requests: oracle,
            #[expect(clippy::cast_precision_loss, reason = "a number of requests")]
            times_oracle: ratio(median_requests, oracle.map(|requests| requests as f64)),
        }
    }
}

/// Moments by their numbers of requests.
fn sorted(moments: impl Iterator<Item = Moment>) -> Vec<Moment> {
    let mut moments: Vec<Moment> = moments.collect();
    moments.sort_by_key(|moment| moment.requests);
    moments
}

/// The smallest of the sorted values that at least this share of them does not exceed.
#[expect(clippy::cast_precision_loss, reason = "a number of trials")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the values")]
pub(super) fn quantile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
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
        if let (Some(oracle), Some(times)) = (self.oracle_median_requests, self.times_oracle) {
            writeln!(f, "two-sample oracle   {oracle} (median; ours is {times:.2} times that)")?;
        }
        match (self.wald_bound, self.times_wald) {
            (Some(bound), Some(times)) => {
                writeln!(f, "Wald's bound        {bound:.1} (median is {times:.2} times that)")
            }
            (Some(bound), None) => writeln!(f, "Wald's bound        {bound:.1}"),
            _ => writeln!(f, "Wald's bound        none: the candidate is not worse"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks() {
        assert_eq!(quantile(&[1, 2, 3, 4], 0.5), Some(2));
        assert_eq!(quantile(&[1, 2, 3, 4], 0.95), Some(4));
        assert_eq!(quantile::<u64>(&[], 0.5), None);
    }
}
