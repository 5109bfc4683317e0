//! The queries for who counts requests, by Prometheus' own engine, on series in the form that each is documented to have.

use std::process::Command;

use serde_json::{Value, json};
use testbed::Home;
use tidegate::settings::{CountedBy, Counter, QuerySettings};

use super::run;
use crate::tiers::wanted;

/// Series of one release: a name, labels, and what was counted.
type Series = (&'static str, String, u64);

/// What the counter shows of `name`, a pod or a Service, that has answered 90 requests well and `errors` badly, and `slow` of all slower than
/// half a second.
fn shown(counter: Counter, name: &str, errors: u64, slow: u64) -> Vec<Series> {
    let all = 90 + errors;
    let fast = all - slow;
    // A status that nothing had is not shown.
    let classes = |one: &dyn Fn(bool) -> (&'static str, String)| -> Vec<Series> {
        [(false, 90), (true, errors)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(is_error, count)| {
                let (metric, labels) = one(is_error);
                (metric, labels, count)
            })
            .collect()
    };
    let pod = format!("namespace=\"shop\",pod=\"{name}\"");
    let canary = if name.ends_with("canary") { format!("shop-{name}-80") } else { String::new() };
    let (requests, count, bucket, labels, half) = match counter {
        Counter::Application => (
            classes(&|bad| {
                ("http_requests_total", format!("{pod},code=\"{}\"", if bad { 503 } else { 200 }))
            }),
            "http_request_duration_seconds_count",
            "http_request_duration_seconds_bucket",
            pod.clone(),
            "0.5",
        ),
        Counter::Istio => (
            classes(&|bad| {
                let code = if bad { 503 } else { 200 };
                ("istio_requests_total", format!("{pod},reporter=\"destination\",response_code=\"{code}\""))
            }),
            "istio_request_duration_milliseconds_count",
            "istio_request_duration_milliseconds_bucket",
            format!("{pod},reporter=\"destination\""),
            "500",
        ),
        Counter::Linkerd => (
            classes(&|bad| {
                let class = if bad { "failure" } else { "success" };
                ("response_total", format!("{pod},direction=\"inbound\",classification=\"{class}\""))
            }),
            "response_latency_ms_count",
            "response_latency_ms_bucket",
            format!("{pod},direction=\"inbound\""),
            "500",
        ),
        Counter::Contour => {
            let cluster = format!("envoy_cluster_name=\"shop_{name}_80\"");
            (
                classes(&|bad| {
                    let class = if bad { 5 } else { 2 };
                    (
                        "envoy_cluster_upstream_rq_xx",
                        format!("{cluster},envoy_response_code_class=\"{class}\""),
                    )
                }),
                "envoy_cluster_upstream_rq_time_count",
                "envoy_cluster_upstream_rq_time_bucket",
                cluster,
                "500",
            )
        }
        Counter::IngressNginx => {
            // The second Ingress counts for the Service of the first.
            let exported = format!(
                "namespace=\"ingress-nginx\",service=\"metrics\",exported_namespace=\"shop\",exported_service=\"web\",canary=\"{canary}\""
            );
            (
                classes(&|bad| {
                    let status = if bad { 502 } else { 200 };
                    ("nginx_ingress_controller_requests", format!("{exported},status=\"{status}\""))
                }),
                "nginx_ingress_controller_request_duration_seconds_count",
                "nginx_ingress_controller_request_duration_seconds_bucket",
                format!("{exported},status=\"200\""),
                "0.5",
            )
        }
        Counter::Traefik => {
            let service = format!("service=\"shop-{name}-80@kubernetescrd\"");
            (
                classes(&|bad| {
                    let code = if bad { 500 } else { 200 };
                    ("traefik_service_requests_total", format!("{service},code=\"{code}\""))
                }),
                "traefik_service_request_duration_seconds_count",
                "traefik_service_request_duration_seconds_bucket",
                format!("{service},code=\"200\""),
                "0.5",
            )
        }
    };
    let latency = [
        (count, labels.clone(), all),
        (bucket, format!("{labels},le=\"{half}\""), fast),
        (bucket, format!("{labels},le=\"+Inf\""), all),
    ];
    requests.into_iter().chain(latency).collect()
}

/// What others count, which is not to be seen.
fn foreign(counter: Counter) -> Vec<Series> {
    let others = |series: Vec<Series>| {
        let other = |(metric, labels, count): Series| (metric, labels.replace("shop", "other"), count + 5);
        series.into_iter().map(other).collect::<Vec<_>>()
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
        let names = "web|web-canary";
        let filled = |query: &str| {
            let query = query.replace("{{namespace}}", "shop").replace("{{pods}}", names);
            let query = query.replace("{{services}}", names);
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
