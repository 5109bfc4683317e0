//! The nearest point of a null hypothesis.
//!
//! Two Bernoulli streams with `na` and `nb` observations; the null hypothesis says that the second rate exceeds the first by
//! `margin` or more. Of its points the nearest to `(ta, tb)` (outside it) in Kullback-Leibler divergence lies on the
//! boundary `(q, q + margin)` and minimises `na KL(ta ‖ q) + nb KL(tb ‖ q + margin)`, a strictly convex function of `q`.
//! The likelihood ratio of `(ta, tb)` against that point has, under every point of the null hypothesis, a mean of at most 1:
//! along the boundary the logarithm of the mean is concave in `q` and stationary at the projection, where it is 0; and off
//! the boundary the mean is smaller, since it falls with the second rate and grows with the first. (Turner, Ly, Grünwald
//! 2021, arXiv 2106.02693; Turner, Grünwald 2022, arXiv 2203.09785.)

/// Most steps of the search: a safeguard, for it needs about six.
const STEPS: u32 = 100;

/// Two observed or supposed rates, with the number of observations that each stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    /// Observations of the first.
    pub(super) na: f64,
    /// Rate of the first.
    pub(super) ta: f64,
    /// Observations of the second.
    pub(super) nb: f64,
    /// Rate of the second.
    pub(super) tb: f64,
}

impl Rates {
    /// The `q` of the nearest boundary point `(q, q + margin)`, with `margin` strictly between 0 and 1.
    pub(super) fn project(self, margin: f64) -> f64 {
        let (one, other) = (self.ta, self.tb - margin);
        let mut low = one.min(other).max(0.0);
        let mut high = one.max(other).min(1.0 - margin);
        let mut q = ((self.na * one + self.nb * other) / (self.na + self.nb)).clamp(low, high);
        for _ in 0..STEPS {
            let (slope, bend) = self.slope(q, margin);
            if slope > 0.0 {
                low = q;
            } else {
                high = q;
            }
            // Newton's step where it stays inside, else a halving.
            let step = q - slope / bend;
            let next = if step > low && step < high { step } else { f64::midpoint(low, high) };
            let moved = (next - q).abs();
            q = next;
            if moved <= q * 1e-13 {
                break;
            }
        }
        q
    }

    /// First and second derivative of the expected log likelihood along the boundary; the first falls with `q`.
    fn slope(self, q: f64, margin: f64) -> (f64, f64) {
        let part = |n: f64, t: f64, x: f64| {
            let (bad, good) = (t / x, (1.0 - t) / (1.0 - x));
            (n * (bad - good), -n * (bad / x + good / (1.0 - x)))
        };
        let (first, second) = (part(self.na, self.ta, q), part(self.nb, self.tb, q + margin));
        (first.0 + second.0, first.1 + second.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(na: f64, ta: f64, nb: f64, tb: f64) -> Rates {
        Rates { na, ta, nb, tb }
    }

    #[test]
    fn without_bad_requests_the_first_rate_is_pushed_to_zero() {
        assert!(rates(950.0, 0.0, 50.0, 0.0).project(0.01) < 1e-12);
    }

    #[test]
    fn lies_between_and_nearer_to_the_larger_sample() {
        let q = rates(10_000.0, 0.05, 10.0, 0.05).project(0.01);
        assert!(q < 0.05 && q > 0.0499, "{q}");
        let q = rates(10.0, 0.05, 10_000.0, 0.05).project(0.01);
        assert!(q > 0.04 && q < 0.0401, "{q}");
    }

    #[test]
    fn survives_the_edges() {
        for ta in [0.0, 1e-9, 0.5, 1.0] {
            for tb in [0.0, 1e-9, 0.5, 1.0] {
                for margin in [1e-6, 0.01, 0.999] {
                    let q = rates(1e9, ta, 1.0, tb).project(margin);
                    assert!((0.0..=1.0 - margin + 1e-15).contains(&q), "{ta} {tb} {margin}: {q}");
                }
            }
        }
    }
}
