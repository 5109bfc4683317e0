//! SARIF → what was found, and who was silent.

use super::rule::Ruled;
use super::sarif::{Log, Outcome, Run};
use super::{Finding, Report, State, Unreadable, message, place};

/// What scanners are asked to write.
const HINT: &str = "have the scanner write SARIF 2.1.0: `trivy --format sarif`, `grype -o sarif`, `codeql database analyze --format=sarif-latest`";

/// Reads a report; `name` is how sentences call it.
///
/// # Errors
/// When it is no SARIF 2.1.0: damaged, cut off, or something else.
pub fn read(name: &str, bytes: &[u8]) -> Result<Report, Unreadable> {
    let bad =
        |why: String| Unreadable { sentence: format!("{name} is no report in SARIF: {why}"), hint: HINT };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    let log: Log = serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
    match log.version.as_deref() {
        Some(version) if version == "2.1.0" || version.starts_with("2.1.0-") => {}
        Some(other) => {
            return Err(bad(format!("its version is {}, and only 2.1.0 is read", other.escape_debug())));
        }
        None => return Err(bad("it has no version".to_owned())),
    }
    let mut report = Report::default();
    let runs = log.runs.unwrap_or_default();
    if runs.is_empty() {
        report.silent.push(format!("{name} has no run of a scanner in it"));
    }
    for (index, run) in runs.iter().enumerate() {
        report.add(scanned(name, index + 1, run));
    }
    Ok(report)
}

/// What one run says.
fn scanned(name: &str, number: usize, run: &Run) -> Report {
    let driver = &run.tool.driver;
    let tool = driver.name.clone().unwrap_or_else(|| "a tool without a name".to_owned());
    let version = driver.version.as_ref().or(driver.semantic_version.as_ref());
    let told = version.map_or(tool.clone(), |version| format!("{tool} {version}"));
    let mut report = Report { tools: vec![told], ..Report::default() };
    let mut silent = |why: &str| report.silent.push(format!("{name}: run {number}, of {tool}, {why}"));
    if run.invocations.iter().flatten().any(|one| one.execution_successful == Some(false)) {
        silent("did not end well, by its own word");
    }
    let elsewhere = run.external_property_file_references.as_ref().and_then(|all| all.results.as_ref());
    if elsewhere.is_some_and(|files| !files.is_empty()) {
        silent("has its results in other files, which are not read");
    } else if run.results.is_none() {
        silent("has no list of results, so nothing was looked for");
    }
    let results = run.results.iter().flatten();
    report.findings = results.filter_map(|result| finding(&tool, run, result)).collect();
    report
}

/// What a result says; nothing where it says that all is well, or that something is gone.
fn finding(tool: &str, run: &Run, result: &Outcome) -> Option<Finding> {
    // What is open or to be reviewed is not known to be well (§3.27.9).
    let is_well = matches!(result.kind.as_deref(), Some("pass" | "notApplicable"));
    let is_gone = result.baseline_state.as_deref() == Some("absent");
    if is_well || is_gone {
        return None;
    }
    let ruled = Ruled::of(run, result);
    let (severity, score) = ruled.severity();
    let message = message::text(result, &ruled);
    let (file, line) = place::of(run, result);
    Some(Finding {
        tool: tool.to_owned(),
        rule: ruled.name().to_owned(),
        severity,
        score,
        package: message::package(result, &message),
        message,
        file,
        line,
        help: ruled.rule.and_then(|rule| rule.help_uri.clone()),
        state: state(result),
    })
}

fn state(result: &Outcome) -> State {
    let suppressions = result.suppressions.as_deref().unwrap_or_default();
    // One that is under review or was rejected suppresses nothing (§3.27.23).
    let is_accepted = suppressions.iter().all(|one| matches!(one.status.as_deref(), None | Some("accepted")));
    if !suppressions.is_empty() && is_accepted {
        State::Suppressed
    } else if result.baseline_state.as_deref() == Some("unchanged") {
        State::Unchanged
    } else {
        State::Open
    }
}
