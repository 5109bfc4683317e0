//! The program as a file: how fast it starts, how large it is, what it needs to run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::json;

use super::number::{median, quantile, rounded, worst};
use super::{Outcome, say, times};

/// Measures start and size.
pub(super) fn measure(binary: &Path) -> Outcome<()> {
    let runs = times("VERSION_RUNS", 500)?;
    let (mut own, mut other) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
    // In turns, so that what disturbs the machine disturbs both.
    for _ in 0..runs {
        own.push(took(Command::new(binary).arg("--version"))?);
        other.push(took(&mut Command::new("true"))?);
    }
    say(&json!({
        "measure": "version", "command": "tidegate --version", "runs": runs,
        "median_ms": rounded(median(&own), 2), "p99_ms": rounded(quantile(&own, 0.99), 2),
        "worst_ms": rounded(worst(&own), 2), "median_ms_of_true": rounded(median(&other), 2),
    }))?;
    let output = Command::new("ldd").arg(binary).output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let is_static = said.contains("statically linked") || said.contains("not a dynamic executable");
    say(&json!({
        "measure": "binary", "command": "ldd tidegate", "bytes": std::fs::metadata(binary)?.len(), "static": is_static,
    }))?;
    Ok(())
}

/// Milliseconds from before the start of a process until its end is seen.
fn took(command: &mut Command) -> Outcome<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("{command:?} ended with {status}").into());
    }
    Ok(seconds * 1000.0)
}
