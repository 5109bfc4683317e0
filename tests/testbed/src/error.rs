//! Why the testbed could not do what it was asked.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What went wrong, in one sentence, and what the failing part wrote last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BedError {
    /// The sentence.
    pub why: String,
    /// The last lines of the failing part's log; empty where none is to blame.
    pub log: Vec<String>,
}

impl BedError {
    /// An error that no part's log explains.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), log: Vec::new() }
    }

    /// A file or folder that could not be read or written.
    #[must_use]
    pub fn file(doing: &str, path: impl Into<PathBuf>, source: &io::Error) -> Self {
        Self::new(format!("cannot {doing} {}: {source}", path.into().display()))
    }
}

impl std::fmt::Display for BedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)?;
        self.log.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl std::error::Error for BedError {}
