//! Who counts requests for a comparison in a cluster.

use super::{Findings, env, label, required};
use crate::rollout::Weight;
use crate::rollout::strategy::Strategy;
use crate::settings::file::{self, Metrics, Prometheus, Queries, Routers};
use crate::settings::model::{
    CountedBy, Counter, CountingRouter, EnvValue, MetricsSettings, PrometheusSettings, QuerySettings,
    RouterKind, RoutersSettings, TrafficSettings,
};
use crate::yaml::Path;

/// What stands for the names of the pods, and for those of the Services.
const PODS: &str = "{{pods}}";
const SERVICES: &str = "{{services}}";
/// All that a query has places for.
const PLACES: [&str; 6] =
    [PODS, SERVICES, "{{ports}}", "{{namespace}}", "{{slower-than}}", "{{slower-than-ms}}"];

/// Who counts. `path` is that of `metrics`.
pub(super) fn resolve(raw: Metrics, path: &Path, findings: &mut Findings<'_>) -> Option<MetricsSettings> {
    match raw {
        Metrics::Prometheus(raw) => {
            let settings = prometheus(raw, path, findings)?;
            Some(MetricsSettings::Prometheus(Box::new(settings)))
        }
        Metrics::Routers(raw) => routers(raw, path, findings).map(MetricsSettings::Routers),
    }
}

/// The names are those of each project's own installation: <https://projectcontour.io/docs/main/guides/prometheus/>,
/// <https://kubernetes.github.io/ingress-nginx/user-guide/monitoring/>, <https://github.com/traefik/traefik-helm-chart>.
fn routers(raw: Routers, path: &Path, findings: &mut Findings<'_>) -> Option<RoutersSettings> {
    let path = path.key("routers");
    let help = "write `counter: contour`, `ingress-nginx` or `traefik`";
    let counter = required(raw.counter, &path.key("counter"), help, findings)?;
    let (counter, namespace, selector, port) = match counter {
        file::CountingRouter::Contour => (CountingRouter::Contour, "projectcontour", "app=envoy", 8002),
        file::CountingRouter::IngressNginx => (
            CountingRouter::IngressNginx,
            "ingress-nginx",
            "app.kubernetes.io/name=ingress-nginx,app.kubernetes.io/component=controller",
            10254,
        ),
        file::CountingRouter::Traefik => {
            (CountingRouter::Traefik, "traefik", "app.kubernetes.io/name=traefik", 9100)
        }
    };
    let namespace = raw.namespace.unwrap_or_else(|| namespace.to_owned());
    label(&namespace, "a namespace", findings, |findings, message, help| {
        findings.error(&path.key("namespace"), message, help)
    });
    let selector = raw.selector.unwrap_or_else(|| selector.to_owned());
    if selector.trim().is_empty() {
        let message = "`selector` fits every pod of the namespace";
        findings.error(&path.key("selector"), message, "write labels, such as `app=envoy`");
    }
    let port = raw.port.unwrap_or(port);
    if port == 0 {
        findings.error(&path.key("port"), "there is no port 0", "write the port of its metrics");
    }
    Some(RoutersSettings { counter, namespace, selector, port })
}

fn prometheus(raw: Prometheus, path: &Path, findings: &mut Findings<'_>) -> Option<PrometheusSettings> {
    let Prometheus { address, token, counter: of, queries } = raw;
    let path = path.key("prometheus");
    let help = "write `address: http://HOST:9090`";
    let given = required(address, &path.key("address"), help, findings);
    let address = given.map(|text| check_address(&text, &path.key("address"), findings));
    let token = token.and_then(|text| check_token(text, address.as_deref(), &path.key("token"), findings));
    let queries = match (queries, of) {
        (Some(raw), None) => check_queries(raw, &path.key("queries"), findings),
        (None, of) => Some(QuerySettings::of(of.map_or(Counter::Application, counter))),
        (Some(_), Some(_)) => {
            let message = "`counter` has no effect: `queries` say what is asked";
            findings.conflict_with(
                &path.key("counter"),
                &path.key("queries"),
                message,
                "take one of them out",
            );
            None
        }
    };
    Some(PrometheusSettings { address: address?, token, queries: queries? })
}

const fn counter(raw: file::Counter) -> Counter {
    match raw {
        file::Counter::Application => Counter::Application,
        file::Counter::Istio => Counter::Istio,
        file::Counter::Linkerd => Counter::Linkerd,
        file::Counter::Contour => Counter::Contour,
        file::Counter::IngressNginx => Counter::IngressNginx,
        file::Counter::Traefik => Counter::Traefik,
    }
}

/// Who counts by Service counts what a router leads to it: the right one, and with a Service for each release. `path` is the target's.
fn check_router(
    metrics: &MetricsSettings,
    traffic: &TrafficSettings,
    strategy: &Strategy,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    let (at, known) = match metrics {
        MetricsSettings::Prometheus(prometheus) if prometheus.queries.by == CountedBy::Pod => return,
        MetricsSettings::Prometheus(prometheus) => {
            let of = |counter| (prometheus.queries == QuerySettings::of(counter)).then_some(());
            let known = of(Counter::Contour).map(|()| CountingRouter::Contour);
            let known = known.or_else(|| of(Counter::IngressNginx).map(|()| CountingRouter::IngressNginx));
            let known = known.or_else(|| of(Counter::Traefik).map(|()| CountingRouter::Traefik));
            (path.key("metrics").key("prometheus"), known)
        }
        MetricsSettings::Routers(routers) => (path.key("metrics").key("routers"), Some(routers.counter)),
    };
    let is_after_the_switch = match strategy {
        Strategy::BlueGreen(_) => true,
        Strategy::Canary(canary) => canary.stages.iter().any(|stage| stage.weight == Weight::FULL),
        Strategy::Rolling(_) | Strategy::Recreate(_) => false,
    };
    if is_after_the_switch && strategy.comparison().is_some() {
        let message = "requests are counted by Service, and once all of them go to the new release both have answered through the same one";
        let help = "compare by a `canary` with weights under 100, or have the pods count (`counter: application`, or no `metrics`)";
        findings.conflict_with(&at, &path.parent().parent().key("strategy"), message, help);
    }
    let wanted = known.map(|router| match router {
        CountingRouter::Contour => (RouterKind::GatewayApi, "gateway-api"),
        CountingRouter::IngressNginx => (RouterKind::IngressNginx, "ingress-nginx"),
        CountingRouter::Traefik => (RouterKind::Traefik, "traefik"),
    });
    let (fits, name) = match (traffic, wanted) {
        (TrafficSettings::Service { .. }, _) => (false, wanted.map_or("a router", |(_, name)| name)),
        (TrafficSettings::Router { router, .. }, Some((kind, name))) => (*router == kind, name),
        (TrafficSettings::Router { .. }, None) => (true, ""),
    };
    if !fits {
        let message = format!("requests are counted by Service, and `traffic` is not divided by {name}");
        let help = "have the pods count (`counter: application`, or no `metrics`), or divide `traffic` by the router that counts";
        findings.conflict_with(&at, &path.key("traffic"), &message, help);
    }
}

/// What has no effect with the comparison, or lacks what it needs. `path` is the environment's.
pub(super) fn check_use(
    metrics: Option<&MetricsSettings>,
    traffic: &TrafficSettings,
    used: &Strategy,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    let Some(settings) = metrics else { return };
    let target = path.key("target").key("kubernetes");
    check_router(settings, traffic, used, &target, findings);
    let (metrics, strategy) = (target.key("metrics"), path.key("strategy"));
    let Some(comparison) = used.comparison() else {
        let message = "`metrics` has no effect: nothing is compared";
        let help = "take it out, or use `canary` or `blue-green` with `compare`";
        findings.conflict_with(&metrics, &strategy, message, help);
        return;
    };
    let Some(prometheus) = settings.prometheus() else { return };
    let queries = metrics.key("prometheus").key("queries");
    match (comparison.slower_than, &prometheus.queries.slow) {
        (Some(_), None) => {
            let message = "the comparison has `slower-than`, and no query tells which requests are slow";
            findings.conflict_with(&queries, &strategy, message, "add `slow` to the queries");
        }
        // The usual queries have one for whoever wants it.
        (None, Some(_)) if !Counter::ALL.iter().any(|of| prometheus.queries == QuerySettings::of(*of)) => {
            let message = "`slow` has no effect: nothing says which requests are slow";
            let help = "take it out, or add `slower-than` to `compare`";
            findings.conflict_with(&queries.key("slow"), &strategy, message, help);
        }
        _ => {}
    }
}

/// Scheme, host, port and path, without a final slash.
pub(super) fn check_address(text: &str, path: &Path, findings: &mut Findings<'_>) -> String {
    let plain = text.trim_end_matches('/');
    let rest = plain.strip_prefix("http://").or_else(|| plain.strip_prefix("https://"));
    let authority = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    let fits = authority.is_some_and(|authority| {
        let read = authority.parse::<::http::uri::Authority>();
        read.is_ok_and(|one| {
            let port = authority.strip_prefix(one.host()).unwrap_or_default();
            !one.host().is_empty() && (port.is_empty() || one.port_u16().is_some_and(|port| port != 0))
        })
    });
    if plain.contains('@') {
        // What stands before the sign may be a password.
        let message = "the address of a Prometheus has no user and no password in it";
        findings.error_of_secret(path, message, "take them out; a token is given by `token: $NAME`");
    } else if plain.contains(['?', '#']) || !fits {
        let message = format!("`{text}` is not the address of a Prometheus");
        findings.error(path, message, "write it as `http://prometheus.example:9090`, without a query");
    }
    plain.to_owned()
}

/// The name of the variable with the token.
pub(super) fn check_token(
    text: String,
    address: Option<&str>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let EnvValue::FromEnvironment(name) = env::value(text) else {
        let message = "a token is a secret, and does not stand in this file";
        let help = "write `token: $NAME` and give the value to the environment of `tidegate deploy`";
        findings.error_of_secret(path, message, help);
        return None;
    };
    if address.is_some_and(|address| address.starts_with("http://") && !is_loopback(address)) {
        let message = "the token goes over the network as plain text, for the address begins with `http://`";
        findings.warn(path, message, "use an address with `https://`");
    }
    Some(name)
}

fn is_loopback(address: &str) -> bool {
    let host = address.trim_start_matches("http://");
    ["localhost", "127.", "[::1]"].iter().any(|own| host.starts_with(own))
}

fn check_queries(raw: Queries, path: &Path, findings: &mut Findings<'_>) -> Option<QuerySettings> {
    let mut read = |raw: Option<String>, key: &str| {
        let query = raw?;
        check_query(&query, key, &path.key(key), findings);
        Some(query)
    };
    let (requests, errors) = (read(raw.requests, "requests"), read(raw.errors, "errors"));
    let slow = read(raw.slow, "slow");
    let help = "write a query that counts the requests of each pod";
    let requests = required(requests, &path.key("requests"), help, findings);
    let help = "write a query that counts the errors of each pod, with 0 for a pod that has none";
    let errors = required(errors, &path.key("errors"), help, findings);
    let (requests, errors) = (requests?, errors?);
    let all = || [Some(&requests), Some(&errors), slow.as_ref()].into_iter().flatten();
    let by = if all().all(|query| query.contains(SERVICES)) { CountedBy::Service } else { CountedBy::Pod };
    if by == CountedBy::Pod && all().any(|query| query.contains(SERVICES)) {
        let message = "some of the queries count by pod, and some by Service";
        findings.error(path, message, "use `{{pods}}` in all of them, or `{{services}}` in all");
    }
    Some(QuerySettings { requests, errors, slow, by })
}

/// A query must be about the pods of the releases. Whether it is PromQL, the Prometheus says.
fn check_query(query: &str, key: &str, path: &Path, findings: &mut Findings<'_>) {
    let rest = PLACES.iter().fold(query.to_owned(), |rest, place| rest.replace(place, ""));
    if rest.contains("{{") || rest.contains("}}") {
        let message = format!("the query `{key}` has a place that nothing fills");
        let help = "there are `{{pods}}`, `{{services}}`, `{{ports}}`, `{{namespace}}`, `{{slower-than}}` and `{{slower-than-ms}}`";
        findings.error(path, message, help);
    } else if query.contains(PODS) == query.contains(SERVICES) {
        let message = format!("the query `{key}` does not say of which pods, or of which Services");
        let help = "put `pod=~\"{{pods}}\"` among its labels, or for a router `service=~\"{{services}}\"`";
        findings.error(path, message, help);
    }
}
