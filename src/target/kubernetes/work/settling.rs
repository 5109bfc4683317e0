//! The time that a router needs which does not say what it has taken.
//!
//! A change is written at once, and counts as in force after that time. Nobody sleeps meanwhile: the rollout goes on looking, so
//! that what shows in this time turns it back before the time is over.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use kube::api::DynamicObject;
use tokio::time::Instant;

use super::Work;
use crate::rollout::event::Way;
use crate::rollout::{Rollout, Step};

/// When the last change will be in force.
#[derive(Debug, Default)]
pub(super) struct Settling(Mutex<Option<Instant>>);

impl Settling {
    fn begin(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
    }

    fn is_under_way(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|end| Instant::now() < end)
    }
}

impl Work {
    /// Whether the router has not had its time for the last change yet.
    pub(super) fn is_settling(&self) -> bool {
        self.settling.is_under_way()
    }

    /// Begins that time, if an object that was applied is another one than was seen before.
    pub(super) fn settle_change(&self, before: Option<&DynamicObject>, applied: &DynamicObject) {
        let version = |one: &DynamicObject| one.resource_version();
        if before.and_then(version) != version(applied) {
            self.settling.begin(self.config.traffic.settles());
        }
    }

    /// A change that another process made just before it died gets its time from now on.
    pub(super) fn take_up(&self, rollout: &Rollout) {
        let is_silent = self.config.traffic.router().is_some_and(|router| !router.kind.answers());
        if is_silent && may_have_changed(rollout) {
            self.settling.begin(self.config.traffic.settles());
        }
    }
}

/// Whether a rollout was left where traffic may have been moved last: in a shift, or anywhere on the way back.
fn may_have_changed(rollout: &Rollout) -> bool {
    let Some(current) = &rollout.step else { return false };
    let is_shift = matches!(rollout.steps().get(current.index), Some(Step::Shift { .. }));
    is_shift || rollout.way == Way::Back
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_is_in_force_after_its_time() {
        let settling = Settling::default();
        assert!(!settling.is_under_way());
        settling.begin(Duration::from_secs(5));
        tokio::time::advance(Duration::from_millis(4999)).await;
        assert!(settling.is_under_way());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!settling.is_under_way());
    }
}
