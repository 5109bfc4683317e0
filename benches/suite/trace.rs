//! What the demo told on standard error with `--log-format json`: one event a line.

use jiff::Timestamp;
use serde::Deserialize;

use super::Outcome;

/// One event of a rollout.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    timestamp: Timestamp,
    #[serde(default)]
    message: String,
    #[serde(default)]
    rollout: String,
    #[serde(default)]
    fact: String,
}

/// An analysis at one weight.
#[derive(Debug)]
pub(super) struct Analysis {
    /// The candidate's share of the requests, in percent.
    pub(super) weight: f64,
    /// From the beginning of the step to its verdict.
    pub(super) seconds: f64,
    /// Requests that the candidate had answered by then.
    pub(super) requests: f64,
}

/// Reads the events; lines that are none are passed over.
pub(super) fn read(text: &str) -> Vec<Line> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The analyses of one rollout, in order.
pub(super) fn analyses(lines: &[Line], rollout: &str) -> Outcome<Vec<Analysis>> {
    let (mut weight, mut began, mut found) = (None, None, Vec::new());
    for line in lines.iter().filter(|line| line.rollout == rollout) {
        match line.fact.as_str() {
            "entered" => {
                weight = after(&line.message, ": shift ").or(weight);
                began = line.message.contains(": analyze").then_some(line.timestamp);
            }
            "judged" => {
                let Some(start) = began.take() else { continue };
                let (Some(weight), Some(requests)) = (weight, after(&line.message, " of ")) else {
                    return Err(format!("no weight or no requests before or in {:?}", line.message).into());
                };
                let seconds = line.timestamp.duration_since(start).as_secs_f64();
                found.push(Analysis { weight, seconds, requests });
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Milliseconds from the decision to go back until the router had the shift.
pub(super) fn way_back(lines: &[Line], rollout: &str) -> Option<f64> {
    let mut own = lines.iter().filter(|line| line.rollout == rollout);
    let decision = own.find(|line| line.fact == "turned-back")?;
    let shift = own.find(|line| line.fact == "acted" && line.message.ends_with(" gets 0 %"))?;
    Some(shift.timestamp.duration_since(decision.timestamp).as_secs_f64() * 1000.0)
}

/// The first number after `mark`; thousands are set off by commas.
fn after(text: &str, mark: &str) -> Option<f64> {
    let (_, rest) = text.split_once(mark)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ',' || c == '.')).unwrap_or(rest.len());
    rest.get(..end)?.replace(',', "").parse().ok()
}
