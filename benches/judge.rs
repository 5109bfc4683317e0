//! Measures the judge: false alarms, how soon it stops bad candidates against Wald's bound, how soon it lets good ones go
//! on, and what a look costs. Prints one JSON object a line.
//!
//! `cargo bench --bench judge` runs 10,000 trials for each line of false alarms, `cargo bench --bench judge -- 500` so many, and
//! `cargo bench --bench judge -- alarms 100000` only whole rollouts, so many at each level of traffic.

use std::io::{self, Write};
use std::time::Instant;

use serde_json::{Value, json};
use tidegate::rollout::Counts;
use tidegate::rollout::analysis::simulate::{Simulation, WholeRollout};
use tidegate::rollout::analysis::{Block, Evidence};
use tidegate::rollout::step::Comparison;

/// Seconds between looks that are tried; `None` is a look after every request.
const LOOKS: [Option<f64>; 2] = [Some(1.0), None];

/// Requests per second to both releases together.
const LEVELS: [f64; 6] = [0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0];

fn main() -> io::Result<()> {
    let trials = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    if std::env::args().any(|argument| argument == "alarms") {
        return LEVELS.iter().try_for_each(|level| say(&whole_rollouts(*level, trials)));
    }
    for (requests, errors) in
        [((19, 1), (0, 0)), ((95, 5), (0, 1)), ((950, 50), (10, 2)), ((95_000, 5_000), (950, 60))]
    {
        say(&look_cost(requests, errors))?;
    }
    for (stable, canary) in
        [(0.001, 0.05), (0.001, 0.01), (0.01, 0.05), (0.01, 0.02), (0.05, 0.10), (0.30, 0.50)]
    {
        for weight in [1.0, 5.0, 25.0, 50.0] {
            for look_every in LOOKS {
                say(&detection(stable, canary, weight, look_every))?;
            }
        }
    }
    for (rate, margin) in [(0.0, 0.01), (0.0, 0.02), (0.001, 0.01), (0.01, 0.01), (0.05, 0.02)] {
        for weight in [5.0, 50.0] {
            say(&way_on(rate, margin, weight))?;
        }
    }
    for rate in [0.001, 0.01, 0.05, 0.5] {
        for look_every in LOOKS {
            say(&false_alarms(rate, look_every, trials))?;
        }
    }
    LEVELS.iter().try_for_each(|level| say(&whole_rollouts(*level, trials.min(1_000))))
}

fn say(line: &Value) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

fn look_cost(requests: (u64, u64), errors: (u64, u64)) -> Value {
    const LOOKS: u32 = 20_000;
    let counts = |requests, errors| Counts { requests, errors, slow: 0 };
    let block = Block { stable: counts(requests.0, errors.0), candidate: counts(requests.1, errors.1) };
    let mut evidence = Evidence::new(&Comparison::default());
    let start = Instant::now();
    for _ in 0..LOOKS {
        evidence.absorb(&block);
        std::hint::black_box(evidence.verdict());
    }
    let nanoseconds = start.elapsed().as_nanos() / u128::from(LOOKS);
    json!({"measure": "look", "requests": requests, "errors": errors, "ns": u64::try_from(nanoseconds).unwrap_or(u64::MAX)})
}

fn detection(stable: f64, canary: f64, weight: f64, look_every: Option<f64>) -> Value {
    let simulation = Simulation {
        stable_error: stable,
        canary_error: canary,
        weight,
        look_every,
        max_requests: 50_000,
        ..Simulation::default()
    };
    let result = simulation.run();
    json!({
        "measure": "detection", "stable": stable, "canary": canary, "weight": weight, "look_every": look_every,
        "aborted_share": result.aborted_share, "median": result.median_requests, "p95": result.p95_requests,
        "wald": result.wald_bound, "times_wald": result.times_wald, "oracle": result.oracle_median_requests,
        "times_oracle": result.times_oracle,
    })
}

fn way_on(rate: f64, margin: f64, weight: f64) -> Value {
    let simulation = Simulation {
        stable_error: rate,
        canary_error: rate,
        margin,
        weight,
        max_requests: 50_000,
        stop_at_pass: true,
        ..Simulation::default()
    };
    let result = simulation.run();
    json!({
        "measure": "pass", "rate": rate, "margin": margin, "weight": weight, "passed": result.passed,
        "aborted": result.aborted, "median": result.median_requests_to_pass,
        "without_errors": simulation.alpha.ln() / (1.0 - margin).ln(),
    })
}

fn false_alarms(rate: f64, look_every: Option<f64>, trials: u32) -> Value {
    let simulation =
        Simulation { stable_error: rate, canary_error: rate, look_every, trials, ..Simulation::default() };
    let start = Instant::now();
    let result = simulation.run();
    json!({
        "measure": "false alarms", "rate": rate, "look_every": look_every, "trials": trials, "alpha": simulation.alpha,
        "requests": simulation.max_requests, "aborted_share": result.aborted_share,
        "seconds": start.elapsed().as_secs_f64(),
    })
}

/// Rollouts through three weights, five minutes each, of a candidate that is as good as stable.
fn whole_rollouts(requests_per_second: f64, trials: u32) -> Value {
    let whole = WholeRollout { requests_per_second, seconds: 300.0, ..WholeRollout::default() };
    let start = Instant::now();
    let stopped = (0..trials).filter(|number| whole.is_stopped(u64::from(*number))).count();
    json!({
        "measure": "false alarms of whole rollouts", "requests_per_second": requests_per_second, "error": whole.error,
        "weights": whole.weights, "seconds_a_weight": whole.seconds, "alpha": whole.alpha, "trials": trials,
        "stopped": stopped, "seconds": start.elapsed().as_secs_f64(),
    })
}
