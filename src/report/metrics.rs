//! Prometheus text metrics of an environment's rollouts, from the same events as everything else.
//!
//! Format: Prometheus text exposition format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::words;
use crate::rollout::{Environment, OutcomeKind, Rollout, Weight};

/// Upper bounds of the duration histograms, in seconds.
const BOUNDS: [f64; 8] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0];

/// The metrics of an environment. `weights` are the shares in force now, by version.
#[must_use]
pub fn render(
    app: &str,
    name: &str,
    environment: &Environment,
    weights: &BTreeMap<String, Weight>,
) -> String {
    let labels = format!("app=\"{}\",environment=\"{}\"", label(app), label(name));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, &labels, environment, weights);
    text
}

fn write(
    text: &mut String,
    labels: &str,
    environment: &Environment,
    weights: &BTreeMap<String, Weight>,
) -> std::fmt::Result {
    let ended: Vec<_> = environment.rollouts.iter().filter_map(|r| Some((r, r.outcome.as_ref()?))).collect();
    writeln!(
        text,
        "# HELP tidegate_rollouts Rollouts in the journal by outcome.\n# TYPE tidegate_rollouts gauge"
    )?;
    let kinds = [OutcomeKind::Promoted, OutcomeKind::RolledBack, OutcomeKind::Failed, OutcomeKind::Stuck];
    for kind in kinds {
        let count = ended.iter().filter(|(_, (_, outcome))| outcome.kind == kind).count();
        writeln!(text, "tidegate_rollouts{{{labels},outcome=\"{kind}\"}} {count}")?;
    }
    let open = environment.rollouts.iter().filter(|rollout| rollout.open()).count();
    writeln!(text, "tidegate_rollouts{{{labels},outcome=\"open\"}} {open}")?;
    let durations =
        ended.iter().map(|(r, (at, _))| at.duration_since(r.started).as_secs_f64()).collect::<Vec<_>>();
    let help = "Time from the start of a rollout to its end.";
    histogram(text, "tidegate_rollout_duration_seconds", help, labels, &durations)?;
    let back = ended.iter().filter(|(r, _)| r.cause.is_some());
    let back = back.map(|(r, (at, _))| at.duration_since(r.since).as_secs_f64()).collect::<Vec<_>>();
    let help = "Time from the decision to go back to the end of the way back.";
    histogram(text, "tidegate_rollback_duration_seconds", help, labels, &back)?;
    verdicts(text, labels, &environment.rollouts)?;
    writeln!(
        text,
        "# HELP tidegate_weight Share of the traffic by version, from 0 to 1.\n# TYPE tidegate_weight gauge"
    )?;
    for (version, weight) in weights {
        let share = f64::from(weight.basis_points()) / 10_000.0;
        writeln!(text, "tidegate_weight{{{labels},version=\"{}\"}} {share}", label(version))?;
    }
    Ok(())
}

fn verdicts(text: &mut String, labels: &str, rollouts: &[Rollout]) -> std::fmt::Result {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (_, judgement) in rollouts.iter().flat_map(|rollout| &rollout.judgements) {
        *counts.entry((words::verdict(judgement.verdict), judgement.code.as_str())).or_default() += 1;
    }
    writeln!(
        text,
        "# HELP tidegate_gate_verdicts Final verdicts of gates.\n# TYPE tidegate_gate_verdicts gauge"
    )?;
    for ((verdict, code), count) in counts {
        let (verdict, code) = (verdict.replace(' ', "-"), label(code));
        writeln!(text, "tidegate_gate_verdicts{{{labels},verdict=\"{verdict}\",code=\"{code}\"}} {count}")?;
    }
    Ok(())
}

fn histogram(text: &mut String, name: &str, help: &str, labels: &str, values: &[f64]) -> std::fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram")?;
    for bound in BOUNDS {
        let below = values.iter().filter(|value| **value <= bound).count();
        writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}")?;
    }
    writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", values.len())?;
    writeln!(text, "{name}_sum{{{labels}}} {}", values.iter().sum::<f64>())?;
    writeln!(text, "{name}_count{{{labels}}} {}", values.len())
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
