//! Who counts requests for a comparison in a cluster.

/// A Prometheus that scrapes the pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusSettings {
    /// Its address: scheme, host, port and path, without a final slash.
    pub address: String,
    /// The variable whose value it is to be given; `None` gives it nothing.
    pub token: Option<String>,
    /// What it is asked.
    pub queries: QuerySettings,
}

/// Queries in PromQL that count since each pod began, with a series for each pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySettings {
    /// Requests answered.
    pub requests: String,
    /// Of those, answered with an error.
    pub errors: String,
    /// Of those, slower than the bound of the comparison.
    pub slow: Option<String>,
}

/// The pods of both releases, by the labels that Prometheus' own examples for Kubernetes give them.
const PODS: &str = r#"namespace="{{namespace}}",pod=~"{{pods}}""#;

impl Default for QuerySettings {
    /// For `http_requests_total` with the status as `code` or `status`, and the histogram `http_request_duration_seconds`, which must
    /// have the bound that is asked for. Pods that have counted no error have 0, if their counter has a status at all.
    fn default() -> Self {
        let requests = |more: &str| format!("http_requests_total{{{PODS}{more}}}");
        let either = |fits: &str| {
            format!("{} or {}", requests(&format!(",code{fits}")), requests(&format!(",status{fits}")))
        };
        let (errors, all) = (either(r#"=~"5..""#), either(r#"!="""#));
        let latency = |part: &str| format!("sum by (pod) (http_request_duration_seconds_{part}}})");
        let (count, within) = (
            latency(&format!("count{{{PODS}")),
            latency(&format!(r#"bucket{{{PODS},le=~"{{{{slower-than}}}}([.]0)?""#)),
        );
        Self {
            requests: format!("sum by (pod) ({})", requests("")),
            errors: format!("sum by (pod) ({errors}) or 0 * sum by (pod) ({all})"),
            slow: Some(format!("{count} - {within}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_queries_ask_for_the_usual_names() {
        let QuerySettings { requests, errors, slow } = QuerySettings::default();
        let of = r#"namespace="{{namespace}}",pod=~"{{pods}}""#;
        assert_eq!(requests, format!("sum by (pod) (http_requests_total{{{of}}})"));
        assert_eq!(
            errors,
            format!(
                "sum by (pod) (http_requests_total{{{of},code=~\"5..\"}} or http_requests_total{{{of},status=~\"5..\"}}) \
                 or 0 * sum by (pod) (http_requests_total{{{of},code!=\"\"}} or http_requests_total{{{of},status!=\"\"}})"
            )
        );
        assert_eq!(
            slow.unwrap(),
            format!(
                "sum by (pod) (http_request_duration_seconds_count{{{of}}}) - sum by (pod) \
                 (http_request_duration_seconds_bucket{{{of},le=~\"{{{{slower-than}}}}([.]0)?\"}})"
            )
        );
    }
}
