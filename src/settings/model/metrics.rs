//! Who counts requests for a comparison in a cluster.

/// Who counts requests, in place of the pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsSettings {
    /// A Prometheus.
    Prometheus(Box<PrometheusSettings>),
    /// The pods of a router.
    Routers(RoutersSettings),
}

impl MetricsSettings {
    /// The Prometheus, where it is one.
    #[must_use]
    pub fn prometheus(&self) -> Option<&PrometheusSettings> {
        match self {
            Self::Prometheus(settings) => Some(settings),
            Self::Routers(_) => None,
        }
    }

    /// The pods of a router, where it is them.
    #[must_use]
    pub const fn routers(&self) -> Option<&RoutersSettings> {
        match self {
            Self::Prometheus(_) => None,
            Self::Routers(settings) => Some(settings),
        }
    }
}

/// The pods of a router, which tell what they have led to each Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutersSettings {
    /// Whose they are.
    pub counter: CountingRouter,
    /// Their namespace.
    pub namespace: String,
    /// Their labels, as a label selector.
    pub selector: String,
    /// The port at which they show their counts.
    pub port: u16,
}

/// A router whose own counts are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountingRouter {
    /// The Envoys of Contour.
    Contour,
    /// The controllers of ingress-nginx.
    IngressNginx,
    /// Traefik.
    Traefik,
}

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

/// Queries in PromQL that count, with a series for each of what they count by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySettings {
    /// Requests answered.
    pub requests: String,
    /// Of those, answered with an error.
    pub errors: String,
    /// Of those, slower than the bound of the comparison.
    pub slow: Option<String>,
    /// What there is a series for.
    pub by: CountedBy,
}

/// What there is a series for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedBy {
    /// Each pod, by its name in the label `pod`.
    Pod,
    /// Each Service that the router leads to, by its name in the label `service`.
    Service,
}

/// Who counts what a Prometheus has scraped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// The app itself: `http_requests_total` with the status as `code` or `status`, and the histogram `http_request_duration_seconds`.
    Application,
    /// The sidecars of Istio.
    Istio,
    /// The proxies of Linkerd.
    Linkerd,
    /// The Envoys of Contour.
    Contour,
    /// The controller of ingress-nginx.
    IngressNginx,
    /// Traefik.
    Traefik,
}

impl Counter {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Application, Self::Istio, Self::Linkerd, Self::Contour, Self::IngressNginx, Self::Traefik];
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self::of(Counter::Application)
    }
}

impl QuerySettings {
    /// What is asked about the counts of that counter. A histogram must have the bound that is asked for; what has answered without an
    /// error has 0 errors, if its counter tells a status at all.
    #[must_use]
    pub fn of(counter: Counter) -> Self {
        match counter {
            Counter::Application => application(),
            // The pod of a sidecar is the one that it counts for: <https://istio.io/latest/docs/reference/config/metrics/>.
            Counter::Istio => counted(&Names {
                by: CountedBy::Pod,
                select: &|metric, more| format!("istio_{metric}{{reporter=\"destination\",{PODS}{more}}}"),
                requests: "requests_total",
                is_error: r#",response_code=~"5..""#,
                has_status: r#",response_code!="""#,
                latency: ("request_duration_milliseconds", SLOWER_MS),
            }),
            // <https://linkerd.io/2/reference/proxy-metrics/>
            Counter::Linkerd => counted(&Names {
                by: CountedBy::Pod,
                select: &|metric, more| format!("response_{metric}{{direction=\"inbound\",{PODS}{more}}}"),
                requests: "total",
                is_error: r#",classification="failure""#,
                has_status: r#",classification!="""#,
                latency: ("latency_ms", SLOWER_MS),
            }),
            // A cluster of Envoy's is called NAMESPACE_SERVICE_PORT.
            Counter::Contour => counted(&Names {
                by: CountedBy::Service,
                select: &|metric, more| {
                    let name = "envoy_cluster_name";
                    let of = format!(
                        "envoy_cluster_upstream_{metric}{{{name}=~\"{{{{namespace}}}}_({{{{services}}}})_[^_]+\"{more}}}"
                    );
                    named(&of, name, "{{namespace}}_({{services}})_[^_]+")
                },
                requests: "rq_xx",
                is_error: r#",envoy_response_code_class="5""#,
                has_status: r#",envoy_response_code_class!="""#,
                latency: ("rq_time", SLOWER_MS),
            }),
            Counter::IngressNginx => ingress_nginx(),
            Counter::Traefik => traefik(),
        }
    }
}

/// The pods of both releases, by the labels that Prometheus' own examples for Kubernetes give them.
const PODS: &str = r#"namespace="{{namespace}}",pod=~"{{pods}}""#;
/// The bucket up to the bound, of a histogram in seconds, and of one in milliseconds.
const SLOWER: &str = r#",le=~"{{slower-than}}([.]0)?""#;
const SLOWER_MS: &str = r#",le=~"{{slower-than-ms}}([.]0)?""#;

/// How somebody calls what it counts.
struct Names<'a> {
    by: CountedBy,
    /// The series of the releases, of a metric by its name, with more conditions.
    select: &'a dyn Fn(&str, &str) -> String,
    requests: &'a str,
    is_error: &'a str,
    has_status: &'a str,
    /// The histogram, and the condition for the bucket up to the bound.
    latency: (&'a str, &'a str),
}

fn counted(names: &Names<'_>) -> QuerySettings {
    let Names { by, select, requests, is_error, has_status, latency: (latency, within) } = *names;
    let label = match by {
        CountedBy::Pod => "pod",
        CountedBy::Service => "service",
    };
    let sum = |of: String| format!("sum by ({label}) ({of})");
    let histogram = |part: &str, more: &str| sum(select(&format!("{latency}_{part}"), more));
    QuerySettings {
        requests: sum(select(requests, "")),
        errors: format!("{} or 0 * {}", sum(select(requests, is_error)), sum(select(requests, has_status))),
        slow: Some(format!("{} - {}", histogram("count", ""), histogram("bucket", within))),
        by,
    }
}

/// The same series with the name of the Service as `service`, taken out of another label.
fn named(series: &str, label: &str, pattern: &str) -> String {
    format!("label_replace({series}, \"service\", \"$1\", \"{label}\", \"{pattern}\")")
}

/// What goes to the second Ingress counts for the first one's Service, with `canary` as NAMESPACE-SERVICE-PORT. A Prometheus that
/// has labels of these names itself puts `exported_` before them.
fn ingress_nginx() -> QuerySettings {
    counted(&Names {
        by: CountedBy::Service,
        select: &|metric, more| {
            let of = |labels: &str| format!("nginx_ingress_controller_{metric}{{{labels}{more}}}");
            let canary = of(r#"canary=~"{{namespace}}-({{services}})-({{ports}})""#);
            let exported =
                of(r#"canary="",exported_namespace="{{namespace}}",exported_service=~"{{services}}""#);
            let own =
                of(r#"canary="",exported_service="",namespace="{{namespace}}",service=~"{{services}}""#);
            format!(
                "({} or {} or {own})",
                named(&canary, "canary", "{{namespace}}-({{services}})-({{ports}})"),
                named(&exported, "exported_service", "(.+)")
            )
        },
        requests: "requests",
        is_error: r#",status=~"5..""#,
        has_status: r#",status!="""#,
        latency: ("request_duration_seconds", SLOWER),
    })
}

/// A Service is called NAMESPACE-SERVICE-PORT@PROVIDER; the label may be `exported_service`, as above.
fn traefik() -> QuerySettings {
    counted(&Names {
        by: CountedBy::Service,
        select: &|metric, more| {
            let fits = r#"=~"{{namespace}}-({{services}})-({{ports}})@kubernetes.*""#;
            let one = |label: &str, only: &str| {
                let of = format!("traefik_service_{metric}{{{label}{fits}{only}{more}}}");
                named(&of, label, "{{namespace}}-({{services}})-({{ports}})@.+")
            };
            format!("({} or {})", one("exported_service", ""), one("service", r#",exported_service="""#))
        },
        requests: "requests_total",
        is_error: r#",code=~"5..""#,
        has_status: r#",code!="""#,
        latency: ("request_duration_seconds", SLOWER),
    })
}

fn application() -> QuerySettings {
    let requests = |more: &str| format!("http_requests_total{{{PODS}{more}}}");
    let either = |fits: &str| {
        format!("{} or {}", requests(&format!(",code{fits}")), requests(&format!(",status{fits}")))
    };
    let (errors, all) = (either(r#"=~"5..""#), either(r#"!="""#));
    let latency = |part: &str| format!("sum by (pod) (http_request_duration_seconds_{part}}})");
    let (count, within) = (latency(&format!("count{{{PODS}")), latency(&format!("bucket{{{PODS}{SLOWER}")));
    QuerySettings {
        requests: format!("sum by (pod) ({})", requests("")),
        errors: format!("sum by (pod) ({errors}) or 0 * sum by (pod) ({all})"),
        slow: Some(format!("{count} - {within}")),
        by: CountedBy::Pod,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_queries_ask_for_the_usual_names() {
        let QuerySettings { requests, errors, slow, .. } = QuerySettings::default();
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
