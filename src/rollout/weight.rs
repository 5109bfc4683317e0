//! Shares of traffic.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A share of all requests, in basis points: 10,000 is all of them, 1 is 0.01 %.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Weight(u16);

impl Weight {
    /// No request.
    pub const ZERO: Self = Self(0);
    /// Every request.
    pub const FULL: Self = Self(10_000);

    /// A share in basis points; more than [`Weight::FULL`] is taken as full.
    #[must_use]
    pub const fn from_basis_points(points: u16) -> Self {
        if points > 10_000 { Self::FULL } else { Self(points) }
    }

    /// A share in whole percent; more than 100 is taken as full.
    #[must_use]
    pub const fn from_percent(percent: u8) -> Self {
        Self::from_basis_points(percent as u16 * 100)
    }

    /// The share in basis points.
    #[must_use]
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// What is left for the other side.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(10_000 - self.0)
    }

    /// The largest share that `ready` instances out of `needed` can carry, when `needed` carry everything.
    #[must_use]
    pub fn carried_by(ready: u32, needed: u32) -> Self {
        if needed == 0 || ready >= needed {
            return if ready == 0 && needed > 0 { Self::ZERO } else { Self::FULL };
        }
        let points = u64::from(ready) * 10_000 / u64::from(needed);
        Self::from_basis_points(u16::try_from(points).unwrap_or(10_000))
    }

    /// The least number of instances, of `needed` that carry everything, that can carry this share.
    #[must_use]
    pub fn instances(self, needed: u32) -> u32 {
        let scaled = u64::from(self.0) * u64::from(needed);
        u32::try_from(scaled.div_ceil(10_000)).unwrap_or(needed)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole} %"),
            p if p % 10 == 0 => write!(f, "{whole}.{} %", p / 10),
            p => write!(f, "{whole}.{p:02} %"),
        }
    }
}

/// How traffic is divided between the stable release and the candidate. When both are zero, requests are held back at the
/// router until one of them can take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Share of the release that was good before this rollout.
    pub stable: Weight,
    /// Share of the release that is being rolled out.
    pub candidate: Weight,
}

impl Split {
    /// Requests wait at the router.
    pub const HELD: Self = Self { stable: Weight::ZERO, candidate: Weight::ZERO };
    /// All to the stable release.
    pub const STABLE: Self = Self { stable: Weight::FULL, candidate: Weight::ZERO };

    /// The candidate gets `weight`, the stable release the rest.
    #[must_use]
    pub const fn candidate(weight: Weight) -> Self {
        Self { stable: weight.rest(), candidate: weight }
    }
}
