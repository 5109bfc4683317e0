//! Why a GitHub for tests cannot be had, or did not end well.

use std::fmt::Write as _;
use std::io;

use super::contract::Finding;

/// What a test of a GitHub fails with.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// The official description is missing or cannot be read.
    #[error("{0}")]
    Description(String),
    /// The server cannot be started.
    #[error("GitHub cannot be served on loopback: {0}")]
    Serve(#[source] io::Error),
    /// A test asks for a repository that the world has not.
    #[error("This GitHub has no repository {0:?}.")]
    NoRepository(String),
    /// Requests or answers were not as the description says.
    #[error("{}", in_words(.0))]
    Mismatch(Vec<Finding>),
}

fn in_words(findings: &[Finding]) -> String {
    let mut text = format!("{} not as GitHub's description says:", findings.len());
    for finding in findings {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {finding}");
    }
    text
}
