//! `gate simulate`.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::SimulateArgs;
use crate::error::{Error, ErrorKind};
use crate::report::plot::{self, Curve};
use crate::rollout::analysis::simulate::{Compared, JudgeKind, Simulation, SimulationResult};

/// A curve has so many points.
const POINTS: u32 = 200;

/// What came of simulated rollouts, and what other rules make of the same requests.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SimulationAnswer {
    /// The sequential test, by which real rollouts are judged.
    #[serde(flatten)]
    pub result: SimulationResult,
    /// The sequential test and then each rule, on the same requests; where rules or a plot were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comparison: Vec<ComparedAnswer>,
}

/// What one judge made of the simulated rollouts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ComparedAnswer {
    /// `sequential`, or the rule in full.
    pub judge: String,
    /// The share of candidates as good as the stable release that were stopped.
    pub false_alarm_share: f64,
    /// The share of the candidates in question that were stopped.
    pub detected_share: f64,
    /// Seconds until a stopped candidate was stopped, median; none when none was stopped.
    pub median_seconds: Option<f64>,
    /// The same for 90 of 100 of the stopped ones.
    pub p90_seconds: Option<f64>,
    /// Failed answers that candidates gave to users until they were stopped, or until the trial's end: mean.
    pub mean_exposure: f64,
    /// The same, median.
    pub median_exposure: u64,
}

/// The judge of canaries on simulated requests.
///
/// # Errors
/// When a figure is out of its range, or the plot cannot be written.
pub fn simulate(arguments: &SimulateArgs) -> Result<SimulationAnswer, Error> {
    let simulation = Simulation {
        stable_error: arguments.stable_error,
        canary_error: arguments.canary_error,
        rate: arguments.rate,
        weight: arguments.weight,
        alpha: arguments.alpha,
        margin: arguments.margin,
        trials: arguments.trials,
        seed: arguments.seed,
        max_requests: arguments.max_requests,
        stop_at_pass: arguments.stop_at_pass,
        ..Simulation::default()
    };
    simulation.check().map_err(|sentence| Error::new(ErrorKind::Usage, "bad-simulation", sentence))?;
    let is_compared = !arguments.rule.is_empty() || arguments.plot.is_some();
    let compared = if is_compared { simulation.compare(&arguments.rule) } else { Vec::new() };
    if let Some(file) = &arguments.plot {
        draw(file, &simulation, &compared)?;
    }
    let comparison = compared.iter().map(ComparedAnswer::new).collect();
    Ok(SimulationAnswer { result: simulation.run(), comparison })
}

fn name(judge: JudgeKind) -> String {
    match judge {
        JudgeKind::Sequential => "sequential".to_owned(),
        JudgeKind::Fixed(rule) => rule.to_string(),
    }
}

fn draw(file: &Path, simulation: &Simulation, compared: &[Compared]) -> Result<(), Error> {
    let curve = |one: &Compared| {
        let points = (1..=POINTS).filter_map(|at| {
            let share = f64::from(at) / f64::from(POINTS);
            Some((one.seconds_at(share)?, share * one.detected))
        });
        let name = format!(
            "{}: {} stopped, {} false alarms",
            name(one.judge),
            percent(one.detected),
            percent(one.false_alarms)
        );
        Curve { name, points: points.collect() }
    };
    let title = format!(
        "Candidates that fail {} of their requests (stable: {}), stopped within so long",
        percent(simulation.canary_error),
        percent(simulation.stable_error)
    );
    let about = format!(
        "{} requests a second to the candidate, {} of all; {} simulated rollouts",
        simulation.rate,
        percent(simulation.weight / 100.0),
        simulation.trials
    );
    let curves: Vec<Curve> = compared.iter().map(curve).collect();
    std::fs::write(file, plot::render(&title, &about, &curves)).map_err(|error| {
        let sentence = format!("the plot could not be written to {}: {error}", file.display());
        Error::new(ErrorKind::Failed, "plot-not-written", sentence)
            .hint("name a file in a folder that exists and that you may write to")
    })
}

/// A share in percent, to two digits after the point.
fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

impl ComparedAnswer {
    fn new(compared: &Compared) -> Self {
        Self {
            judge: name(compared.judge),
            false_alarm_share: compared.false_alarms,
            detected_share: compared.detected,
            median_seconds: compared.seconds_at(0.5),
            p90_seconds: compared.seconds_at(0.9),
            mean_exposure: compared.mean_exposure,
            median_exposure: compared.median_exposure,
        }
    }
}

impl fmt::Display for SimulationAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.result)?;
        if self.comparison.is_empty() {
            return Ok(());
        }
        let width = self.comparison.iter().map(|one| one.judge.len()).max().unwrap_or_default();
        writeln!(f, "\non the same requests:")?;
        writeln!(
            f,
            "{:width$}  false alarms  stopped   after (median, 90 %)  bad answers until then (mean, median)",
            "judge"
        )?;
        for one in &self.comparison {
            let time =
                |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), |it| format!("{it:.0} s"));
            writeln!(
                f,
                "{:width$}  {:>12}  {:>8}  {:>20}  {:.1}, {}",
                one.judge,
                percent(one.false_alarm_share),
                percent(one.detected_share),
                format!("{}, {}", time(one.median_seconds), time(one.p90_seconds)),
                one.mean_exposure,
                one.median_exposure
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judge_that_stops_nothing_has_no_time() {
        let compared = Compared {
            judge: JudgeKind::Sequential,
            false_alarms: 0.0012,
            detected: 0.0,
            seconds: Vec::new(),
            mean_exposure: 2.5,
            median_exposure: 2,
        };
        let result = Simulation { trials: 2, max_requests: 10, ..Simulation::default() }.run();
        let answer = SimulationAnswer { result, comparison: vec![ComparedAnswer::new(&compared)] };
        let text = answer.to_string();
        assert!(text.contains("sequential"), "{text}");
        assert!(text.contains("0.12 %") && text.contains("-, -") && text.ends_with("2.5, 2\n"), "{text}");
    }
}
