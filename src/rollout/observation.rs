//! What is seen in the target at one moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ReleaseId, Weight};

/// What is seen in the target at one moment: the only way in which the outside reaches [`super::decide`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// Grows with every change that the target saw; lets a watcher wait for the next one.
    pub generation: u64,
    /// The instance sets that exist, by release.
    pub sets: BTreeMap<ReleaseId, SetView>,
    /// The weights in force in the data plane. A release that is not listed gets no request.
    pub weights: BTreeMap<ReleaseId, Weight>,
    /// What the data plane has counted, by release, since its counters began.
    pub traffic: BTreeMap<ReleaseId, Counts>,
    /// Names the run of counters: when it differs from the last one seen, counting began anew at zero.
    pub epoch: u64,
    /// Why releases whose instances run are not counted, where that is so: the cause of a comparison without data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
}

/// The instances of one release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SetView {
    /// How many there should be.
    pub desired: u32,
    /// How many exist in any condition, those that are being drained included.
    pub running: u32,
    /// How many passed their health check and take requests.
    pub ready: u32,
    /// Requests (and upgraded connections) that they are answering at this moment.
    pub in_flight: u64,
    /// When the target will take the set away by itself, if that is arranged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire_at: Option<jiff::Timestamp>,
    /// Why instances do not become ready, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
}

/// Why an instance will not come up or stay up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Stable code, for example `exited`, `unhealthy`, `wrong-version`, `no-program`.
    pub code: String,
    /// One sentence that a person understands.
    pub sentence: String,
    /// True when waiting longer cannot help.
    pub fatal: bool,
    /// The last lines that the failing instance wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
}

/// Cumulative counts of one release, as the data plane keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Requests answered, well or badly.
    pub requests: u64,
    /// Of those, answered with a server error (5xx) or broken off by the instance.
    pub errors: u64,
    /// Of those, slower than the latency bound that the router was told.
    pub slow: u64,
}

impl Counts {
    /// Whether any of them is less than it was.
    #[must_use]
    pub const fn is_behind(self, earlier: Self) -> bool {
        self.requests < earlier.requests || self.errors < earlier.errors || self.slow < earlier.slow
    }

    /// What came since `earlier`; counts that went backwards are taken as begun anew.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        if self.is_behind(earlier) {
            return self;
        }
        Self {
            requests: self.requests - earlier.requests,
            errors: self.errors - earlier.errors,
            slow: self.slow - earlier.slow,
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.slow += other.slow;
    }
}
