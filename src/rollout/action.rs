//! What can be done to a target.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ReleaseId, Weight};

/// Something to do to the target. Level-triggered: it names the state to reach, so that doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Have `instances` instances of `release`. Fewer than now: the surplus is drained first, then stopped. Takes back an
    /// arranged retirement.
    Scale {
        /// Whose instances.
        release: ReleaseId,
        /// How many there shall be.
        instances: u32,
    },
    /// Divide requests so. A release that is not listed gets none; with all at zero, requests are held at the router.
    Route {
        /// Share by release.
        weights: BTreeMap<ReleaseId, Weight>,
    },
    /// Drain the set and take it away, at once or at a stated time. Until then it stays as it is.
    Retire {
        /// Which set.
        release: ReleaseId,
        /// When; `None` is now.
        at: Option<Timestamp>,
    },
    /// Bring the migrations of the migrate step at this place in the plan into the database. Changes nothing in the target.
    Migrate {
        /// Index of the step.
        step: usize,
        /// What is known of runs before this one.
        begin: Begin,
    },
    /// Run the checks of the verify step, or ask the gate, at this place in the plan. Changes nothing in the target.
    Verify {
        /// Index of the step.
        step: usize,
    },
}

/// How a run of migrations begins: they are not run twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Begin {
    /// Nothing was begun.
    Anew,
    /// A process that died had begun: what it left is waited for, and gone on with if its state can be told.
    TakeUp,
    /// As `TakeUp`, but nothing more is begun: only the state is wanted.
    Settle,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scale { release, instances } => write!(f, "scale {release} to {instances}"),
            Self::Route { weights } => {
                f.write_str("route")?;
                for (release, weight) in weights {
                    write!(f, " {release} {weight}")?;
                }
                Ok(())
            }
            Self::Retire { release, at: None } => write!(f, "retire {release}"),
            Self::Retire { release, at: Some(at) } => write!(f, "retire {release} at {at}"),
            Self::Migrate { step, .. } => write!(f, "migrate the database (step {})", step + 1),
            Self::Verify { step } => write!(f, "verify (step {})", step + 1),
        }
    }
}
