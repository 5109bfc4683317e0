//! From what a router says of itself to counts of requests for each Service that it leads to. Pure.
//!
//! Names: [Envoy's statistics of clusters](https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats), which
//! Contour calls NAMESPACE_SERVICE_PORT; [ingress-nginx](https://kubernetes.github.io/ingress-nginx/user-guide/monitoring/);
//! [Traefik](https://doc.traefik.io/traefik/observe/metrics/).

use std::collections::BTreeMap;
use std::time::Duration;

use super::buckets::Buckets;
use super::line::{Labels, sample};
use super::text::{Reading, whole};
use crate::rollout::Counts;

/// A router whose own counts are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterCounts {
    /// The Envoys of Contour.
    Contour,
    /// The controllers of ingress-nginx.
    IngressNginx,
    /// Traefik.
    Traefik,
}

/// How a router calls what it counts.
struct Names {
    requests: &'static str,
    /// The label that tells the status, or its first digit.
    status: &'static str,
    buckets: &'static str,
    /// How many units of the buckets' bounds make a second.
    units: f64,
}

impl RouterCounts {
    /// What it is called in sentences.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Contour => "Contour",
            Self::IngressNginx => "ingress-nginx",
            Self::Traefik => "Traefik",
        }
    }

    /// Where it shows its counts, with as little else as it can be asked for.
    pub(super) fn path(self, namespace: &str) -> String {
        match self {
            // The filter is an expression for names as they are before labels are made of them: `^cluster.NAMESPACE_.*upstream_rq_(.xx|time)$`.
            Self::Contour => {
                format!("/stats/prometheus?filter=%5Ecluster.{namespace}_.*upstream_rq_(.xx%7Ctime)%24")
            }
            Self::IngressNginx | Self::Traefik => "/metrics".to_owned(),
        }
    }

    const fn names(self) -> Names {
        match self {
            Self::Contour => Names {
                requests: "envoy_cluster_upstream_rq_xx",
                status: "envoy_response_code_class",
                buckets: "envoy_cluster_upstream_rq_time_bucket",
                units: 1000.0,
            },
            Self::IngressNginx => Names {
                requests: "nginx_ingress_controller_requests",
                status: "status",
                buckets: "nginx_ingress_controller_request_duration_seconds_bucket",
                units: 1.0,
            },
            Self::Traefik => Names {
                requests: "traefik_service_requests_total",
                status: "code",
                buckets: "traefik_service_request_duration_seconds_bucket",
                units: 1.0,
            },
        }
    }

    /// Which of the Services a series is about.
    fn service<'s>(self, labels: &Labels<'_>, namespace: &str, services: &[Asked<'s>]) -> Option<&'s str> {
        let label = |name: &str| labels.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value);
        // Another Service, or one of another namespace, may be called so up to a dash: the rest must be a port of this very one.
        let called = |text: &str, parts: char| {
            let rest = text.strip_prefix(namespace)?.strip_prefix(parts)?;
            let port = |name: &str| rest.strip_prefix(name).and_then(|port| port.strip_prefix(parts));
            let fits =
                |one: &&Asked<'s>| port(one.name).is_some_and(|port| one.ports.iter().any(|own| own == port));
            services.iter().find(fits).map(|one| one.name)
        };
        match self {
            Self::Contour => called(label("envoy_cluster_name"), '_'),
            // What goes to the second Ingress counts for the Service of the first, with `canary` as NAMESPACE-SERVICE-PORT.
            Self::IngressNginx => match label("canary") {
                _ if label("namespace") != namespace => None,
                "" => services.iter().map(|one| one.name).find(|name| *name == label("service")),
                canary => called(canary, '-'),
            },
            Self::Traefik => {
                let (name, provider) = label("service").split_once('@')?;
                provider.starts_with("kubernetes").then(|| called(name, '-')).flatten()
            }
        }
    }
}

/// A Service that is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'s> {
    pub(super) name: &'s str,
    /// Its ports, by number and by name.
    pub(super) ports: &'s [String],
}

/// What it counts of one Service.
#[derive(Debug, Default)]
struct Sum<'a> {
    requests: f64,
    errors: f64,
    buckets: Buckets<'a>,
}

/// What a router has counted, for each of those Services that it has led requests to since it began. Requests over `slow_bound` are slow;
/// where the histogram of a Service is not there although requests were answered well, the name comes without counts. What got no answer from
/// the pods is in no histogram.
pub(super) fn read<'s>(
    text: &str,
    of: RouterCounts,
    namespace: &str,
    services: &[Asked<'s>],
    slow_bound: Option<Duration>,
) -> BTreeMap<&'s str, Option<Reading>> {
    let names = of.names();
    let mut sums: BTreeMap<&str, Sum<'_>> = BTreeMap::new();
    for line in
        text.lines().filter(|line| line.starts_with(names.requests) || line.starts_with(names.buckets))
    {
        let Some(one) = sample(line) else { continue };
        let Some(service) = of.service(&one.labels, namespace, services) else { continue };
        if !one.value.is_finite() || one.value < 0.0 {
            continue;
        }
        let sum = sums.entry(service).or_default();
        if one.name == names.buckets {
            sum.buckets.take(one.labels, one.value);
        } else if one.name == names.requests {
            let status = one.labels.iter().find(|(name, _)| *name == names.status);
            sum.requests += one.value;
            sum.errors += if status.is_some_and(|(_, text)| text.starts_with('5')) { one.value } else { 0.0 };
        }
    }
    let reading = |sum: &Sum<'_>| {
        let (requests, errors) = (whole(sum.requests), whole(sum.errors));
        let slow = match slow_bound.filter(|_| requests > 0) {
            Some(bound) => match sum.buckets.slow(bound.as_secs_f64() * names.units) {
                None if errors == requests => 0,
                slow => slow?.min(requests),
            },
            None => 0,
        };
        Some(Reading { family: names.requests, counts: Counts { requests, errors, slow } })
    };
    sums.iter().map(|(service, sum)| (*service, reading(sum))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    const BOUND: Option<Duration> = Some(Duration::from_millis(500));

    fn told(of: RouterCounts, text: &str, bound: Option<Duration>) -> Vec<(&'static str, Option<[u64; 3]>)> {
        static PORTS: LazyLock<[String; 3]> = LazyLock::new(|| ["80", "443", "http-alt"].map(str::to_owned));
        let asked = ["web", "web-2a", "web-2"].map(|name| Asked { name, ports: &*PORTS });
        let read = read(text, of, "shop", &asked, bound);
        let counts = |reading: Reading| [reading.counts.requests, reading.counts.errors, reading.counts.slow];
        read.into_iter().map(|(service, reading)| (service, reading.map(counts))).collect()
    }

    #[test]
    fn envoys_count_by_namespace_service_and_port() {
        let text = r#"# TYPE envoy_cluster_upstream_rq_xx counter
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="shop_web_80"} 90
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="shop_web_80"} 10
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="shop_web_443"} 1
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="shop_web-2a_80"} 7
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="shop_web-2_80"} 3
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="shop_other_80"} 1000
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="shop2_web_80"} 1000
envoy_cluster_upstream_rq_total{envoy_cluster_name="shop_web_80"} 1000
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop_web_80",le="500"} 95
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop_web_80",le="1000"} 99
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop_web_80",le="+Inf"} 100
"#;
        let all = told(RouterCounts::Contour, text, BOUND);
        // Of web-2a no histogram is there: it says nothing, though it has answered. Of web-2 nothing was ever answered.
        assert_eq!(all, [("web", Some([101, 10, 5])), ("web-2", Some([3, 3, 0])), ("web-2a", None)]);
        let all = told(RouterCounts::Contour, text, None);
        assert_eq!(
            all,
            [("web", Some([101, 10, 0])), ("web-2", Some([3, 3, 0])), ("web-2a", Some([7, 0, 0]))]
        );
    }

    #[test]
    fn ingress_nginx_counts_a_canary_beside_the_first_service() {
        let text = r#"nginx_ingress_controller_requests{canary="",namespace="shop",service="web",status="200"} 40
nginx_ingress_controller_requests{canary="",namespace="shop",service="web",status="503"} 2
nginx_ingress_controller_requests{canary="shop-web-2a-http-alt",namespace="shop",service="web",status="200"} 9
nginx_ingress_controller_requests{canary="shop-web-2-80",namespace="shop",service="web",status="502"} 1
nginx_ingress_controller_requests{canary="",namespace="other",service="web",status="200"} 1000
nginx_ingress_controller_requests{canary="shop-web-80",namespace="other",service="api",status="200"} 1000
nginx_ingress_controller_requests{canary="shop-web-api-80",namespace="shop",service="web-api",status="200"} 1000
nginx_ingress_controller_request_duration_seconds_bucket{canary="",namespace="shop",service="web",status="200",le="0.5"} 39
nginx_ingress_controller_request_duration_seconds_bucket{canary="",namespace="shop",service="web",status="200",le="+Inf"} 40
"#;
        let all = told(RouterCounts::IngressNginx, text, None);
        assert_eq!(all, [("web", Some([42, 2, 0])), ("web-2", Some([1, 1, 0])), ("web-2a", Some([9, 0, 0]))]);
        assert_eq!(told(RouterCounts::IngressNginx, text, BOUND)[0], ("web", Some([42, 2, 1])));
    }

    #[test]
    fn traefik_counts_by_namespace_service_port_and_provider() {
        let text = r#"traefik_service_requests_total{code="200",method="GET",protocol="http",service="shop-web-80@kubernetescrd"} 5
traefik_service_requests_total{code="500",method="GET",protocol="http",service="shop-web-2-80@kubernetescrd"} 3
traefik_service_requests_total{code="200",method="GET",protocol="http",service="shop-web-80@file"} 1000
traefik_service_requests_total{code="200",method="GET",protocol="http",service="shop-web-api-80@kubernetescrd"} 1000
traefik_service_requests_total{code="200",method="GET",protocol="http",service="shop-web-0123456789abcdef0123@kubernetescrd"} 1000
"#;
        let all = told(RouterCounts::Traefik, text, None);
        assert_eq!(all, [("web", Some([5, 0, 0])), ("web-2", Some([3, 3, 0]))]);
    }

    #[test]
    fn what_is_no_text_of_a_router_counts_nothing() {
        for text in ["", "<html>", "envoy_cluster_upstream_rq_xx{envoy_cluster_name=\"shop_web_80\"} NaN"] {
            assert_eq!(told(RouterCounts::Contour, text, BOUND), []);
        }
    }
}
