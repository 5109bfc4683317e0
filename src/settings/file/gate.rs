//! What gates ask besides the app, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Command, Ordered, Text, Time};

/// A number that must lie within bounds: one of `prometheus`, `datadog`, `cloudwatch`, `get` and `command`, with `min`, `max` or both.
/// In queries, and in the address of `get`, `{{version}}`, `{{environment}}`, `{{app}}`, `{{commit}}` and `{{rollout}}` stand for what is rolled out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ prometheus: { … }, max: 0.5 }`"
)]
pub(in crate::settings) struct Metric {
    /// A query to a Prometheus, which must give one series.
    pub(in crate::settings) prometheus: Option<PrometheusQuery>,
    /// A query to Datadog, which must give one series; its last point counts.
    pub(in crate::settings) datadog: Option<Datadog>,
    /// An expression of CloudWatch, which must give one result; its newest value counts. The credentials are those of the environment:
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and `AWS_SESSION_TOKEN` where there is one.
    pub(in crate::settings) cloudwatch: Option<CloudWatch>,
    /// An address that answers in JSON: as it is, or `$NAME`. Goes with `value`.
    pub(in crate::settings) get: Option<String>,
    /// Headers of that request. A value that is exactly `$NAME` is taken from the environment. Only with `get`.
    pub(in crate::settings) headers: Option<Ordered<Text>>,
    /// Where the number stands in that JSON, as a JSON pointer (RFC 6901). Only with `get`.
    #[schemars(regex(pattern = "^(/|$)"))]
    pub(in crate::settings) value: Option<String>,
    /// A program whose last printed line is the number; as a list or as one line with quotes.
    pub(in crate::settings) command: Option<Command>,
    /// The number is good from here on.
    pub(in crate::settings) min: Option<f64>,
    /// The number is good up to here.
    pub(in crate::settings) max: Option<f64>,
    /// So many good readings in a row pass.
    #[schemars(range(min = 1, max = 1000), extend("default" = 3))]
    pub(in crate::settings) passes: Option<u32>,
    /// So many bad readings in a row fail.
    #[schemars(range(min = 1, max = 1000), extend("default" = 3))]
    pub(in crate::settings) failures: Option<u32>,
}

/// A query to a Prometheus.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with `address` and `query`")]
pub(in crate::settings) struct PrometheusQuery {
    /// Its address, such as `http://prometheus.example:9090`, with the path before `/api/v1` where there is one.
    #[schemars(required, regex(pattern = "^https?://[^?#@]+$"))]
    pub(in crate::settings) address: Option<String>,
    /// What it is to be given as a bearer token: `$NAME`.
    #[schemars(regex(pattern = "^\\$"))]
    pub(in crate::settings) token: Option<String>,
    /// In PromQL.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) query: Option<String>,
    /// Makes it a range query, whose points are so far from each other: each point since the gate was asked is a reading. At least 1 s.
    pub(in crate::settings) step: Option<Time>,
}

/// A query to Datadog.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with `query`")]
pub(in crate::settings) struct Datadog {
    /// The site of the account, such as `datadoghq.eu`; or a whole address, where there is another way to it.
    #[schemars(length(min = 1), extend("default" = "datadoghq.com"))]
    pub(in crate::settings) site: Option<String>,
    /// The API key: `$NAME`.
    #[schemars(regex(pattern = "^\\$"), extend("default" = "$DD_API_KEY"))]
    pub(in crate::settings) api_key: Option<String>,
    /// The application key: `$NAME`.
    #[schemars(regex(pattern = "^\\$"), extend("default" = "$DD_APP_KEY"))]
    pub(in crate::settings) app_key: Option<String>,
    /// In Datadog's language, such as `sum:shop.errors{version:{{version}}}.as_rate()`.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) query: Option<String>,
    /// How far back is looked for the last point.
    #[schemars(extend("default" = "5m"))]
    pub(in crate::settings) window: Option<Time>,
}

/// An expression of CloudWatch.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with `region` and `expression`"
)]
pub(in crate::settings) struct CloudWatch {
    /// The region, such as `eu-central-1`.
    #[schemars(required, regex(pattern = "^[a-z0-9-]+$"))]
    pub(in crate::settings) region: Option<String>,
    /// Another address than the region's own, such as one of a VPC endpoint.
    #[schemars(regex(pattern = "^https?://[^?#@]+$"))]
    pub(in crate::settings) address: Option<String>,
    /// A query of Metrics Insights (`SELECT …`) or a metric math expression.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) expression: Option<String>,
    /// The length of a point: a multiple of 1 minute.
    #[schemars(extend("default" = "1m"))]
    pub(in crate::settings) period: Option<Time>,
    /// How far back is looked for the newest value.
    #[schemars(extend("default" = "15m"))]
    pub(in crate::settings) window: Option<Time>,
}
