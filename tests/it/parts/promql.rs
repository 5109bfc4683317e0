//! The queries for who counts requests, by Prometheus' own engine, on series in the form that each is documented to have.

use std::process::Command;

use serde_json::{Value, json};
use testbed::Home;
use tidegate::settings::{CountedBy, Counter, QuerySettings};

use super::run;
use crate::tiers::wanted;

/// Series of one release: a name, labels, and what was counted.
type Series = (String, String, u64);

/// How a counter shows requests of one pod or Service.
struct Form {
    requests: &'static str,
    labels: String,
    /// The label that tells how it went, with its values for well and badly.
    status: (&'static str, [&'static str; 2]),
    histogram: &'static str,
    /// Half a second, as the histogram has it.
    half: &'static str,
}

fn form(counter: Counter, name: &str) -> Form {
    let pod = |more: &str| format!("namespace=\"shop\",pod=\"{name}\"{more}");
    let (seconds, milliseconds) = ("0.5", "500");
    let (requests, labels, status, histogram, half) = match counter {
        Counter::Application => (
            "http_requests_total",
            pod(""),
            ("code", ["200", "503"]),
            "http_request_duration_seconds",
            seconds,
        ),
        Counter::Istio => (
            "istio_requests_total",
            pod(",reporter=\"destination\""),
            ("response_code", ["200", "503"]),
            "istio_request_duration_milliseconds",
            milliseconds,
        ),
        Counter::Linkerd => (
            "response_total",
            pod(",direction=\"inbound\""),
            ("classification", ["success", "failure"]),
            "response_latency_ms",
            milliseconds,
        ),
        Counter::Contour => (
            "envoy_cluster_upstream_rq_xx",
            format!("envoy_cluster_name=\"shop_{name}_80\""),
            ("envoy_response_code_class", ["2", "5"]),
            "envoy_cluster_upstream_rq_time",
            milliseconds,
        ),
        Counter::IngressNginx => {
            // The second Ingress counts for the Service of the first.
            let canary =
                if name.ends_with("canary") { format!("shop-{name}-http-web") } else { String::new() };
            let own = "namespace=\"ingress-nginx\",service=\"metrics\",exported_namespace=\"shop\",exported_service=\"web\"";
            (
                "nginx_ingress_controller_requests",
                format!("{own},canary=\"{canary}\""),
                ("status", ["200", "502"]),
                "nginx_ingress_controller_request_duration_seconds",
                seconds,
            )
        }
        Counter::Traefik => (
            "traefik_service_requests_total",
            format!("service=\"shop-{name}-http-web@kubernetescrd\""),
            ("code", ["200", "500"]),
            "traefik_service_request_duration_seconds",
            seconds,
        ),
    };
    Form { requests, labels, status, histogram, half }
}

/// What the counter shows of `name`, a pod or a Service, that has answered 90 requests well and `errors` badly, and `slow` of all slower than
/// half a second.
fn shown(counter: Counter, name: &str, errors: u64, slow: u64) -> Vec<Series> {
    let Form { requests, labels, status: (status, values), histogram, half } = form(counter, name);
    let all = 90 + errors;
    // A status that nothing had is not shown.
    let counted = [90, errors].into_iter().zip(values).filter(|(count, _)| *count > 0);
    let counted =
        counted.map(|(count, value)| (requests.to_owned(), format!("{labels},{status}=\"{value}\""), count));
    let latency = [
        (format!("{histogram}_count"), labels.clone(), all),
        (format!("{histogram}_bucket"), format!("{labels},le=\"{half}\""), all - slow),
        (format!("{histogram}_bucket"), format!("{labels},le=\"+Inf\""), all),
    ];
    counted.chain(latency).collect()
}

/// What others count, which is not to be seen.
fn foreign(counter: Counter) -> Vec<Series> {
    let others = |series: Vec<Series>| {
        let other = |(metric, labels, count): Series| (metric, labels.replace("shop", "other"), count + 5);
        // Another Service of the namespace, whose name goes on where one of ours ends.
        let longer = series.clone().into_iter().filter(|(_, labels, _)| labels.contains("-http-web"));
        let longer = longer
            .map(|(metric, labels, count)| (metric, labels.replace("-http-web", "-api-http-web"), count + 7));
        let longer: Vec<Series> = longer.collect();
        series.into_iter().map(other).chain(longer).collect::<Vec<_>>()
    };
    others(shown(counter, "web", 7, 3))
}

#[test]
fn the_known_queries_count_what_each_counter_shows() {
    if !wanted("testbed", "queries of known counters") {
        return;
    }
    let promtool = Home::of_user().unwrap().debian("usr/bin/promtool");
    let folder = tempfile::tempdir().unwrap();
    for counter in Counter::ALL {
        let queries = QuerySettings::of(counter);
        let label = if queries.by == CountedBy::Pod { "pod" } else { "service" };
        // The longest first, as they are filled in.
        let names = "web-canary|web";
        let filled = |query: &str| {
            let query = query.replace("{{namespace}}", "shop").replace("{{pods}}", names);
            let query = query.replace("{{services}}", names).replace("{{ports}}", "80|http-web");
            query.replace("{{slower-than-ms}}", "500").replace("{{slower-than}}", "0.5")
        };
        let series =
            [shown(counter, "web", 0, 4), shown(counter, "web-canary", 10, 25), foreign(counter)].concat();
        let input: Vec<Value> = series
            .iter()
            .map(|(metric, labels, count)| json!({ "series": format!("{metric}{{{labels}}}"), "values": format!("{count} {count}") }))
            .collect();
        let test = |query: &str, [stable, canary]: [u64; 2]| {
            let sample =
                |name: &str, value| json!({ "labels": format!("{{{label}=\"{name}\"}}"), "value": value });
            json!({
                "expr": filled(query), "eval_time": "1m",
                "exp_samples": [sample("web", stable), sample("web-canary", canary)],
            })
        };
        let tests = [
            test(&queries.requests, [90, 100]),
            test(&queries.errors, [0, 10]),
            test(queries.slow.as_ref().unwrap(), [4, 25]),
        ];
        let all =
            json!({ "tests": [{ "interval": "1m", "input_series": input, "promql_expr_test": tests }] });
        let file = folder.path().join("tests.yaml");
        std::fs::write(&file, all.to_string()).unwrap();
        run(Command::new(&promtool).args(["test", "rules"]).arg(&file));
    }
}
