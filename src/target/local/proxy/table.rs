//! Which releases take requests, in which shares, on which instances.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::rollout::{ReleaseId, Weight};

/// What the router goes by. Replaced as a whole, never changed in place. The empty table holds every request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Table {
    /// One pool for each release.
    pub pools: Vec<Pool>,
}

/// The instances of one release and its share of requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Whose instances.
    pub release: ReleaseId,
    /// The version that people call the release by.
    pub version: String,
    /// Its share. Shares are taken in proportion to their sum, which need not be full.
    pub weight: Weight,
    /// True for the release that is being rolled out: header matches go to it.
    pub candidate: bool,
    /// Only instances that are ready and are not being drained.
    pub instances: Vec<Instance>,
}

/// One instance that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Names it for as long as it lives.
    pub key: InstanceKey,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Names an instance, for example `<release>-3`. A key is not used again for another process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceKey(String);

impl InstanceKey {
    /// A key from its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
