//! The test for the candidate: evidence that its rate is less than the margin above the stable one's.
//!
//! Null hypothesis: the candidate's rate exceeds the stable one's by the margin or more. Before each block two alternatives
//! are fixed from what was seen before it: that both sides share one rate, and that each has its own. The block's e-value is
//! the likelihood ratio of the alternative against the nearest point of the null hypothesis (see [`super::projection`]); the
//! product over blocks is a test supermartingale, the mean of the two is one again, and by Ville's inequality it ever
//! reaches 1/α with probability at most α.
//!
//! A block that is much larger than all that was seen before it only teaches: a rate that was learned from few requests
//! would be held against many. The rule looks at sizes alone, which the outcomes do not move, so it is sound.

use serde::{Deserialize, Serialize};

use super::count::{Pair, Tally};
use super::nats::{Nats, mean};
use super::projection::Rates;

/// Stake on one rate for both sides; the rest is on two rates.
const SHARED_STAKE: f64 = 0.8;
/// Before anything is seen, rates are guessed as if this many requests …
const PRIOR_REQUESTS: f64 = 100.0;
/// … had had this many bad ones among them.
const PRIOR_BAD: f64 = 0.2;
/// A rate is never guessed below this part of the margin: smaller ones hardly speak louder, but are dearly paid for when a
/// bad request comes after all.
const LEAST_PART: f64 = 1.0 / 64.0;
/// A block counts when it is at most this many times what was known before it.
const LARGEST: f64 = 4.0;

/// Evidence that the candidate's rate is within the margin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Within {
    shared: Nats,
    apart: Nats,
}

impl Within {
    /// Takes in one block, with what was known of both sides before it.
    pub(super) fn absorb(&mut self, block: Pair, known: Pair, margin: f64) {
        let (na, nb) = (block.stable.n(), block.candidate.n());
        let before = known.stable.n() + known.candidate.n() + PRIOR_REQUESTS;
        if na < 1.0 || nb < 1.0 || na + nb > LARGEST * before {
            return;
        }
        let both = Tally {
            of: known.stable.of.saturating_add(known.candidate.of),
            bad: known.stable.bad.saturating_add(known.candidate.bad),
        };
        let one = guess(both, margin);
        self.shared.gain(log_e_value(block, one, one, margin));
        let stable = guess(known.stable, margin);
        // Both alternatives must lie outside the null hypothesis.
        let candidate =
            guess(known.candidate, margin).min(stable + 0.9 * margin).min(1.0 - LEAST_PART * margin);
        self.apart.gain(log_e_value(block, stable, candidate, margin));
    }

    /// A number that the logarithm of the e-process does not exceed, cheaper to have.
    pub(super) fn at_most(&self) -> f64 {
        self.shared.max(self.apart).get()
    }

    /// Logarithm of the e-process.
    pub(super) fn log_evidence(&self) -> f64 {
        mean([(SHARED_STAKE, self.shared.get()), (1.0 - SHARED_STAKE, self.apart.get())].into_iter())
    }
}

/// A rate strictly between 0 and 1 from what was seen, drawn a little towards a small one.
fn guess(seen: Tally, margin: f64) -> f64 {
    let least = LEAST_PART * margin;
    ((seen.k() + PRIOR_BAD) / (seen.n() + PRIOR_REQUESTS)).clamp(least, 1.0 - least)
}

fn log_e_value(block: Pair, ta: f64, tb: f64, margin: f64) -> f64 {
    let q = Rates { na: block.stable.n(), ta, nb: block.candidate.n(), tb }.project(margin);
    log_ratio(block.stable, ta, q) + log_ratio(block.candidate, tb, q + margin)
}

/// Logarithm of the likelihood ratio of the rate `t` against the rate `q`.
fn log_ratio(seen: Tally, t: f64, q: f64) -> f64 {
    let bad = if seen.bad == 0 { 0.0 } else { seen.k() * (t / q).ln() };
    let good = if seen.bad == seen.of { 0.0 } else { (seen.n() - seen.k()) * ((q - t) / (1.0 - q)).ln_1p() };
    bad + good
}

#[cfg(test)]
mod tests {
    use super::super::binomial::log_pmf;
    use super::*;

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "single digits")]
    fn mean_is_at_most_one_wherever_the_candidate_is_worse_by_the_margin() {
        let (na, nb) = (7u64, 3u64);
        for margin in [0.01, 0.1] {
            for (ta, tb) in [(0.002, 0.002), (0.05, 0.05), (0.05, 0.001), (0.5, 0.5), (0.9, 0.3)] {
                for pa in [0.0001, 0.01, 0.05, 0.3, 0.5, 0.8] {
                    for over in [0.0, 0.02, 0.09] {
                        let pb = pa + margin + over;
                        let mut sum = 0.0;
                        for ka in 0..=na {
                            for kb in 0..=nb {
                                let p = log_pmf(ka as f64, na as f64, pa) + log_pmf(kb as f64, nb as f64, pb);
                                let block =
                                    Pair { stable: Tally::new(na, ka), candidate: Tally::new(nb, kb) };
                                sum += (p + log_e_value(block, ta, tb, margin)).exp();
                            }
                        }
                        assert!(sum <= 1.0 + 1e-9, "margin {margin} bet {ta} {tb} truth {pa} {pb}: {sum}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_first_block_that_is_huge_only_teaches() {
        let mut within = Within::default();
        let block =
            Pair { stable: Tally::new(1_000_000, 100_000), candidate: Tally::new(1_000_000, 100_000) };
        within.absorb(block, Pair::default(), 0.01);
        assert_eq!(within, Within::default());
        within.absorb(block, block, 0.01);
        assert!(within.log_evidence() > 100.0);
    }
}
