//! `gate check`: evidence that is there already, judged: scanners' reports, or what the gates of an environment say now.

mod annotate;
mod answer;
mod environment;

use std::fs::File;
use std::io::{Read, Write as _, stderr};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::{FailOn, GateCheckArgs};
use crate::error::{Error, ErrorKind};
use crate::scan::{Ignore, Policy, Report, Severity, Unreadable, judge, read};

pub use answer::{CheckAnswer, FindingAnswer, IgnoreAnswer, SeverityCounts};
pub use environment::{GateAnswer, GatesAnswer, check as environment};

/// The largest report that is read, in bytes. GitHub takes no more than 10 MB of one, compressed.
const LARGEST: u64 = 128 << 20;

/// Judges reports together. In a step of a workflow the findings are told as annotations on standard error.
///
/// # Errors
/// When a report, or a list of what is ignored, cannot be read: that is never a pass.
pub fn check(arguments: &GateCheckArgs) -> Result<CheckAnswer, Error> {
    let mut report = Report::default();
    for file in &arguments.sarif {
        let name = file.display().to_string();
        let bytes = bytes(file).map_err(|error| unreadable("bad-report", &name, &error))?;
        report.add(read(&name, &bytes).map_err(|why| refused("bad-report", why))?);
    }
    let mut ignored: Vec<Ignore> = arguments.ignore.iter().map(|rule| Ignore::of(rule)).collect();
    for file in &arguments.ignore_file {
        let name = file.display().to_string();
        let bytes = bytes(file).map_err(|error| unreadable("bad-ignore", &name, &error))?;
        let text = String::from_utf8_lossy(&bytes);
        ignored.extend(Ignore::parse(&name, &text).map_err(|why| refused("bad-ignore", why))?);
    }
    let root = std::env::var("GITHUB_WORKSPACE").ok().or_else(here);
    for finding in &mut report.findings {
        finding.file = finding.file.take().map(|file| below(&file, root.as_deref()));
    }
    let policy = Policy { fail_on: least(arguments.fail_on), ignored };
    let tools = report.tools.clone();
    let judged = judge(report, &policy, Timestamp::now().to_zoned(TimeZone::UTC).date());
    if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        let mut out = stderr().lock();
        // Who does not listen has no need of annotations.
        let _ = annotate::lines(&judged).iter().try_for_each(|line| writeln!(out, "{line}"));
    }
    Ok(CheckAnswer::new(judged, arguments.fail_on, tools))
}

/// The severity of a word of the command line.
fn least(fail_on: FailOn) -> Option<Severity> {
    match fail_on {
        FailOn::Critical => Some(Severity::Critical),
        FailOn::High => Some(Severity::High),
        FailOn::Medium => Some(Severity::Medium),
        FailOn::Low => Some(Severity::Low),
        FailOn::None => None,
    }
}

/// All of a file, or of standard input, as far as that is bounded.
fn bytes(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut limited: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin().lock().take(LARGEST + 1)),
        _ => Box::new(File::open(file)?.take(LARGEST + 1)),
    };
    limited.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::other(format!("it has more than {} MiB", LARGEST >> 20)));
    }
    Ok(bytes)
}

fn here() -> Option<String> {
    std::env::current_dir().ok()?.to_str().map(str::to_owned)
}

/// A path as the repository has it, where it lies in there.
fn below(file: &str, root: Option<&str>) -> String {
    let inner = root.and_then(|root| file.strip_prefix(root.trim_end_matches('/'))?.strip_prefix('/'));
    inner.unwrap_or(file).to_owned()
}

fn unreadable(code: &str, name: &str, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Usage, code, format!("{name} cannot be read: {error}"))
}

fn refused(code: &str, why: Unreadable) -> Error {
    Error::new(ErrorKind::Usage, code, why.sentence).hint(why.hint)
}
