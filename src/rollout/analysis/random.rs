//! Random numbers for simulations: the same seed gives the same numbers on every machine.

/// The generator xoshiro256++ (Blackman, Vigna 2021, *Scrambled Linear Pseudorandom Number Generators*), seeded by SplitMix64
/// (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Random([u64; 4]);

impl Random {
    /// The `stream`-th of the independent sequences of `seed`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut state = seed ^ scramble(stream.wrapping_add(GOLDEN));
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(GOLDEN);
            scramble(state)
        }))
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Evenly distributed, above 0 and at most 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// How many trials fail before the next one succeeds, each with probability `p`; `u64::MAX` when none ever does.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and `as` saturates"
    )]
    pub(super) fn gap(&mut self, p: f64) -> u64 {
        if p <= 0.0 {
            return u64::MAX;
        }
        if p >= 1.0 {
            return 0;
        }
        (self.unit().ln() / (-p).ln_1p()) as u64
    }

    /// How many of `n` trials succeed, each with probability `p`.
    pub(super) fn binomial(&mut self, n: u64, p: f64) -> u64 {
        if p > 0.5 {
            return n - self.binomial(n, 1.0 - p);
        }
        let (mut left, mut hits) = (n, 0);
        loop {
            let gap = self.gap(p);
            if gap >= left {
                return hits;
            }
            left -= gap + 1;
            hits += 1;
        }
    }

    /// How many arrive in a time in which `mean` arrive on average. Many arrive evenly: their scatter would not be felt.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "above 1,000, and `as` saturates"
    )]
    pub(super) fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 1_000.0 {
            return mean.round() as u64;
        }
        let (mut time, mut count) = (-self.unit().ln(), 0);
        while time <= mean {
            time -= self.unit().ln();
            count += 1;
        }
        count
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const fn scramble(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
mod tests {
    use super::*;

    fn mean(mut draw: impl FnMut() -> u64) -> f64 {
        (0..20_000).map(|_| draw() as f64).sum::<f64>() / 20_000.0
    }

    #[test]
    fn means_are_right() {
        let mut random = Random::new(1, 0);
        assert!((mean(|| random.binomial(40, 0.1)) - 4.0).abs() < 0.05);
        assert!((mean(|| random.binomial(40, 0.9)) - 36.0).abs() < 0.05);
        assert!((mean(|| random.gap(0.05)) - 19.0).abs() < 0.5);
        assert!((mean(|| random.poisson(7.5)) - 7.5).abs() < 0.08);
    }

    #[test]
    fn edges_are_certain() {
        let mut random = Random::new(1, 0);
        assert_eq!(random.binomial(1000, 0.0), 0);
        assert_eq!(random.binomial(1000, 1.0), 1000);
        assert_eq!(random.gap(1.0), 0);
        assert_eq!(random.poisson(0.0), 0);
    }

    #[test]
    fn streams_differ_and_repeat() {
        let first = |seed, stream| Random::new(seed, stream).next();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
    }
}
