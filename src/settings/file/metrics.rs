//! Who counts requests for a comparison in a cluster, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

/// Who counts the requests that a comparison goes by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::settings) enum Metrics {
    /// A Prometheus that scrapes the pods.
    Prometheus(Prometheus),
    /// The pods of the router that divides the traffic, asked through the API server: neither a Prometheus nor anything of the app is needed.
    Routers(Routers),
}

/// The pods of a router, which tell what they have led to each Service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of `routers`"
)]
pub(in crate::settings) struct Routers {
    /// Whose they are: `contour` (its Envoys), `ingress-nginx` or `traefik`.
    #[schemars(required)]
    pub(in crate::settings) counter: Option<CountingRouter>,
    /// Their namespace. By default `projectcontour`, `ingress-nginx` or `traefik`.
    pub(in crate::settings) namespace: Option<String>,
    /// Their labels, as a label selector. By default those of the usual installation: `app=envoy`,
    /// `app.kubernetes.io/name=ingress-nginx,app.kubernetes.io/component=controller`, or `app.kubernetes.io/name=traefik`.
    #[schemars(length(min = 1))]
    pub(in crate::settings) selector: Option<String>,
    /// The port at which they show their counts. By default 8002 (Contour), 10254 (ingress-nginx) or 9100 (Traefik).
    #[schemars(range(min = 1))]
    pub(in crate::settings) port: Option<u16>,
}

/// A router whose own counts are understood.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::settings) enum CountingRouter {
    /// The Envoys of Contour.
    Contour,
    /// The controllers of ingress-nginx.
    IngressNginx,
    /// Traefik.
    Traefik,
}

/// A Prometheus that scrapes the pods.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of `prometheus`"
)]
pub(in crate::settings) struct Prometheus {
    /// Its address, such as `http://prometheus.example:9090`, with the path before `/api/v1` where there is one. The machine that
    /// runs Tidegate must reach it.
    #[schemars(required, regex(pattern = "^https?://[^?#@]+$"))]
    pub(in crate::settings) address: Option<String>,
    /// What it is to be given as a bearer token: `$NAME` takes it from that environment variable. By default nothing.
    #[schemars(regex(pattern = "^\\$"))]
    pub(in crate::settings) token: Option<String>,
    /// Who counts: `application` itself (`http_requests_total` and `http_request_duration_seconds`); the proxies of `istio` or `linkerd`, for
    /// each pod; or the router, for each Service that it leads to: `contour`, `ingress-nginx` or `traefik`.
    #[schemars(extend("default" = "application"))]
    pub(in crate::settings) counter: Option<Counter>,
    /// What it is asked, in place of what is known of who counts.
    pub(in crate::settings) queries: Option<Queries>,
}

/// Who counts the requests.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::settings) enum Counter {
    /// The app itself.
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

/// Queries in PromQL that count, with a series for each pod (`sum by (pod)`), or for each Service that the router leads to (`sum by (service)`).
/// `{{pods}}` stands for an expression with the names of the pods, `{{services}}` for one with those of the Services, `{{ports}}` for one with their ports, `{{namespace}}` for
/// their namespace, `{{slower-than}}` for the bound of the comparison in seconds, `{{slower-than-ms}}` in milliseconds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the queries `requests`, `errors` and `slow`"
)]
pub(in crate::settings) struct Queries {
    /// Requests answered, well or badly.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) requests: Option<String>,
    /// Of those, answered with an error (5xx). A pod without errors must have a series, too: with 0.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) errors: Option<String>,
    /// Of those, slower than the bound, with 0 likewise. Goes with `slower-than`.
    #[schemars(length(min = 1))]
    pub(in crate::settings) slow: Option<String>,
}
