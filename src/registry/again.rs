//! What may pass is tried again: bounded, and told in one sentence when it does not pass.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::failure::{Failure, RegistryError};

/// How often and how fast something is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// So many tries in a row may bring nothing on.
    pub tries: u32,
    /// The first pause between two tries; each next one is twice as long.
    pub first: Duration,
    /// The longest pause, unless the registry asks for a longer one.
    pub longest: Duration,
    /// How long a registry may take nothing in the middle of an upload, or give nothing in the middle of a download.
    pub stall: Duration,
}

impl Default for Pace {
    /// Some forty seconds in all, which is as long as a registry takes to be started anew.
    fn default() -> Self {
        Self {
            tries: 9,
            first: Duration::from_millis(250),
            longest: Duration::from_secs(10),
            stall: Duration::from_secs(30),
        }
    }
}

/// The tries of one thing.
#[derive(Debug)]
pub(super) struct Again {
    pace: Pace,
    tried: u32,
    since: Instant,
}

impl Again {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, tried: 0, since: Instant::now() }
    }

    /// Waits until the next try.
    ///
    /// # Errors
    /// When there is none: it will not pass, or has not for too long.
    pub(super) async fn after(&mut self, failure: Failure) -> Result<(), Failure> {
        let Failure::Passing { why, wait } = failure else { return Err(failure) };
        self.tried += 1;
        if self.tried >= self.pace.tries {
            let (times, seconds) = (self.tried, self.since.elapsed().as_secs_f64());
            let sentence = format!("{why}, and so it was at the last of {times} tries in {seconds:.0} s");
            return Err(Failure::Named(RegistryError::new("registry-unreachable", sentence)));
        }
        let pause = self.pace.first.saturating_mul(1 << (self.tried - 1).min(16)).min(self.pace.longest);
        tracing::debug!(why, tried = self.tried, "the registry is asked again");
        sleep(wait.unwrap_or(pause)).await;
        Ok(())
    }

    /// Something was brought on: the count begins anew.
    pub(super) fn progressed(&mut self) {
        self.tried = 0;
        self.since = Instant::now();
    }
}

/// Does something until it is done, or will not pass.
pub(super) async fn again<T>(
    pace: Pace,
    mut act: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut again = Again::new(pace);
    loop {
        match act().await {
            Ok(done) => return Ok(done),
            Err(failure) => again.after(failure).await?,
        }
    }
}
