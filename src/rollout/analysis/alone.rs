//! Requests that the candidate answered while the stable release answered none: at full weight, or after a switch.
//!
//! With nothing concurrent to pair them with, they are held against all that the stable release answered earlier in the
//! rollout, on the assumption, which the paired tests do without, that its rate would have stayed the same. The test is
//! universal inference (Wasserman, Ramdas, Balakrishnan 2020, arXiv 1912.11436): the probability of all observations,
//! averaged over a belief about the rates that was fixed beforehand, divided by the largest probability that the null
//! hypothesis can give them. It is an e-process for any order in which the two sides' requests came. It is computed from
//! totals and asks more evidence than the paired tests do, for it also pays for what is uncertain about the stable rate.

use super::binomial::Beta;
use super::count::{Pair, Tally};
use super::nats::mean;
use super::projection::Rates;

/// Belief about a rate before anything is seen: probably small.
const BELIEF: Beta = Beta { bad: 0.2, good: 20.0 };

/// Logarithm of the evidence that the candidate's rate is above the stable one's.
pub(super) fn log_evidence_against(seen: Pair) -> f64 {
    if seen.stable.of == 0 || seen.candidate.of == 0 {
        return f64::NEG_INFINITY;
    }
    let bet = BELIEF.log_marginal(seen.stable) + BELIEF.log_marginal(seen.candidate);
    let (a, b) = (seen.stable.share(), seen.candidate.share());
    if b <= a {
        return bet - seen.stable.log_likelihood(a) - seen.candidate.log_likelihood(b);
    }
    let both = both(seen);
    bet - both.log_likelihood(both.share())
}

/// Logarithm of the evidence that the candidate's rate is less than `margin` above the stable one's.
pub(super) fn log_evidence_within(seen: Pair, margin: f64) -> f64 {
    if seen.stable.of == 0 || seen.candidate.of == 0 {
        return f64::NEG_INFINITY;
    }
    let apart = BELIEF.log_marginal(seen.stable) + BELIEF.log_marginal(seen.candidate);
    let bet = mean([(0.8, BELIEF.log_marginal(both(seen))), (0.2, apart)].into_iter());
    let (a, b) = (seen.stable.share(), seen.candidate.share());
    if b >= a + margin {
        return bet - seen.stable.log_likelihood(a) - seen.candidate.log_likelihood(b);
    }
    let q = Rates { na: seen.stable.n(), ta: a, nb: seen.candidate.n(), tb: b }.project(margin);
    // Rounding may put the point just off the rates that the observations allow; the bet stays a lower bound there.
    let q = q.clamp(f64::MIN_POSITIVE, 1.0 - margin - f64::EPSILON);
    bet - seen.stable.log_likelihood(q) - seen.candidate.log_likelihood(q + margin)
}

fn both(seen: Pair) -> Tally {
    Tally {
        of: seen.stable.of.saturating_add(seen.candidate.of),
        bad: seen.stable.bad.saturating_add(seen.candidate.bad),
    }
}

#[cfg(test)]
mod tests {
    use super::super::binomial::log_pmf;
    use super::*;

    fn pair(na: u64, ka: u64, nb: u64, kb: u64) -> Pair {
        Pair { stable: Tally::new(na, ka), candidate: Tally::new(nb, kb) }
    }

    /// Mean of the e-value over all outcomes, at given rates.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn mean_of(e: impl Fn(Pair) -> f64, pa: f64, pb: f64) -> f64 {
        let (na, nb) = (30, 12);
        let mut sum = 0.0;
        for ka in 0..=na {
            for kb in 0..=nb {
                let p = log_pmf(ka as f64, na as f64, pa) + log_pmf(kb as f64, nb as f64, pb);
                sum += (p + e(pair(na, ka, nb, kb))).exp();
            }
        }
        sum
    }

    #[test]
    fn means_are_at_most_one_under_the_null() {
        for pa in [0.001, 0.02, 0.3, 0.5, 0.9] {
            assert!(mean_of(log_evidence_against, pa, pa) <= 1.0 + 1e-9);
            assert!(mean_of(log_evidence_against, pa, pa * 0.5) <= 1.0 + 1e-9);
            let within = |seen| log_evidence_within(seen, 0.05);
            assert!(mean_of(within, pa, pa + 0.05) <= 1.0 + 1e-9);
            assert!(mean_of(within, pa, pa + 0.08) <= 1.0 + 1e-9);
        }
    }

    #[test]
    fn tells_good_from_bad_in_time() {
        assert!(log_evidence_against(pair(10_000, 10, 60, 6)) > 7.0);
        assert!(log_evidence_against(pair(10_000, 10, 2_000, 2)) < 0.0);
        assert!(log_evidence_within(pair(10_000, 10, 2_000, 2), 0.01) > 7.0);
        assert!(log_evidence_within(pair(10_000, 10, 2_000, 40), 0.01) < 0.0);
    }
}
