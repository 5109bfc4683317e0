//! One trial: a rollout at one weight, with requests at random, before one judge.

use super::super::count::add_block;
use super::super::random::Random;
use super::super::{Block, Counts, Evidence, Verdict};
use super::Simulation;

/// Whoever judges the candidate of a trial.
pub(super) trait Judge {
    /// What it says after a look that brought `block`, `seconds` after the trial's begin. After [`Verdict::Fail`] it is not asked again.
    fn look(&mut self, block: &Block, seconds: f64) -> Verdict;
}

/// The judge of real rollouts.
impl Judge for Evidence {
    fn look(&mut self, block: &Block, _: f64) -> Verdict {
        self.absorb(block);
        self.verdict()
    }
}

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct End {
    /// When the candidate was stopped, where it was.
    pub(super) stopped: Option<Moment>,
    /// When it passed first, where it did.
    pub(super) passed: Option<Moment>,
    /// Bad answers that the candidate gave until it was stopped, or until the end.
    pub(super) bad: u64,
}

/// A moment of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// Requests to the candidate until then.
    pub(super) requests: u64,
    /// Seconds until then.
    pub(super) seconds: f64,
}

impl Simulation {
    /// One trial. Its requests are the same for each judge, for they depend on the seed and the number alone.
    pub(super) fn trial(&self, number: u64, mut judge: impl Judge) -> End {
        let mut random = Random::new(self.seed, number);
        let (mut end, mut seen, mut seconds) = (End::default(), Block::default(), 0.0);
        // A rate at which hardly a request ever comes must not keep a trial going for ever.
        let looks = self.max_requests.saturating_mul(1000).max(1_000_000);
        for _ in 0..looks {
            let (block, took) = self.requests(&mut random);
            seconds += took;
            add_block(&mut seen, &block);
            end.bad = seen.candidate.errors;
            let moment = Moment { requests: seen.candidate.requests, seconds };
            match judge.look(&block, seconds) {
                Verdict::Fail => {
                    end.stopped = Some(moment);
                    return end;
                }
                Verdict::Pass if end.passed.is_none() => end.passed = Some(moment),
                _ => {}
            }
            if moment.requests >= self.max_requests || (self.stop_at_pass && end.passed.is_some()) {
                break;
            }
        }
        end
    }

    /// Lets requests come until the next look; tells how many seconds that took.
    #[expect(clippy::cast_precision_loss, reason = "requests between two looks")]
    fn requests(&self, random: &mut Random) -> (Block, f64) {
        let share = self.weight / 100.0;
        let (stable, candidate, seconds) = if let Some(seconds) = self.look_every {
            let expected = self.rate * seconds;
            (random.poisson(expected * (1.0 - share) / share), random.poisson(expected), seconds)
        } else {
            let stable = random.gap(share);
            (stable, 1, (stable + 1) as f64 * share / self.rate)
        };
        let stable = counts(random, stable, self.stable_error);
        let candidate = counts(random, candidate, self.canary_error);
        (Block { stable, candidate }, seconds)
    }
}

/// So many requests, of which some fail at random at that rate.
pub(super) fn counts(random: &mut Random, requests: u64, rate: f64) -> Counts {
    Counts { requests, errors: random.binomial(requests, rate), slow: 0 }
}
