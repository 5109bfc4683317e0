//! The judge by its command line: detection against Wald's bound, and false alarms.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::number::rounded;
use super::{Outcome, answer, say, times};

/// Measures both.
pub(super) fn measure(binary: &Path) -> Outcome<()> {
    for canary in ["0.05", "0.02", "0.3"] {
        simulate(binary, "detection", "0.001", canary, 1000)?;
    }
    let trials = times("ALARM_TRIALS", 10_000)?;
    for rate in ["0.001", "0.01", "0.05"] {
        simulate(binary, "false-alarms", rate, rate, trials)?;
    }
    Ok(())
}

fn simulate(binary: &Path, measure: &str, stable: &str, canary: &str, trials: usize) -> Outcome<()> {
    let words = format!(
        "gate simulate --stable-error {stable} --canary-error {canary} --rate 5 --alpha 0.01 --trials {trials} --seed 1 \
         --output json"
    );
    let start = Instant::now();
    let (told, _) = answer(Command::new(binary).args(words.split_whitespace()))?;
    let mut line = json!({
        "measure": measure, "command": format!("tidegate {words}"), "stable": stable, "canary": canary, "alpha": 0.01,
        "run_seconds": rounded(start.elapsed().as_secs_f64(), 2),
    });
    if let (Value::Object(line), Value::Object(told)) = (&mut line, told) {
        line.extend(told);
    }
    say(&line)?;
    Ok(())
}
