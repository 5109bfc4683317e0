//! A whole rollout: several weights one after the other, looked at as the engine looks.

use super::super::random::Random;
use super::super::{Block, Evidence, Verdict};
use super::trial::counts;
use crate::rollout::step::Comparison;

/// The first looks of a weight are so many seconds apart …
const LOOK: f64 = 0.1;
/// … and then this part of the weight's age, as in [`crate::rollout::decide`].
const LATER: f64 = 0.02;

/// Rollouts of a candidate that is exactly as good as the stable release, through several weights. They go on through every weight for
/// its whole time, though a real rollout goes on as soon as the candidate is shown good: more looks, and more chances to err.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeRollout {
    /// Requests per second to both releases together, on average.
    pub requests_per_second: f64,
    /// The rate at which requests to either fail, from 0 to 1.
    pub error: f64,
    /// The candidate's share of the requests at each weight, in percent, above 0 and at most 100.
    pub weights: Vec<f64>,
    /// How long each weight lasts, in seconds.
    pub seconds: f64,
    /// The probability that such a candidate is stopped, over all weights.
    pub alpha: f64,
    /// Where the random numbers begin.
    pub seed: u64,
}

impl Default for WholeRollout {
    fn default() -> Self {
        Self {
            requests_per_second: 100.0,
            error: 0.001,
            weights: vec![5.0, 25.0, 50.0],
            seconds: 600.0,
            alpha: 0.01,
            seed: 1,
        }
    }
}

impl WholeRollout {
    /// Whether the trial of that number, and so of its own random requests, ends with a false alarm.
    #[must_use]
    pub fn is_stopped(&self, number: u64) -> bool {
        let mut random = Random::new(self.seed, number);
        let mut evidence = Evidence::new(&Comparison { alpha: self.alpha, ..Comparison::default() });
        for weight in &self.weights {
            if self.stops_at(weight / 100.0, &mut random, &mut evidence) {
                return true;
            }
            evidence.begin_stage();
        }
        false
    }

    fn stops_at(&self, share: f64, random: &mut Random, evidence: &mut Evidence) -> bool {
        let mut age = 0.0;
        while age < self.seconds {
            let took = (age * LATER).max(LOOK).min(self.seconds - age);
            age += took;
            let all = self.requests_per_second * took;
            let (stable, candidate) = (random.poisson(all * (1.0 - share)), random.poisson(all * share));
            let stable = counts(random, stable, self.error);
            let candidate = counts(random, candidate, self.error);
            evidence.absorb(&Block { stable, candidate });
            if evidence.verdict() == Verdict::Fail {
                return true;
            }
        }
        false
    }
}
