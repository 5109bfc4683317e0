//! Something to say about a place in the file, before it becomes a diagnostic.

use super::diagnostic::Severity;
use super::{Path, Position};

/// A sentence about a place, with the cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Error or warning.
    pub(crate) severity: Severity,
    /// The way to the value that is meant.
    pub(crate) path: Path,
    /// Where the caret goes.
    pub(crate) at: Position,
    /// The sentence.
    pub(crate) message: String,
    /// True when the value must not be shown.
    pub(crate) secret: bool,
    /// The cure.
    pub(crate) help: Option<String>,
}

impl Finding {
    /// Something that makes the file unusable.
    pub(crate) fn error(path: Path, at: Position, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path, at, message: message.into(), secret: false, help: None }
    }

    /// Adds the cure.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The most that is told of one file.
const MOST: usize = 100;

/// Puts findings in the order of the file. What stands behind an alias is told once. Of too many, the first are kept, and
/// errors before warnings.
pub(crate) fn tidy(findings: &mut Vec<Finding>) {
    findings.sort_by_key(|finding| (finding.at.line, finding.at.column));
    findings.dedup_by(|one, other| one.at == other.at && one.message == other.message);
    if findings.len() <= MOST {
        return;
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        findings.retain(|finding| finding.severity == Severity::Error);
    }
    findings.truncate(MOST);
    if let Some(last) = findings.last() {
        let message = format!("there may be more: only the first {MOST} are told");
        let note = Finding::error(Path::default(), last.at, message).help("mend these first");
        findings.push(Finding { severity: last.severity, ..note });
    }
}
