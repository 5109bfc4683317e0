//! The nearest point of a null hypothesis.
//!
//! Two Bernoulli streams with `na` and `nb` observations; the null hypothesis says that the second rate exceeds the first by
//! `margin` or more. Of its points the nearest to `(ta, tb)` (outside it) in Kullback-Leibler divergence lies on the
//! boundary `(q, q + margin)` and minimises `na KL(ta ‖ q) + nb KL(tb ‖ q + margin)`, a strictly convex function of `q`.
//! The likelihood ratio of `(ta, tb)` against that point has, under every point of the null hypothesis, a mean of at most 1:
//! along the boundary the logarithm of the mean is concave in `q` and stationary at the projection, where it is 0; and off
//! the boundary the mean is smaller, since it falls with the second rate and grows with the first. (Turner, Ly, Grünwald
//! 2021, arXiv 2106.02693; Turner, Grünwald 2022, arXiv 2203.09785.)

/// Halvings of the search: more than a double has digits below a rate of one in a million.
const HALVINGS: u32 = 64;

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
        for _ in 0..HALVINGS {
            let q = f64::midpoint(low, high);
            if q <= low || q >= high {
                break;
            }
            if self.slope(q, margin) > 0.0 {
                low = q;
            } else {
                high = q;
            }
        }
        f64::midpoint(low, high)
    }

    /// Derivative of the expected log likelihood along the boundary; falls with `q`.
    fn slope(self, q: f64, margin: f64) -> f64 {
        let second = q + margin;
        self.na * (self.ta - q) / (q * (1.0 - q)) + self.nb * (self.tb - second) / (second * (1.0 - second))
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
