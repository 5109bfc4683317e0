//! From what an instance says of itself to counts of requests. Pure.
//!
//! # What is read
//! - **Requests** are those of one family: `http_requests_total`, or the count of one of [`HISTOGRAMS`]. Of several, one whose
//!   labels tell the status goes first, then one whose labels tell the path; then they go by the order here.
//! - **Errors** are the requests whose status begins with 5.
//! - **Slow** requests are those outside of the largest bucket of the histogram whose bound is not above the one that was asked
//!   for: with buckets of 0.25 s and 0.5 s, a bound of 300 ms counts what took longer than 250 ms. Where all buckets are above
//!   it, the lowest is taken.
//!
//! Health probes and scrapes are no visitors: where a label tells the path, theirs are left out. Where none does, they count.

use std::time::Duration;

use super::buckets::Buckets;
use super::line::{Labels, sample};
use crate::rollout::Counts;

/// The counter that most client libraries show in their examples.
const COUNTER: &str = "http_requests_total";
/// Histograms of latency, with how many of their units make a second: Micrometer, the common middlewares, OpenTelemetry; the last
/// is OpenTelemetry's name before its conventions of 2023.
const HISTOGRAMS: [(&str, f64); 6] = [
    ("http_server_requests_seconds", 1.0),
    ("http_request_duration_seconds", 1.0),
    ("http_server_request_duration_seconds", 1.0),
    ("http_request_duration_milliseconds", 1000.0),
    ("http_server_request_duration_milliseconds", 1000.0),
    ("http_server_duration_milliseconds", 1000.0),
];
/// Labels that tell the status.
const STATUS: [&str; 5] = ["status", "code", "status_code", "http_response_status_code", "http_status_code"];
/// Labels that tell the path.
const PATH: [&str; 7] = ["path", "handler", "route", "uri", "http_route", "http_target", "url_path"];

/// What an instance has counted since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// The family that the requests are from.
    pub(super) family: &'static str,
    pub(super) counts: Counts,
}

/// What a text does not tell, so that it tells no counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// None of the families is there: either it has not been visited yet, or it counts otherwise.
    #[error("counts no requests under a known name (http_requests_total, http_request_duration_seconds, …)")]
    Requests,
    /// Errors could not be told from successes.
    #[error("counts requests without a label of their status (status, code, …)")]
    Status,
    /// Slow requests could not be told from quick ones.
    #[error(
        "counts no latency in a histogram under a known name (http_request_duration_seconds, …), which `slower-than` needs"
    )]
    Latency,
}

/// The counts of the text. Requests over `slow_bound` are slow; those of the paths `aside` are left out.
///
/// # Errors
/// When requests, their errors, or, with a bound, their latency cannot be told from the text.
pub(super) fn read(
    text: &str,
    slow_bound: Option<Duration>,
    aside: &[String],
) -> Result<Reading, Unreadable> {
    let aside: Vec<String> = aside.iter().map(|path| words(path)).filter(|path| !path.is_empty()).collect();
    let mut families: [Family; 1 + HISTOGRAMS.len()] = Default::default();
    for line in text.lines().filter(|line| line.starts_with("http_")) {
        let Some(one) = sample(line) else { continue };
        let Some((at, kind)) = place(one.name) else { continue };
        if let (Some(family), true) = (families.get_mut(at), one.value.is_finite() && one.value >= 0.0) {
            family.take(kind, one.labels, one.value, &aside);
        }
    }
    let best = |(_, family): &(usize, &Family)| (family.tells_status, family.tells_path);
    let seen = families.iter().enumerate().filter(|(_, family)| family.is_there);
    // The last of equals is the greatest: backwards, that is the first.
    let Some((at, family)) = seen.rev().max_by_key(best) else { return Err(Unreadable::Requests) };
    let mut counts = Counts { requests: whole(family.requests), errors: whole(family.errors), slow: 0 };
    if counts.requests > 0 && !family.tells_status {
        return Err(Unreadable::Status);
    }
    if let (Some(bound), true) = (slow_bound, counts.requests > 0) {
        let own = [at].into_iter().chain(0..families.len());
        let slow =
            own.filter_map(|at| families.get(at)?.buckets.slow(bound.as_secs_f64() * units(at))).next();
        counts.slow = slow.ok_or(Unreadable::Latency)?.min(counts.requests);
    }
    let name = if at == 0 { COUNTER } else { HISTOGRAMS.get(at - 1).map_or(COUNTER, |(name, _)| name) };
    Ok(Reading { family: name, counts })
}

/// What a sample is of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Count,
    Bucket,
}

/// The family that a name is of.
fn place(name: &str) -> Option<(usize, Kind)> {
    if name == COUNTER {
        return Some((0, Kind::Count));
    }
    let found = HISTOGRAMS.iter().position(|(family, _)| name.strip_prefix(family).is_some_and(is_part))?;
    Some((found + 1, if name.ends_with("_bucket") { Kind::Bucket } else { Kind::Count }))
}

fn is_part(end: &str) -> bool {
    end == "_count" || end == "_bucket"
}

/// How many units of a family's bounds make a second.
fn units(at: usize) -> f64 {
    at.checked_sub(1).and_then(|at| HISTOGRAMS.get(at)).map_or(1.0, |(_, units)| *units)
}

/// What a family tells.
#[derive(Debug, Default)]
struct Family<'a> {
    is_there: bool,
    tells_status: bool,
    tells_path: bool,
    requests: f64,
    errors: f64,
    buckets: Buckets<'a>,
}

impl<'a> Family<'a> {
    fn take(&mut self, kind: Kind, labels: Labels<'a>, value: f64, aside: &[String]) {
        let path = labels.iter().find(|(name, _)| PATH.contains(name));
        let is_aside = path.is_some_and(|(_, path)| aside.contains(&words(path)));
        if kind == Kind::Bucket {
            if !is_aside {
                self.buckets.take(labels, value);
            }
            return;
        }
        let status = labels.iter().find(|(name, _)| STATUS.contains(name));
        self.is_there = true;
        self.tells_path |= path.is_some();
        self.tells_status |= status.is_some();
        if !is_aside {
            self.requests += value;
            self.errors += if status.is_some_and(|(_, text)| text.starts_with('5')) { value } else { 0.0 };
        }
    }
}

/// A path as its words: some libraries write `/api/info` as `api_info`.
fn words(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast stops at the ends of u64"
)]
pub(super) fn whole(n: f64) -> u64 {
    n.round() as u64
}

#[cfg(test)]
mod tests;
