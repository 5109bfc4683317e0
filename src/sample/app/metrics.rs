//! The counts that the sample app shows at `/metrics`, in the Prometheus text format.
//!
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the latency buckets in seconds. 0.1, 0.5 and 1 are the bounds of the default objectives.
const BOUNDS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Requests, their statuses and how long they took until the head of the answer.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    open: AtomicU64,
    done: Mutex<Done>,
}

#[derive(Debug, Default)]
struct Done {
    by_status: BTreeMap<u16, u64>,
    within: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

impl Metrics {
    /// A request came in.
    pub(super) fn begin(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// It was answered.
    pub(super) fn end(&self, status: u16, took: Duration) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done.by_status.entry(status).or_default() += 1;
        done.count += 1;
        done.sum += took;
        let seconds = took.as_secs_f64();
        for (count, bound) in done.within.iter_mut().zip(BOUNDS) {
            *count += u64::from(seconds <= bound);
        }
    }

    /// The text. `version` becomes a label.
    pub(super) fn text(&self, version: &str) -> String {
        let version = version.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        out.push_str("# HELP http_requests_total Requests answered, health and metrics excepted.\n");
        out.push_str("# TYPE http_requests_total counter\n");
        for (status, count) in &done.by_status {
            line(&mut out, "http_requests_total", &format!("version=\"{version}\",code=\"{status}\""), count);
        }
        out.push_str("# HELP http_request_duration_seconds Time from a request to the head of its answer.\n");
        out.push_str("# TYPE http_request_duration_seconds histogram\n");
        let name = "http_request_duration_seconds";
        for (count, bound) in done.within.iter().zip(BOUNDS) {
            line(
                &mut out,
                &format!("{name}_bucket"),
                &format!("version=\"{version}\",le=\"{bound}\""),
                count,
            );
        }
        let labels = format!("version=\"{version}\"");
        line(&mut out, &format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), &done.count);
        line(&mut out, &format!("{name}_sum"), &labels, &done.sum.as_secs_f64());
        line(&mut out, &format!("{name}_count"), &labels, &done.count);
        out.push_str("# HELP http_requests_in_flight Requests that wait for the head of their answer.\n");
        out.push_str("# TYPE http_requests_in_flight gauge\n");
        line(&mut out, "http_requests_in_flight", &labels, &self.open.load(Ordering::Relaxed));
        out
    }
}

fn line(out: &mut String, name: &str, labels: &str, value: &dyn std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{name}{{{labels}}} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_statuses_and_cumulative_buckets() {
        let metrics = Metrics::default();
        (0..3).for_each(|_| metrics.begin());
        metrics.end(200, Duration::from_millis(3));
        metrics.end(500, Duration::from_millis(300));
        let text = metrics.text("1.0");
        for expected in [
            "http_requests_total{version=\"1.0\",code=\"200\"} 1\n",
            "http_requests_total{version=\"1.0\",code=\"500\"} 1\n",
            "http_request_duration_seconds_bucket{version=\"1.0\",le=\"0.001\"} 0\n",
            "http_request_duration_seconds_bucket{version=\"1.0\",le=\"0.005\"} 1\n",
            "http_request_duration_seconds_bucket{version=\"1.0\",le=\"0.5\"} 2\n",
            "http_request_duration_seconds_bucket{version=\"1.0\",le=\"+Inf\"} 2\n",
            "http_request_duration_seconds_sum{version=\"1.0\"} 0.303\n",
            "http_request_duration_seconds_count{version=\"1.0\"} 2\n",
            "http_requests_in_flight{version=\"1.0\"} 1\n",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
    }

    #[test]
    fn a_version_cannot_break_out_of_its_label() {
        let metrics = Metrics::default();
        assert!(metrics.text("a\"b\\c").contains("{version=\"a\\\"b\\\\c\"}"));
    }
}
