//! A picture of a rollout over time, as Mermaid that GitHub renders: the candidate's share of the traffic, and who failed how much.

use std::fmt::Write as _;

use crate::rollout::{Action, Counts, Event, Fact, Rollout};

/// So many points a curve has.
const POINTS: usize = 24;

/// The picture; nothing where traffic was not divided.
#[must_use]
pub fn render(rollout: &Rollout, events: &[Event]) -> String {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return String::new() };
    let seconds = |event: &Event| event.at.duration_since(first.at).as_secs_f64();
    let whole = seconds(last);
    let shares: Vec<(f64, f64)> = events
        .iter()
        .filter_map(|event| match &event.fact {
            Fact::Acted { action: Action::Route { weights } } => {
                let weight = weights.get(&rollout.plan.candidate.id).copied().unwrap_or_default();
                Some((seconds(event), f64::from(weight.basis_points()) / 100.0))
            }
            _ => None,
        })
        .collect();
    if shares.is_empty() || whole <= 0.0 {
        return String::new();
    }
    let times: Vec<f64> = (0..POINTS).map(|at| whole * at as f64 / (POINTS - 1) as f64).collect();
    let share =
        |at: &f64| shares.iter().rev().find(|(since, _)| since <= at).map_or(0.0, |(_, share)| *share);
    let shares: Vec<f64> = times.iter().map(share).collect();
    let mut text = chart("The new release's share of the traffic, in %", whole, 100.0, &[&shares]);
    let rates = [Side::Candidate, Side::Stable].map(|side| rates(events, side, &times, &seconds));
    let highest = rates.iter().flatten().copied().fold(0.0_f64, f64::max);
    if events.iter().any(|event| matches!(event.fact, Fact::Looked { .. })) {
        let title = "Failed requests in %: the new release first, then the former one";
        text += &chart(title, whole, (highest * 1.25).max(1.0).ceil(), &[&rates[0], &rates[1]]);
    }
    text
}

/// Whose requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Candidate,
    Stable,
}

/// The share of requests that failed, between each point in time and the one before.
fn rates(events: &[Event], side: Side, times: &[f64], seconds: &impl Fn(&Event) -> f64) -> Vec<f64> {
    let mut last: Option<(u64, Counts)> = None;
    let mut blocks: Vec<(f64, Counts)> = Vec::new();
    for event in events {
        let Fact::Looked { epoch, stable, candidate } = &event.fact else { continue };
        let now = if side == Side::Candidate { *candidate } else { *stable };
        // What was counted before the first look is not of this rollout.
        if let Some((known, before)) = last {
            blocks
                .push((seconds(event), now.since(if known == *epoch { before } else { Counts::default() })));
        }
        last = Some((*epoch, now));
    }
    let mut from = f64::NEG_INFINITY;
    let rate = |until: &f64| {
        let mut sum = Counts::default();
        blocks.iter().filter(|(at, _)| *at > from && at <= until).for_each(|(_, block)| sum += *block);
        from = *until;
        if sum.requests == 0 { 0.0 } else { 100.0 * sum.errors as f64 / sum.requests as f64 }
    };
    times.iter().map(rate).collect()
}

fn chart(title: &str, seconds: f64, highest: f64, curves: &[&Vec<f64>]) -> String {
    let mut text = format!(
        "\n```mermaid\nxychart-beta\n  title \"{title}\"\n  x-axis \"seconds\" 0 --> {seconds:.1}\n  y-axis 0 --> {highest}\n"
    );
    for curve in curves {
        let points: Vec<String> = curve.iter().map(|point| format!("{point:.2}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  line [{}]", points.join(", "));
    }
    text + "```\n"
}
