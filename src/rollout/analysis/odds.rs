//! The test against the candidate: a sequential exact test of the odds ratio.
//!
//! Null hypothesis: in each block the candidate's rate is at most the stable one's. In a block with `na` and `nb` requests
//! and `k` bad ones on both sides together, the number of bad ones `j` that fell to the candidate has, given `k`, Fisher's
//! noncentral hypergeometric law, which knows the rates only through their odds ratio ω:
//! `P(j) = C(nb, j) C(na, k-j) ω^j / Σ…`. So for an alternative ω > 1 the ratio of that law to the central one,
//! `ω^j / M(ω)` with `M(ω) = E[ω^J]` at ω = 1, has mean 1 when the rates are equal, and mean below 1 when the candidate is
//! better, because it grows with `j` and the family has a monotone likelihood ratio (Lehmann, Romano, *Testing Statistical
//! Hypotheses*, §3.4 and §4.5). It is an e-value whatever the common rate is: nothing has to be guessed or learned, the rate
//! may change from block to block, and one block may hold one request or a thousand million.
//!
//! The product over blocks is a test martingale, the mean over a few ω is one again, and by Ville's inequality it ever
//! reaches 1/α with probability at most α. Among tests of two Bernoulli streams (Turner, Ly, Grünwald 2021,
//! arXiv 2106.02693) this is the conditional one; where bad requests are rare, it loses nothing against the best of them.

use serde::{Deserialize, Serialize};

use super::binomial::log_pmf;
use super::count::Pair;
use super::nats::{Nats, mean};

/// The odds ratios that are bet on, with the part of the stake on each. Large ratios get most, since evidence for them comes
/// in few requests, where the price of having split the stake is felt; for small ones it is lost in the crowd.
const BETS: [(f64, f64); 8] = [
    (1.15, 0.04),
    (1.4, 0.04),
    (2.0, 0.05),
    (3.5, 0.07),
    (8.0, 0.15),
    (20.0, 0.20),
    (60.0, 0.25),
    (250.0, 0.20),
];

/// Evidence that the candidate's rate is above the stable one's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Odds([Nats; BETS.len()]);

impl Odds {
    /// Takes in one block.
    pub(super) fn absorb(&mut self, block: Pair) {
        for (nats, (ratio, _)) in self.0.iter_mut().zip(BETS) {
            nats.gain(log_e_value(block, ratio));
        }
    }

    /// Logarithm of the e-process.
    pub(super) fn log_evidence(&self) -> f64 {
        mean(self.0.iter().zip(BETS).map(|(nats, (_, stake))| (stake, nats.get())))
    }
}

/// Logarithm of the e-value of one block for the odds ratio `ratio` against 1.
fn log_e_value(block: Pair, ratio: f64) -> f64 {
    let (na, nb) = (block.stable.n(), block.candidate.n());
    let (bad, all) = (block.stable.k() + block.candidate.k(), na + nb);
    if na < 1.0 || nb < 1.0 || bad < 1.0 || bad >= all {
        return 0.0;
    }
    block.candidate.k() * ratio.ln() - Law { na, nb, bad }.log_mean(ratio)
}

/// The central hypergeometric law: of `na + nb` requests `bad` are bad, so many of them among the `nb`.
struct Law {
    na: f64,
    nb: f64,
    bad: f64,
}

impl Law {
    /// `ln E[ratio^J]`.
    ///
    /// Summed around the largest term. Where the law is wide, only every so many terms one is taken: for so smooth a function
    /// that rule is exact to rounding as long as the stride is well below the standard deviation.
    fn log_mean(&self, ratio: f64) -> f64 {
        let (low, high) = ((self.bad - self.na).max(0.0), self.nb.min(self.bad));
        let mode = self.mode(low, high, ratio);
        let around =
            [self.nb - mode + 1.0, self.bad - mode + 1.0, mode + 1.0, self.na - self.bad + mode + 1.0];
        let deviation = around.iter().map(|part| 1.0 / part).sum::<f64>().sqrt().recip();
        let stride = (deviation / 4.0).floor().max(1.0);
        let top = self.log_term(mode, ratio);
        let mut sum = 1.0;
        for direction in [-stride, stride] {
            let mut at = mode + direction;
            while at >= low && at <= high {
                let term = (self.log_term(at, ratio) - top).exp();
                sum += term;
                if term < sum * 1e-17 {
                    break;
                }
                at += direction;
            }
        }
        top + (stride * sum).ln()
    }

    /// Logarithm of `P(J = j) ratio^j`.
    fn log_term(&self, j: f64, ratio: f64) -> f64 {
        let all = self.na + self.nb;
        let p = self.bad / all;
        log_pmf(j, self.nb, p) + log_pmf(self.bad - j, self.na, p) - log_pmf(self.bad, all, p)
            + j * ratio.ln()
    }

    /// Where the terms are largest: the last `j` that exceeds its predecessor. Each term's ratio to the one before falls
    /// with `j`, so halving finds it.
    fn mode(&self, low: f64, high: f64, ratio: f64) -> f64 {
        let (mut below, mut above) = (low, high);
        while below < above {
            let j = ((below + above) / 2.0).ceil();
            let grows = (self.nb - j + 1.0) * (self.bad - j + 1.0) * ratio >= j * (self.na - self.bad + j);
            if grows {
                below = j;
            } else if j - 1.0 < above {
                above = j - 1.0;
            } else {
                break;
            }
        }
        below
    }
}

#[cfg(test)]
mod tests {
    use super::super::count::Tally;
    use super::*;

    fn pair(na: u64, ka: u64, nb: u64, kb: u64) -> Pair {
        Pair { stable: Tally::new(na, ka), candidate: Tally::new(nb, kb) }
    }

    fn law(na: f64, nb: f64, bad: f64) -> Law {
        Law { na, nb, bad }
    }

    #[test]
    fn stakes_sum_to_one() {
        assert!((BETS.iter().map(|(_, stake)| stake).sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_bad_request_weighs_as_by_hand() {
        // One of 20 requests is bad: it is the candidate's with probability 1/20, so M = (19 + 8) / 20.
        let log = log_e_value(pair(19, 0, 1, 1), 8.0);
        assert!((log - (8.0 * 20.0 / 27.0f64).ln()).abs() < 1e-12);
        let log = log_e_value(pair(19, 1, 1, 0), 8.0);
        assert!((log - (20.0 / 27.0f64).ln()).abs() < 1e-12);
    }

    #[test]
    fn mean_is_one_under_equal_rates_and_less_when_the_candidate_is_better() {
        let (na, nb) = (6u64, 4u64);
        let mean = |pa: f64, pb: f64, ratio: f64| {
            let mut sum = 0.0;
            for ka in 0..=na {
                for kb in 0..=nb {
                    #[expect(clippy::cast_precision_loss, reason = "single digits")]
                    let p = log_pmf(ka as f64, na as f64, pa) + log_pmf(kb as f64, nb as f64, pb);
                    sum += (p + log_e_value(pair(na, ka, nb, kb), ratio)).exp();
                }
            }
            sum
        };
        for (ratio, _) in BETS {
            for p in [0.01, 0.2, 0.5, 0.97] {
                assert!((mean(p, p, ratio) - 1.0).abs() < 1e-10, "ratio {ratio} rate {p}");
                assert!(mean(p, p * 0.7, ratio) < 1.0);
            }
            assert!(mean(0.1, 0.4, ratio) > 1.0);
        }
    }

    #[test]
    fn wide_laws_are_summed_exactly() {
        // A wide law in strides against the same law term by term.
        let wide = law(40_000.0, 20_000.0, 9_000.0);
        let full =
            |ratio: f64| (0..=9_000).map(|j| wide.log_term(f64::from(j), ratio).exp()).sum::<f64>().ln();
        for ratio in [1.0, 1.02, 1.05] {
            assert!((wide.log_mean(ratio) - full(ratio)).abs() < 1e-9, "ratio {ratio}");
        }
        for (na, nb, bad) in [(1e9, 1e9, 1e6), (1e15, 1e13, 3e14), (1.0, 1e9, 5e8), (1e9, 1.0, 5e8)] {
            assert!(law(na, nb, bad).log_mean(1.0).abs() < 1e-6, "{na} {nb} {bad}");
        }
    }
}
