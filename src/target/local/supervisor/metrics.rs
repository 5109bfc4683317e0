//! The supervisor's metrics.
//!
//! Format: Prometheus text exposition format 0.0.4.

use std::fmt::Write as _;

use super::view::View;
use crate::target::local::proxy::Proxy;

/// The router divides each doubling of latency into so many buckets; more than the doublings themselves would swamp a scrape.
const QUARTERS: usize = 4;

/// One metric: name, kind, meaning, and its values by label.
type Metric = (&'static str, &'static str, &'static str, Vec<(String, u64)>);

/// The text format of Prometheus.
pub(super) fn metrics(view: &View, proxy: &Proxy) -> String {
    let seen = view.observation(proxy);
    let label = |id: &crate::rollout::ReleaseId| {
        let version = view.versions.get(id).map(String::as_str).unwrap_or_default();
        format!("release=\"{id}\",version=\"{}\"", escaped(version))
    };
    let of_sets = |value: fn(&crate::rollout::SetView) -> u64| {
        seen.sets.iter().map(|(id, s)| (label(id), value(s))).collect::<Vec<_>>()
    };
    let of_traffic = |value: fn(&crate::rollout::Counts) -> u64| {
        seen.traffic.iter().map(|(id, c)| (label(id), value(c))).collect::<Vec<_>>()
    };
    let weights = seen
        .sets
        .keys()
        .map(|id| (label(id), view.weights.get(id).map_or(0, |w| u64::from(w.basis_points()))));
    let restarts = view
        .instances
        .iter()
        .map(|i| (format!("{},instance=\"{}\"", label(&i.release), i.number), u64::from(i.restarts)));
    let all: [Metric; 8] = [
        ("tidegate_requests_total", "counter", "Requests answered.", of_traffic(|c| c.requests)),
        (
            "tidegate_errors_total",
            "counter",
            "Requests answered with a server error.",
            of_traffic(|c| c.errors),
        ),
        ("tidegate_slow_total", "counter", "Requests over the latency bound.", of_traffic(|c| c.slow)),
        ("tidegate_instances_desired", "gauge", "Instances wanted.", of_sets(|s| s.desired.into())),
        ("tidegate_instances_ready", "gauge", "Instances that take requests.", of_sets(|s| s.ready.into())),
        ("tidegate_in_flight", "gauge", "Requests being answered.", of_sets(|s| s.in_flight)),
        ("tidegate_weight_basis_points", "gauge", "Share of requests, 10000 is all.", weights.collect()),
        ("tidegate_instance_restarts_total", "counter", "Starts after a fall.", restarts.collect()),
    ];
    let mut text = String::new();
    for (name, kind, meaning, values) in all {
        let _ = writeln!(text, "# HELP {name} {meaning}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{{{labels}}} {value}");
        }
    }
    latencies(&mut text, view, proxy);
    text
}

/// The latency histogram of each release, one bucket a doubling.
fn latencies(text: &mut String, view: &View, proxy: &Proxy) {
    let name = "tidegate_request_duration_seconds";
    let _ = writeln!(text, "# HELP {name} How long requests took.\n# TYPE {name} histogram");
    for (id, statistics) in proxy.statistics() {
        let version = view.versions.get(&id).map(String::as_str).unwrap_or_default();
        let labels = format!("release=\"{id}\",version=\"{}\"", escaped(version));
        let latency = &statistics.latency;
        let mut seen = 0;
        for (index, bucket) in latency.buckets.iter().enumerate() {
            seen += bucket.count;
            if let (Some(below), 0) = (bucket.below, index % QUARTERS) {
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{}\"}} {seen}", below.as_secs_f64());
            }
        }
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {seen}");
        let _ = writeln!(text, "{name}_sum{{{labels}}} {}", latency.sum.as_secs_f64());
        let _ = writeln!(text, "{name}_count{{{labels}}} {seen}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{ReleaseId, SetView, Weight};
    use crate::target::local::proxy::ProxySettings;

    #[test]
    fn labels_can_be_read() {
        let id = ReleaseId::new("abc");
        let mut view = View::default();
        view.sets.insert(id.clone(), SetView { desired: 2, ready: 1, running: 2, ..SetView::default() });
        view.versions.insert(id.clone(), "v\"1".to_owned());
        view.weights.insert(id, Weight::FULL);
        let text = metrics(&view, &Proxy::new(ProxySettings::default()));
        assert!(text.contains("tidegate_instances_ready{release=\"abc\",version=\"v\\\"1\"} 1\n"), "{text}");
        assert!(
            text.contains("tidegate_weight_basis_points{release=\"abc\",version=\"v\\\"1\"} 10000\n"),
            "{text}"
        );
        assert!(text.contains("# TYPE tidegate_request_duration_seconds histogram\n"), "{text}");
    }
}
