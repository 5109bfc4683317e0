//! What `gate check` answers.

use std::fmt;

use clap::ValueEnum as _;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::FailOn;
use crate::github::command::harmless;
use crate::report::lines::printable;
use crate::rollout::Verdict;
use crate::scan::{Finding, Ignore, Judged, Severity};

/// So many findings are shown one by one to people.
const SHOWN: usize = 50;

/// Whether what scanners have found lets it go on. Printed by `gate check`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CheckAnswer {
    /// `pass`, `fail` or `no-data`.
    pub verdict: String,
    /// Stable reason code.
    pub reason: String,
    /// One sentence.
    pub sentence: String,
    /// The severity from which on a finding fails: `critical`, `high`, `medium`, `low` or `none`.
    pub fail_on: String,
    /// Who scanned.
    pub tools: Vec<String>,
    /// What counts, by severity: what fails and what is below.
    pub counts: SeverityCounts,
    /// What fails it, the worst first.
    pub failing: Vec<FindingAnswer>,
    /// What is below the threshold, the worst first.
    pub below: Vec<FindingAnswer>,
    /// What does not count because it is ignored.
    pub ignored: Vec<FindingAnswer>,
    /// How many findings are suppressed in the reports.
    pub suppressed: usize,
    /// How many findings were there before, by the reports' baseline.
    pub unchanged: usize,
    /// What was ignored up to a day that has come, and was found.
    pub expired: Vec<IgnoreAnswer>,
    /// What is ignored and was not found.
    pub unused: Vec<IgnoreAnswer>,
    /// The exit code of the command.
    pub exit_code: u8,
}

/// Numbers of findings.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct SeverityCounts {
    /// Scores from 9.0.
    pub critical: usize,
    /// Scores from 7.0, or errors.
    pub high: usize,
    /// Scores from 4.0, or warnings.
    pub medium: usize,
    /// Lower scores, or notes.
    pub low: usize,
    /// What is said for information only.
    pub info: usize,
}

/// Something that a scanner has found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FindingAnswer {
    /// Who found it.
    pub tool: String,
    /// The rule or advisory.
    pub rule: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: String,
    /// The CVSS score, where there is one.
    pub score: Option<f64>,
    /// What was found, in the scanner's words.
    pub message: String,
    /// Where.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The package with its version, where it is told.
    pub package: Option<String>,
    /// Where to read more.
    pub help: Option<String>,
}

/// A rule that does not count.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct IgnoreAnswer {
    /// The rule or advisory.
    pub rule: String,
    /// The day from which on it counts again.
    pub until: Option<String>,
    /// Why it does not count.
    pub reason: Option<String>,
}

impl CheckAnswer {
    pub(super) fn new(judged: Judged, fail_on: FailOn, tools: Vec<String>) -> Self {
        let verdict = judged.judgement.verdict;
        let mut counts = SeverityCounts::default();
        for finding in judged.failing.iter().chain(&judged.below) {
            *counts.of(finding.severity) += 1;
        }
        let all = |findings: Vec<Finding>| findings.into_iter().map(FindingAnswer::from).collect();
        let ignores = |rules: Vec<Ignore>| rules.into_iter().map(IgnoreAnswer::from).collect();
        let name = fail_on.to_possible_value();
        Self {
            verdict: word(verdict).to_owned(),
            reason: judged.judgement.code,
            sentence: judged.judgement.sentence,
            fail_on: name.map(|name| name.get_name().to_owned()).unwrap_or_default(),
            tools,
            counts,
            failing: all(judged.failing),
            below: all(judged.below),
            ignored: all(judged.ignored),
            suppressed: judged.suppressed.len(),
            unchanged: judged.unchanged.len(),
            expired: ignores(judged.over),
            unused: ignores(judged.unused),
            // Refused by policy, also where nothing is known.
            exit_code: if verdict == Verdict::Pass { 0 } else { 3 },
        }
    }
}

/// The name of a verdict in json.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NoData => "no-data",
    }
}

impl SeverityCounts {
    const fn of(&mut self, severity: Severity) -> &mut usize {
        match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Info => &mut self.info,
        }
    }
}

impl From<Finding> for FindingAnswer {
    fn from(finding: Finding) -> Self {
        let Finding { tool, rule, severity, score, message, file, line, package, help, state: _ } = finding;
        Self { tool, rule, severity: severity.to_string(), score, message, file, line, package, help }
    }
}

impl From<Ignore> for IgnoreAnswer {
    fn from(ignore: Ignore) -> Self {
        let Ignore { rule, until, reason } = ignore;
        Self {
            rule,
            until: until.map(|day| day.to_string()),
            reason: Some(reason).filter(|text| !text.is_empty()),
        }
    }
}

impl fmt::Display for CheckAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.failing.iter().chain(&self.below).take(SHOWN) {
            write!(f, "{finding}")?;
        }
        let more = (self.failing.len() + self.below.len()).saturating_sub(SHOWN);
        if more > 0 {
            writeln!(f, "… and {more} more; --output json has all")?;
        }
        for one in &self.expired {
            writeln!(
                f,
                "{} counts again since {}",
                shown(&one.rule),
                one.until.as_deref().unwrap_or_default()
            )?;
        }
        for one in &self.unused {
            writeln!(f, "{} is ignored and was not found", shown(&one.rule))?;
        }
        writeln!(f, "{}[{}]: {}", self.verdict, self.reason, shown(&self.sentence))
    }
}

impl fmt::Display for FindingAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let score = self.score.map_or_else(String::new, |score| format!(" {score:.1}"));
        let package =
            self.package.as_ref().map_or_else(String::new, |package| format!("  {}", shown(package)));
        let line = self.line.map_or_else(String::new, |line| format!(":{line}"));
        let place = self.file.as_ref().map_or_else(String::new, |file| format!("  {}{line}", shown(file)));
        writeln!(f, "{}{score}  {}{package}{place}", self.severity, shown(&self.rule))?;
        let first = self.message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        writeln!(f, "  | {}", shown(first.trim()))
    }
}

/// Text of a report as it may stand in a log of GitHub's: it stays on its line, and the runner takes nothing in it for a command.
pub(super) fn shown(text: &str) -> String {
    harmless(&printable(text))
}
