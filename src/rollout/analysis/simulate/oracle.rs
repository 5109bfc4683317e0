//! What could be done at best: bounds for how soon a bad candidate can be stopped.

use super::super::nats::Nats;
use super::trial::Judge;
use crate::rollout::Verdict;
use crate::rollout::analysis::Block;
use crate::rollout::analysis::count::{Metric, Tally};

/// The two-sample oracle: the log-optimal e-process of one who is told both rates and the candidate's share of the requests
/// beforehand, and must still convince somebody who is told neither.
///
/// Null hypothesis: the candidate's rate is at most the stable one's, whatever that is. Each request goes to the candidate with
/// the probability `weight`; the alternative says that it is then bad with `canary`, else with `stable`. The point of the null
/// hypothesis that is nearest to that in Kullback-Leibler divergence has the rate `weight canary + (1 - weight) stable` on both
/// sides: the reverse information projection. The likelihood ratio against it is an e-variable (a request of the mixture has
/// mean 1 when both rates are equal, less when the candidate is better), and no other e-variable grows faster under the
/// alternative (Grünwald, de Heide, Koolen 2024, arXiv 1906.07801, theorem 1; Turner, Ly, Grünwald 2021, arXiv 2106.02693).
#[derive(Debug, Clone)]
pub(super) struct Oracle {
    stable: f64,
    canary: f64,
    nearest: f64,
    bar: f64,
    log: Nats,
}

impl Oracle {
    /// The oracle for these rates, with a share of the requests from 0 to 1 for the candidate, erring with probability `alpha` at
    /// most.
    pub(super) fn new(stable: f64, canary: f64, share: f64, alpha: f64) -> Self {
        let nearest = share * canary + (1.0 - share) * stable;
        Self { stable, canary, nearest, bar: -alpha.ln(), log: Nats::default() }
    }
}

impl Judge for Oracle {
    fn look(&mut self, block: &Block, _: f64) -> Verdict {
        let pair = Metric::Errors.pair(block);
        let against =
            |tally: Tally, rate: f64| tally.log_likelihood(rate) - tally.log_likelihood(self.nearest);
        let gain = against(pair.stable, self.stable) + against(pair.candidate, self.canary);
        self.log.gain(gain);
        if self.log.get() >= self.bar { Verdict::Fail } else { Verdict::Inconclusive }
    }
}

/// Wald's bound: the mean number of requests to the candidate that no test can undercut which errs as rarely, even one that knows
/// the candidate's rate and has no doubt about the stable one: `ln(1/alpha) / KL(p1 ‖ p0)`. It is 0 when one bad request proves
/// it all; `None` when the candidate is not worse.
pub(super) fn wald(p0: f64, p1: f64, alpha: f64) -> Option<f64> {
    if p1 <= p0 {
        return None;
    }
    let term = |x: f64, y: f64| if x <= 0.0 { 0.0 } else { x * (x / y).ln() };
    Some((1.0 / alpha).ln() / (term(p1, p0) + term(1.0 - p1, 1.0 - p0)))
}

#[cfg(test)]
mod tests {
    use super::super::super::binomial::log_pmf;
    use super::*;
    use crate::rollout::Counts;

    #[test]
    fn walds_bound_as_by_hand() {
        assert!((wald(0.001, 0.05, 0.01).unwrap() - 31.15).abs() < 0.1);
        assert_eq!(wald(0.05, 0.05, 0.01), None);
        assert_eq!(wald(0.0, 0.05, 0.01), Some(0.0));
    }

    /// The mean of the e-value of one request that goes to the candidate with probability `share`, at the rates `pa` and `pb`.
    fn mean(oracle: &Oracle, share: f64, pa: f64, pb: f64) -> f64 {
        let side = |rate: f64, truth: f64, k: u64| {
            let seen = Tally::new(1, k);
            #[expect(clippy::cast_precision_loss, reason = "0 or 1")]
            let probability = log_pmf(k as f64, 1.0, truth).exp();
            probability * (seen.log_likelihood(rate) - seen.log_likelihood(oracle.nearest)).exp()
        };
        let stable = side(oracle.stable, pa, 0) + side(oracle.stable, pa, 1);
        let candidate = side(oracle.canary, pb, 0) + side(oracle.canary, pb, 1);
        (1.0 - share) * stable + share * candidate
    }

    #[test]
    fn its_mean_is_one_where_both_rates_are_equal_and_less_where_the_candidate_is_better() {
        for (share, stable, canary) in [(0.05, 0.001, 0.05), (0.25, 0.01, 0.05), (0.5, 0.3, 0.5)] {
            let oracle = Oracle::new(stable, canary, share, 0.01);
            for rate in [0.001, 0.02, 0.5, 0.95] {
                assert!((mean(&oracle, share, rate, rate) - 1.0).abs() < 1e-12, "{share} {rate}");
                assert!(mean(&oracle, share, rate, rate * 0.9) < 1.0, "{share} {rate}");
            }
            assert!(mean(&oracle, share, stable, canary) > 1.0);
        }
    }

    #[test]
    fn it_stops_at_its_bar_and_not_before() {
        let mut oracle = Oracle::new(0.001, 0.05, 0.5, 0.01);
        let bad = |errors| {
            let candidate = Counts { requests: 1, errors, slow: 0 };
            Block { candidate, ..Block::default() }
        };
        // Each bad request of the candidate weighs ln(0.05 / 0.0255) nats, and ln(100) are needed: seven.
        let stopped = (1..=20).find(|_| oracle.look(&bad(1), 0.0) == Verdict::Fail);
        assert_eq!(stopped, Some(7));
    }
}
