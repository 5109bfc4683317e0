//! The time that the engine stamps events with.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Wall-clock time that never goes backwards: read once, then carried on by the monotonic clock, so that a clock that is
/// set in mid-rollout moves no budget. Follows tokio's paused time in tests.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Timestamp,
    origin: Instant,
}

impl Clock {
    /// Begins at the system's time.
    #[must_use]
    pub fn system() -> Self {
        Self::beginning(Timestamp::now())
    }

    /// Begins at a given time.
    #[must_use]
    pub fn beginning(began: Timestamp) -> Self {
        Self { began, origin: Instant::now() }
    }

    /// The time, in whole milliseconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.origin.elapsed()).unwrap_or(SignedDuration::ZERO);
        let now = self.began + passed;
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}
