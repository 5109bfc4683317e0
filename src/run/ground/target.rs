//! The target of either ground.

use std::time::Duration;

use crate::rollout::{Action, Observation, Release, ReleaseId, Rollout};
use crate::target::kubernetes::KubernetesTarget;
use crate::target::local::LocalTarget;
use crate::target::{Target, TargetError};

/// Where the releases of an environment run.
#[derive(Clone)]
pub enum AnyTarget {
    /// On this machine.
    Local(LocalTarget),
    /// In a cluster.
    Kubernetes(KubernetesTarget),
}

impl AnyTarget {
    /// Removes what it keeps of releases that are not in `keep`, and what `live` has no use for; gives how many things.
    ///
    /// # Errors
    /// When it cannot be reached, or does not remove it.
    pub async fn prune(&self, live: Option<&Release>, keep: &[&Release]) -> Result<usize, TargetError> {
        match self {
            Self::Local(target) => target.prune(keep).await,
            Self::Kubernetes(target) => target.prune(live, keep).await,
        }
    }

    /// Whether nobody asked for it for a while, so that nothing of it runs until somebody does.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn is_asleep(&self) -> Result<bool, TargetError> {
        match self {
            Self::Local(target) => Ok(target.status().await?.asleep),
            Self::Kubernetes(target) => target.is_asleep().await,
        }
    }

    /// Leaves what was there before the first release as it was found, now that no release is to take its place.
    ///
    /// # Errors
    /// When it cannot be reached, or is refused.
    pub async fn leave_found(&self) -> Result<(), TargetError> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Kubernetes(target) => target.leave_found().await,
        }
    }
}

impl Target for AnyTarget {
    fn begin(&self, rollout: &Rollout) {
        match self {
            Self::Local(target) => target.begin(rollout),
            Self::Kubernetes(target) => target.begin(rollout),
        }
    }

    async fn observe(&self, newer_than: Option<u64>, patience: Duration) -> Result<Observation, TargetError> {
        match self {
            Self::Local(target) => target.observe(newer_than, patience).await,
            Self::Kubernetes(target) => target.observe(newer_than, patience).await,
        }
    }

    async fn address(&self, release: Option<&ReleaseId>) -> Option<String> {
        match self {
            Self::Local(target) => target.address(release).await,
            Self::Kubernetes(target) => target.address(release).await,
        }
    }

    async fn act(&self, action: &Action, releases: &[&Release]) -> Result<(), TargetError> {
        match self {
            Self::Local(target) => target.act(action, releases).await,
            Self::Kubernetes(target) => target.act(action, releases).await,
        }
    }
}
