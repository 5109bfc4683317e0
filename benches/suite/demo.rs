//! The demo: how soon a bad release gets no request any more, and how much longer a good canary takes than its evidence.
//!
//! A canary's time is what its evidence takes, plus what the tool adds. Two figures say how much it adds. `evidence` is the time
//! in which the requests that were in fact judged come in: requests / (rate × weight), over all weights. `least` is the same
//! for the fewest requests that could do: with error bound `alpha` and margin `m`, that many requests without one error,
//! `(1 - m)^n ≤ alpha`.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::number::{median, rounded, worst};
use super::trace::{self, Analysis};
use super::{Outcome, answer, say, times};

/// The demo's probability of stopping a good release, and also of passing one that is worse by the margin.
const ALPHA: f64 = 0.01;
/// The demo's `compare: { errors: 2% }`.
const MARGIN: f64 = 0.02;

/// One run.
struct Run {
    seconds: f64,
    lost: f64,
    back_within: f64,
    way_back: f64,
    good_seconds: f64,
    evidence: f64,
    least: f64,
    bad_seconds: f64,
    bad_requests: f64,
}

/// Runs the demo several times at its own rate, and some times with more visitors, where the last request is seen more finely.
pub(super) fn measure(binary: &Path) -> Outcome<()> {
    for (rate, runs) in [(600, times("DEMO_RUNS", 5)?), (2000, times("DEMO_FAST_RUNS", 5)?)] {
        let mut all = Vec::with_capacity(runs);
        for _ in 0..runs {
            match run(binary, rate) {
                Ok(run) => all.push(run),
                // Counted, not hidden: a demo that does not do as promised is a result, too.
                Err(error) => writeln!(io::stderr(), "a demo that failed: {error}")?,
            }
        }
        if runs > 0 {
            say(&summary(rate, &all, runs - all.len()))?;
        }
    }
    Ok(())
}

fn run(binary: &Path, rate: u32) -> Outcome<Run> {
    let rate_text = rate.to_string();
    let arguments = ["demo", "--rate", &rate_text, "--output", "json", "--log-format", "json"];
    let (told, errors) = answer(Command::new(binary).args(arguments))?;
    let lines = trace::read(&errors);
    let (good, bad) = (rollout(&told, "v2")?, rollout(&told, "v3")?);
    let id = |rollout: &Value| rollout["rollout_id"].as_str().unwrap_or_default().to_owned();
    let good_steps = trace::analyses(&lines, &id(good))?;
    let bad_steps = trace::analyses(&lines, &id(bad))?;
    let per_second = |step: &Analysis| f64::from(rate) * step.weight / 100.0;
    let fewest = ALPHA.ln() / (1.0 - MARGIN).ln();
    let run = Run {
        seconds: number(&told, "seconds")?,
        lost: number(&told, "lost")?,
        back_within: number(&told, "back_within_ms")?,
        way_back: trace::way_back(&lines, &id(bad)).ok_or("the demo told no way back of v3")?,
        good_seconds: number(good, "seconds")?,
        evidence: good_steps.iter().map(|step| step.requests / per_second(step)).sum(),
        least: good_steps.iter().map(|step| fewest / per_second(step)).sum(),
        bad_seconds: number(bad, "seconds")?,
        bad_requests: bad_steps.iter().map(|step| step.requests).sum(),
    };
    let steps: Vec<Value> = good_steps.iter().map(|step| shown(step, per_second(step))).collect();
    say(&json!({
        "measure": "demo-run", "rate": rate, "seconds": rounded(run.seconds, 2), "requests": told["requests"],
        "lost": run.lost, "promoted": told["promoted"], "rolled_back": told["rolled_back"],
        "back_within_ms": run.back_within, "decision_to_router_ms": rounded(run.way_back, 1),
        "good_seconds": rounded(run.good_seconds, 2), "good_evidence_seconds": rounded(run.evidence, 2),
        "good_least_seconds": rounded(run.least, 2), "good_steps": steps,
        "bad_seconds": rounded(run.bad_seconds, 2), "bad_requests": run.bad_requests,
    }))?;
    Ok(run)
}

fn shown(step: &Analysis, per_second: f64) -> Value {
    json!({
        "weight_percent": step.weight, "seconds": rounded(step.seconds, 2), "requests": step.requests,
        "evidence_seconds": rounded(step.requests / per_second, 2),
    })
}

fn summary(rate: u32, all: &[Run], failed: usize) -> Value {
    let each = |figure: fn(&Run) -> f64| all.iter().map(figure).collect::<Vec<f64>>();
    let (back, router) = (each(|run| run.back_within), each(|run| run.way_back));
    json!({
        "measure": "demo", "command": format!("tidegate demo --rate {rate} --output json"), "rate": rate, "runs": all.len(), "runs_failed": failed,
        "back_within_ms_median": median(&back), "back_within_ms_worst": worst(&back),
        "decision_to_router_ms_median": rounded(median(&router), 1), "decision_to_router_ms_worst": rounded(worst(&router), 1),
        "lost": each(|run| run.lost).iter().fold(0.0, |sum, lost| sum + lost),
        "seconds_median": rounded(median(&each(|run| run.seconds)), 2),
        "good_seconds_median": rounded(median(&each(|run| run.good_seconds)), 2),
        "good_over_evidence_seconds_median": rounded(median(&each(|run| run.good_seconds - run.evidence)), 2),
        "good_times_evidence_median": rounded(median(&each(|run| run.good_seconds / run.evidence)), 3),
        "good_times_evidence_worst": rounded(worst(&each(|run| run.good_seconds / run.evidence)), 3),
        "good_times_least_median": rounded(median(&each(|run| run.good_seconds / run.least)), 3),
        "bad_seconds_median": rounded(median(&each(|run| run.bad_seconds)), 2),
        "bad_requests_median": median(&each(|run| run.bad_requests)),
        "bad_requests_worst": worst(&each(|run| run.bad_requests)),
    })
}

fn rollout<'a>(told: &'a Value, version: &str) -> Outcome<&'a Value> {
    let rollouts = told["rollouts"].as_array().ok_or("the demo told no rollouts")?;
    let found = rollouts.iter().find(|rollout| rollout["version"] == version);
    Ok(found.ok_or_else(|| format!("the demo told nothing of {version}"))?)
}

fn number(value: &Value, key: &str) -> Outcome<f64> {
    Ok(value[key]
        .as_f64()
        .ok_or_else(|| format!("{key} is {} in the demo's answer, not a number", value[key]))?)
}
