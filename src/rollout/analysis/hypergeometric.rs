//! How bad requests fall to the two sides of a block when both have the same rate.

use super::binomial::log_pmf;
use super::count::Pair;

/// So many different outcomes are few. The largest ratio bet on, to this power, is far from overflow.
const FEW: usize = 64;

/// The central hypergeometric law: of `na + nb` requests `bad` are bad, so many of them among the `nb`.
pub(super) struct Law {
    na: f64,
    nb: f64,
    bad: f64,
}

impl Law {
    /// The law of a block; `None` when only one number of bad ones is possible, so that the block says nothing.
    pub(super) fn of(block: Pair) -> Option<Self> {
        let (na, nb, bad) = (block.stable.n(), block.candidate.n(), block.stable.k() + block.candidate.k());
        (na >= 1.0 && nb >= 1.0 && bad >= 1.0 && bad < na + nb).then_some(Self { na, nb, bad })
    }

    /// The least and the largest number that is possible.
    fn range(&self) -> (f64, f64) {
        ((self.bad - self.na).max(0.0), self.nb.min(self.bad))
    }

    /// All probabilities, when they are few, as they are at most looks: one table serves all ratios.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and not negative")]
    #[expect(clippy::cast_precision_loss, reason = "at most 64")]
    pub(super) fn table(&self) -> Option<Table> {
        let (low, high) = self.range();
        if high - low >= FEW as f64 {
            return None;
        }
        let mut table = Table { low, len: (high - low) as usize + 1, parts: [0.0; FEW] };
        // From the largest outwards each is smaller than the last, so nothing can overflow.
        let middle = (self.mode(low, high, 1.0) - low) as usize;
        table.parts[middle] = 1.0;
        for at in middle + 1..table.len {
            table.parts[at] = table.parts[at - 1] * self.growth(low + at as f64);
        }
        for at in (0..middle).rev() {
            table.parts[at] = table.parts[at + 1] / self.growth(low + (at + 1) as f64);
        }
        Some(table)
    }

    /// `P(J = j) / P(J = j - 1)`.
    fn growth(&self, j: f64) -> f64 {
        (self.nb - j + 1.0) * (self.bad - j + 1.0) / (j * (self.na - self.bad + j))
    }

    /// `ln E[ratio^J]`, at any size.
    ///
    /// Summed around the largest term. Where the law is wide, only every so many terms one is taken: for so smooth a function
    /// that rule is exact to rounding as long as the stride is well below the standard deviation.
    pub(super) fn log_mean(&self, ratio: f64) -> f64 {
        let (low, high) = self.range();
        let mode = self.mode(low, high, ratio);
        let around =
            [self.nb - mode + 1.0, self.bad - mode + 1.0, mode + 1.0, self.na - self.bad + mode + 1.0];
        let deviation = around.iter().map(|part| 1.0 / part).sum::<f64>().sqrt().recip();
        let stride = (deviation / 2.0).floor().max(1.0);
        let top = self.log_term(mode, ratio);
        let mut sum = 1.0;
        for direction in [-stride, stride] {
            let (mut at, mut term) = (mode + direction, 1.0);
            while at >= low && at <= high {
                term = if stride > 1.0 {
                    (self.log_term(at, ratio) - top).exp()
                } else if direction > 0.0 {
                    term * self.growth(at) * ratio
                } else {
                    term / (self.growth(at + 1.0) * ratio)
                };
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
            if self.growth(j) * ratio >= 1.0 {
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

/// The probabilities of a law, up to a common factor, from `low` on.
pub(super) struct Table {
    low: f64,
    len: usize,
    parts: [f64; FEW],
}

impl Table {
    /// `ln E[ratio^J]`.
    pub(super) fn log_mean(&self, ratio: f64) -> f64 {
        let parts = &self.parts[..self.len];
        let (mut with, mut without) = (0.0, 0.0);
        for part in parts.iter().rev() {
            with = with * ratio + part;
            without += part;
        }
        self.low * ratio.ln() + (with / without).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATIOS: [f64; 4] = [1.2, 5.0, 50.0, 200.0];

    fn law(na: f64, nb: f64, bad: f64) -> Law {
        Law { na, nb, bad }
    }

    #[test]
    fn table_and_sum_agree() {
        for (na, nb, bad) in
            [(19.0, 1.0, 1.0), (950.0, 50.0, 40.0), (3.0, 60.0, 61.0), (1e9, 63.0, 1e8), (5.0, 1e9, 1e9)]
        {
            let law = law(na, nb, bad);
            for ratio in RATIOS {
                let (table, sum) = (law.table().unwrap().log_mean(ratio), law.log_mean(ratio));
                assert!(
                    (table - sum).abs() < 1e-6 * (1.0 + table.abs()),
                    "{na} {nb} {bad} {ratio}: {table} {sum}"
                );
            }
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
