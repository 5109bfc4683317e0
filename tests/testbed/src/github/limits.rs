//! The hourly limit of each token.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::ids;

/// Seconds after which a budget is full again.
const HOUR: i64 = 3600;

/// Budgets by token.
#[derive(Debug)]
pub(crate) struct Limits {
    limit: u64,
    budgets: HashMap<String, Budget>,
}

/// What one token has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Seconds of the epoch.
    pub(crate) reset: i64,
}

impl Budget {
    fn full(limit: u64, now: Timestamp) -> Self {
        Self { limit, remaining: limit, reset: now.as_second() + HOUR }
    }

    pub(crate) fn used(&self) -> u64 {
        self.limit.saturating_sub(self.remaining)
    }
}

impl Limits {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, budgets: HashMap::new() }
    }

    /// Leaves a token `remaining` requests until `reset` from now.
    pub(crate) fn set(&mut self, token: &str, remaining: u64, reset: Duration) {
        // A part of a second counts as one, or a budget would be full before it was said to be.
        let wait = i64::try_from(reset.as_millis().div_ceil(1000)).unwrap_or(HOUR);
        let budget = Budget {
            limit: self.limit.max(remaining),
            remaining,
            reset: ids::now().as_second().saturating_add(wait),
        };
        self.budgets.insert(token.to_owned(), budget);
    }

    /// What a token has left.
    pub(crate) fn of(&mut self, token: &str) -> Budget {
        *self.entry(token, ids::now())
    }

    /// Takes one request; `false` when none was left.
    pub(crate) fn take(&mut self, token: &str) -> bool {
        let budget = self.entry(token, ids::now());
        let left = budget.remaining > 0;
        budget.remaining = budget.remaining.saturating_sub(1);
        left
    }

    /// Gives one request back: an answer of 304 costs nothing.
    pub(crate) fn give_back(&mut self, token: &str) {
        let budget = self.entry(token, ids::now());
        budget.remaining = (budget.remaining + 1).min(budget.limit);
    }

    fn entry(&mut self, token: &str, now: Timestamp) -> &mut Budget {
        let limit = self.limit;
        let budget = self.budgets.entry(token.to_owned()).or_insert_with(|| Budget::full(limit, now));
        if budget.reset <= now.as_second() {
            *budget = Budget::full(budget.limit, now);
        }
        budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_and_is_full_again_after_its_reset() {
        let mut limits = Limits::new(10);
        limits.set("a", 1, Duration::from_secs(60));
        assert!(limits.take("a"));
        assert!(!limits.take("a"));
        assert!(limits.take("b"), "each token has its own");
        assert_eq!(limits.of("a").used(), 10);
        limits.set("a", 0, Duration::ZERO);
        assert!(limits.take("a"));
        assert_eq!(limits.of("a").remaining, 9);
        limits.give_back("a");
        assert_eq!(limits.of("a").remaining, 10);
    }
}
