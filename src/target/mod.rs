//! Where releases run. A target observes and acts; it never judges.

use std::future::Future;
use std::time::Duration;

use crate::rollout::{Action, Observation, Release, ReleaseId, Rollout};

pub mod kubernetes;
pub mod local;

/// Why a target could not observe or act.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct TargetError {
    /// Stable code, for example `unreachable`, `no-program`, `port-taken`, `disk-full`.
    pub code: &'static str,
    /// One sentence with place and cause.
    pub sentence: String,
    /// What could mend it.
    pub hint: Option<String>,
    /// True when trying again cannot help.
    pub fatal: bool,
}

/// A place that runs instance sets behind a router.
///
/// Assumes that one rollout at a time acts (the lock sees to that). Guarantees that every action is level-triggered and may
/// be repeated, and that an action which returned `Ok` was accepted: whether it has arrived is told by the next observation.
pub trait Target: Send + Sync {
    /// Told before anything is asked of it in a rollout: what the acts will belong to.
    fn begin(&self, rollout: &Rollout) {
        let _ = rollout;
    }

    /// What is there now. With `newer_than`, waits until the generation exceeds it, at most `patience`.
    fn observe(
        &self,
        newer_than: Option<u64>,
        patience: Duration,
    ) -> impl Future<Output = Result<Observation, TargetError>> + Send;

    /// `host:port` where the release's instances answer directly, or, with no release given, the public address.
    fn address(&self, release: Option<&ReleaseId>) -> impl Future<Output = Option<String>> + Send;

    /// Starts to bring about what `action` names. `releases` holds every release that it may name.
    fn act(
        &self,
        action: &Action,
        releases: &[&Release],
    ) -> impl Future<Output = Result<(), TargetError>> + Send;
}
