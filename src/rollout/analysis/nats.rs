//! Evidence as a number.

use serde::{Deserialize, Serialize};

const PER_NAT: f64 = 1e9;
/// No single block moves evidence further than this many nats; far beyond any verdict, and sums stay exact.
const FURTHEST: f64 = 1e9;

/// The logarithm of an e-value, in billionths of a nat.
///
/// A whole number on purpose: sums are exact and so do not depend on their order, and what is written to a journal is read
/// back to the last digit. Each term is rounded down, so rounding never adds evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Nats(i64);

impl Nats {
    /// Multiplies the e-value by `exp(log_factor)`. What is not a number counts as no evidence.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to a range that i64 holds")]
    pub(super) fn gain(&mut self, log_factor: f64) {
        if log_factor.is_nan() {
            return;
        }
        let term = (log_factor.clamp(-FURTHEST, FURTHEST) * PER_NAT).floor() as i64;
        self.0 = self.0.saturating_add(term);
    }

    /// The logarithm in nats.
    #[expect(clippy::cast_precision_loss, reason = "the last digits of huge evidence do not matter")]
    pub(super) fn get(self) -> f64 {
        self.0 as f64 / PER_NAT
    }
}

/// Logarithm of the weighted mean of e-values, given as pairs of weight and logarithm.
///
/// The mean of e-processes is an e-process, however they depend on each other.
pub(super) fn mean(terms: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let top = terms.clone().map(|(_, log)| log).fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + terms.map(|(weight, log)| weight * (log - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_down_and_saturates() {
        let mut nats = Nats::default();
        nats.gain(0.4e-9);
        assert_eq!(nats, Nats(0));
        nats.gain(-0.4e-9);
        assert_eq!(nats, Nats(-1));
        nats.gain(f64::NAN);
        assert_eq!(nats, Nats(-1));
        for _ in 0..20 {
            nats.gain(f64::INFINITY);
        }
        assert_eq!(nats, Nats(i64::MAX));
    }

    #[test]
    fn mean_of_extremes_stays_finite() {
        let terms = [(0.5, -1e9), (0.5, 1e9)];
        assert!((mean(terms.into_iter()) - (1e9 + 0.5f64.ln())).abs() < 1e-6);
        assert!(mean([(1.0, f64::NEG_INFINITY)].into_iter()).is_infinite());
        assert!((mean([(0.25, 2f64.ln()), (0.75, 4f64.ln())].into_iter()) - 3.5f64.ln()).abs() < 1e-12);
    }
}
