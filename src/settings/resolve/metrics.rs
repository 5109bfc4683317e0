//! Who counts requests for a comparison in a cluster.

use super::{Findings, env, required};
use crate::rollout::step::Comparison;
use crate::settings::file::{Metrics, Prometheus, Queries};
use crate::settings::model::{EnvValue, PrometheusSettings, QuerySettings};
use crate::yaml::Path;

/// What stands for the names of the pods.
const PODS: &str = "{{pods}}";
/// All that a query has places for.
const PLACES: [&str; 3] = [PODS, "{{namespace}}", "{{slower-than}}"];

/// The Prometheus. `path` is that of `metrics`.
pub(super) fn resolve(raw: Metrics, path: &Path, findings: &mut Findings<'_>) -> Option<PrometheusSettings> {
    let Metrics::Prometheus(Prometheus { address, token, queries }) = raw;
    let path = path.key("prometheus");
    let help = "write `address: http://HOST:9090`";
    let given = required(address, &path.key("address"), help, findings);
    let address = given.map(|text| check_address(&text, &path.key("address"), findings));
    let token = token.and_then(|text| check_token(text, address.as_deref(), &path.key("token"), findings));
    let queries = match queries {
        Some(raw) => check_queries(raw, &path.key("queries"), findings),
        None => Some(QuerySettings::default()),
    };
    Some(PrometheusSettings { address: address?, token, queries: queries? })
}

/// What has no effect with the comparison, or lacks what it needs. `path` is the environment's.
pub(super) fn check_use(
    prometheus: Option<&PrometheusSettings>,
    comparison: Option<&Comparison>,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    let Some(prometheus) = prometheus else { return };
    let (metrics, strategy) = (path.key("target").key("kubernetes").key("metrics"), path.key("strategy"));
    let Some(comparison) = comparison else {
        let message = "`metrics` has no effect: nothing is compared";
        let help = "take it out, or use `canary` or `blue-green` with `compare`";
        findings.conflict_with(&metrics, &strategy, message, help);
        return;
    };
    let queries = metrics.key("prometheus").key("queries");
    match (comparison.slower_than, &prometheus.queries.slow) {
        (Some(_), None) => {
            let message = "the comparison has `slower-than`, and no query tells which requests are slow";
            findings.conflict_with(&queries, &strategy, message, "add `slow` to the queries");
        }
        // The usual queries have one for whoever wants it.
        (None, Some(_)) if prometheus.queries != QuerySettings::default() => {
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
    Some(QuerySettings { requests: requests?, errors: errors?, slow })
}

/// A query must be about the pods of the releases. Whether it is PromQL, the Prometheus says.
fn check_query(query: &str, key: &str, path: &Path, findings: &mut Findings<'_>) {
    let rest = PLACES.iter().fold(query.to_owned(), |rest, place| rest.replace(place, ""));
    if rest.contains("{{") || rest.contains("}}") {
        let message = format!("the query `{key}` has a place that nothing fills");
        findings.error(path, message, "there are `{{pods}}`, `{{namespace}}` and `{{slower-than}}`");
    } else if !query.contains(PODS) {
        let message = format!("the query `{key}` does not say of which pods");
        findings.error(path, message, "put `pod=~\"{{pods}}\"` among its labels");
    }
}
