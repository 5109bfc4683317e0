//! Logarithms of binomial and beta quantities, exact to rounding at any count.
//!
//! The difference of log-gamma values loses all its digits at large counts. Splitting off the deviance, as in C. Loader,
//! *Fast and Accurate Computation of Binomial Probabilities* (2000), keeps them.

use std::f64::consts::PI;

use super::count::Tally;

/// Error of Stirling's formula: `ln Γ(z) - ((z - 1/2) ln z - z + ln(2π)/2)`, for positive `z`.
fn stirling_error(z: f64) -> f64 {
    let (mut z, mut extra) = (z, 0.0);
    while z < 12.0 {
        extra += (z + 0.5) * (1.0 / z).ln_1p() - 1.0;
        z += 1.0;
    }
    let w = 1.0 / (z * z);
    extra + (1.0 / 12.0 - w * (1.0 / 360.0 - w * (1.0 / 1260.0 - w * (1.0 / 1680.0 - w / 1188.0)))) / z
}

/// Deviance `x ln(x/m) + m - x` without cancellation near `x = m`.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() > 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    let v = (x - m) / (x + m);
    let (mut sum, mut term) = ((x - m) * v, 2.0 * x * v);
    for j in 1..40 {
        term *= v * v;
        let next = sum + term / f64::from(2 * j + 1);
        if (next - sum).abs() < f64::EPSILON * sum {
            break;
        }
        sum = next;
    }
    sum
}

/// Logarithm of the probability that `k` of `n` trials succeed when each does with probability `p`, strictly between 0
/// and 1. `k` and `n` are whole.
pub(super) fn log_pmf(k: f64, n: f64, p: f64) -> f64 {
    if k <= 0.0 {
        return n * (-p).ln_1p();
    }
    if k >= n {
        return n * p.ln();
    }
    let rest = n - k;
    stirling_error(n)
        - stirling_error(k)
        - stirling_error(rest)
        - deviance(k, n * p)
        - deviance(rest, n * (1.0 - p))
        + 0.5 * (n / (2.0 * PI * k * rest)).ln()
}

/// A beta distribution, as a belief about a rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beta {
    /// Weight of the bad.
    pub(super) bad: f64,
    /// Weight of the good.
    pub(super) good: f64,
}

impl Beta {
    /// Logarithm of the probability of the observations, in their order, averaged over this belief.
    pub(super) fn log_marginal(self, seen: Tally) -> f64 {
        log_beta(self.bad + seen.k(), self.good + seen.n() - seen.k()) - log_beta(self.bad, self.good)
    }
}

/// Logarithm of the beta function.
fn log_beta(x: f64, y: f64) -> f64 {
    let s = x + y;
    x * (x / s).ln() - y * (x / y).ln_1p() - 0.5 * (x / s * y).ln()
        + 0.5 * (2.0 * PI).ln()
        + stirling_error(x)
        + stirling_error(y)
        - stirling_error(s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_of_known_values() {
        for (x, y, beta) in [(1.0, 1.0, 1.0), (0.5, 0.5, PI), (2.0, 3.0, 1.0 / 12.0), (5.0, 1.0, 0.2)] {
            assert!((log_beta(x, y) - f64::ln(beta)).abs() < 1e-12, "B({x}, {y})");
        }
    }

    #[test]
    fn pmf_sums_to_one_and_matches_products() {
        for (n, p) in [(1, 0.3), (20, 0.001), (50, 0.5), (300, 0.9)] {
            let sum: f64 = (0..=n).map(|k| log_pmf(f64::from(k), f64::from(n), p).exp()).sum();
            assert!((sum - 1.0).abs() < 1e-11, "n {n} p {p}: {sum}");
        }
        assert!((log_pmf(2.0, 4.0, 0.5).exp() - 6.0 / 16.0).abs() < 1e-14);
    }

    #[test]
    fn pmf_keeps_its_digits_at_huge_counts() {
        let n = 4e15;
        let expected = -0.5 * (2.0 * PI * n * 0.25).ln();
        assert!((log_pmf(n / 2.0, n, 0.5) - expected).abs() < 1e-9);
    }
}
