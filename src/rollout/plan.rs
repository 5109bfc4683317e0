//! What one rollout will do.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::release::digest;
use super::strategy::StrategyName;
use super::{Release, Step, millis};

/// What one rollout will do: fixed before it starts, shown by `tidegate plan`, kept in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The strategy that compiled the steps.
    pub strategy: StrategyName,
    /// The release that is rolled out.
    pub candidate: Release,
    /// The release that was good before; none at the first deploy of an environment.
    pub stable: Option<Release>,
    /// How many instances carry all of the traffic.
    pub instances: u32,
    /// How many instances of the candidate there were before: a way back leaves as many.
    pub kept: u32,
    /// How long a set that is no longer needed is kept for an instant way back.
    #[serde(with = "millis")]
    pub keep: Duration,
    /// The target replaces the stable release's instances by the candidate's itself, batch by batch, and so moves the traffic
    /// with them: as a Deployment of Kubernetes does. No weights are then asked for, on the way forward or back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_place: bool,
    /// The candidate was here before and is gone back to by hand: what it did once and for all then is not done again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub returns: bool,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Limits in time.
    pub budgets: Budgets,
}

/// Limits in time: with them a rollout always ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// For a provision, shift, verify or retire step.
    #[serde(with = "millis")]
    pub step: Duration,
    /// For the way back as a whole, before it is declared stuck.
    #[serde(with = "millis")]
    pub back: Duration,
    /// How long the way back waits for stable capacity before it gives the stable release all traffic regardless.
    #[serde(with = "millis")]
    pub restore: Duration,
    /// For the whole way forward, pauses for a person not counted.
    #[serde(with = "millis")]
    pub total: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            step: Duration::from_secs(180),
            back: Duration::from_secs(300),
            restore: Duration::from_secs(30),
            total: Duration::from_secs(3600),
        }
    }
}

impl Plan {
    /// Digest of the whole plan: two plans with the same hash do the same. When its releases were put together counts for
    /// nothing, so that the plan that was shown and the plan that is run can be told to be the same one.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut plan = self.clone();
        plan.candidate.created = Timestamp::UNIX_EPOCH;
        if let Some(stable) = &mut plan.stable {
            stable.created = Timestamp::UNIX_EPOCH;
        }
        digest(serde_json::to_string(&plan).unwrap_or_default().as_bytes())
    }

    /// True when the two releases must never run at the same time.
    #[must_use]
    pub fn exclusive(&self) -> bool {
        self.strategy == StrategyName::Recreate
    }
}
