//! What one metric says about one side.

use serde::{Deserialize, Serialize};

use super::{Block, Counts};

/// How often something was seen in how many requests.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Tally {
    /// Requests.
    pub(super) of: u64,
    /// Of those, the bad ones; never more than `of`.
    pub(super) bad: u64,
}

#[expect(clippy::cast_precision_loss, reason = "shares need no more than 53 bits")]
impl Tally {
    /// More bad ones than requests are taken as all of them. More than 2^52 of either, which no release will ever answer,
    /// are taken as 2^52, so that they stay whole as real numbers.
    pub(super) const fn new(of: u64, bad: u64) -> Self {
        const MOST: u64 = 1 << 52;
        let of = if of > MOST { MOST } else { of };
        Self { of, bad: if bad > of { of } else { bad } }
    }

    /// Requests, as a real number.
    pub(super) const fn n(self) -> f64 {
        self.of as f64
    }

    /// Bad ones, as a real number.
    pub(super) const fn k(self) -> f64 {
        self.bad as f64
    }

    /// Share of bad ones; 0 where nothing was seen.
    pub(super) fn share(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.k() / self.n() }
    }

    /// Logarithm of the probability of these observations, in the order they came, at the rate `p`.
    pub(super) fn log_likelihood(self, p: f64) -> f64 {
        let bad = if self.bad == 0 { 0.0 } else { self.k() * p.ln() };
        let good = if self.bad == self.of { 0.0 } else { (self.n() - self.k()) * (-p).ln_1p() };
        bad + good
    }
}

/// The same of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Pair {
    pub(super) stable: Tally,
    pub(super) candidate: Tally,
}

/// What is counted as bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Metric {
    /// Answered with a server error, or broken off.
    Errors,
    /// Answered too late.
    Slow,
}

impl Metric {
    /// This metric's view of what was counted on one side.
    pub(super) const fn of(self, counts: Counts) -> Tally {
        match self {
            Self::Errors => Tally::new(counts.requests, counts.errors),
            Self::Slow => Tally::new(counts.requests, counts.slow),
        }
    }

    /// This metric's view of both sides.
    pub(super) const fn pair(self, block: &Block) -> Pair {
        Pair { stable: self.of(block.stable), candidate: self.of(block.candidate) }
    }
}

/// Adds up counts; stops at the largest number rather than going around.
pub(super) fn add(into: &mut Counts, more: Counts) {
    into.requests = into.requests.saturating_add(more.requests);
    into.errors = into.errors.saturating_add(more.errors);
    into.slow = into.slow.saturating_add(more.slow);
}

/// Adds up both sides.
pub(super) fn add_block(into: &mut Block, more: &Block) {
    add(&mut into.stable, more.stable);
    add(&mut into.candidate, more.candidate);
}
