//! What a gate says.

use serde::{Deserialize, Serialize};

/// The four answers of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The evidence is for the release.
    Pass,
    /// The evidence is against it.
    Fail,
    /// The evidence does not settle it (yet).
    Inconclusive,
    /// The source was silent. Never a pass.
    NoData,
}

/// A verdict with what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// Stable code of the ground, for example `errors-worse`, `slow-worse`, `not-worse`, `too-few`, `silent`.
    pub code: String,
    /// One sentence that a person understands, with the figures in it.
    pub sentence: String,
    /// The last lines of what was run for it, where something was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
}

impl Judgement {
    /// A judgement without a log.
    #[must_use]
    pub fn new(verdict: Verdict, code: &str, sentence: impl Into<String>) -> Self {
        Self { verdict, code: code.to_owned(), sentence: sentence.into(), log_tail: Vec::new() }
    }
}
