//! What scanners have found, and whether it may go on: reports in SARIF 2.1.0, judged by severity.
//!
//! ```text
//! SARIF, many runs → Report: findings, and who was silent ─┐
//! threshold, ignored rules with their expiry, the day ─────┴→ Judged: a verdict, and where each finding went
//! ```
//! A report that cannot be read is an error; one that holds no scan is no data. Neither is ever a pass.
//! Format: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>. What severity means, and so when something fails, is as
//! GitHub's code scanning has it. Nothing here reads files or clocks.

mod ignore;
mod judge;
mod message;
mod place;
mod read;
mod rule;
mod sarif;
mod severity;

use std::fmt;

pub use ignore::Ignore;
pub use judge::{Judged, Policy, judge};
pub use read::read;
pub use severity::Severity;

/// What one or more reports say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// What was found, in the order of the report.
    pub findings: Vec<Finding>,
    /// Why parts of it tell nothing, a sentence each: no run in it, a run without results, a scan that failed.
    pub silent: Vec<String>,
    /// Who scanned: name and version of each tool.
    pub tools: Vec<String>,
}

impl Report {
    /// Takes in what another report says.
    pub fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.silent.extend(other.silent);
        for tool in other.tools {
            if !self.tools.contains(&tool) {
                self.tools.push(tool);
            }
        }
    }
}

/// Something that a scanner has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Who found it.
    pub tool: String,
    /// The rule, such as `CVE-2024-3094`.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// The CVSS score that the severity comes from, from 0 to 10, where there is one.
    pub score: Option<f64>,
    /// What was found, in the scanner's words; may have several lines.
    pub message: String,
    /// Where: a path, relative to the repository where that is known.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The package with its version, where it is told.
    pub package: Option<String>,
    /// Where to read more.
    pub help: Option<String>,
    /// Whether it is still to be looked at.
    pub state: State,
}

/// Whether a finding is still to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is.
    Open,
    /// Somebody has suppressed it, and that was accepted (§3.27.23, §3.35).
    Suppressed,
    /// It was there before, by the baseline that the report was compared with (§3.27.24).
    Unchanged,
}

/// A report that cannot be read, or a list of what is ignored. One sentence, with the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Place and cause.
    pub sentence: String,
    /// What could mend it.
    pub hint: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
