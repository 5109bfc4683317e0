//! The judge by its command line: detection against the two-sample oracle and Wald's bound, false alarms, and rules with fixed intervals.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::number::rounded;
use super::{Outcome, answer, say, times};

/// Rules in the form of those in the documents of Argo Rollouts and of Flagger, and two that are quicker.
const RULES: [&str; 4] = [
    "interval=5m,failures=4,threshold=5%",
    "interval=1m,failures=5,threshold=1%",
    "interval=1m,failures=1,threshold=1%",
    "interval=10s,failures=2,threshold=1%",
];

/// Measures all of it.
pub(super) fn measure(binary: &Path) -> Outcome<()> {
    for canary in ["0.05", "0.02", "0.3"] {
        simulate(binary, "detection", "0.001", canary, 1000)?;
    }
    let trials = times("ALARM_TRIALS", 10_000)?;
    for rate in ["0.001", "0.01", "0.05"] {
        simulate(binary, "false-alarms", rate, rate, trials)?;
    }
    for rate in [0.5, 5.0, 50.0] {
        for (stable, canary) in [("0.001", "0.05"), ("0.001", "0.01"), ("0.01", "0.05")] {
            rules(binary, stable, canary, rate)?;
        }
    }
    Ok(())
}

/// An hour of requests, at so many a second to the candidate.
fn rules(binary: &Path, stable: &str, canary: &str, rate: f64) -> Outcome<()> {
    let most = rate * 3600.0;
    let mut words = format!(
        "gate simulate --stable-error {stable} --canary-error {canary} --rate {rate} --max-requests {most} --trials 1000 \
         --seed 1 --output json"
    );
    for rule in RULES {
        words.push_str(" --rule ");
        words.push_str(rule);
    }
    let (told, _) = answer(Command::new(binary).args(words.split_whitespace()))?;
    say(&json!({
        "measure": "rules", "command": format!("tidegate {words}"), "stable": stable, "canary": canary, "rate": rate,
        "comparison": told["comparison"],
    }))?;
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
