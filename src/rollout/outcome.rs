//! How a rollout ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a rollout, or a command, ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The kind, which decides the exit code.
    pub kind: OutcomeKind,
    /// Stable reason code; `docs/reasons.md` lists them.
    pub reason: String,
    /// One sentence that a person understands.
    pub sentence: String,
}

/// The kinds of ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// The candidate is the environment's good release.
    Promoted,
    /// There was nothing to do.
    Nothing,
    /// It failed and nothing is left changed.
    Failed,
    /// The candidate was taken back; the environment is on the release that was good before.
    RolledBack,
    /// A person is needed.
    Stuck,
    /// It waits for a person and will go on from here.
    Paused,
}

impl OutcomeKind {
    /// The name in json, metrics and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::Nothing => "nothing",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
            Self::Stuck => "stuck",
            Self::Paused => "paused",
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
