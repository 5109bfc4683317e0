//! Synthetic load as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Percent, Time};

/// Requests that Tidegate sends to the public address, as visitors would.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with `rate` and `requests`")]
pub(in crate::settings) struct Load {
    /// Requests a second.
    #[schemars(required, range(min = 1, max = 1000))]
    pub(in crate::settings) rate: Option<u32>,
    /// What is asked, one after the other, again and again. By default `/` with GET.
    pub(in crate::settings) requests: Option<Vec<Sent>>,
    /// How many may wait for their answers at a time: an app that answers slowly is not asked faster than it answers.
    #[schemars(range(min = 1, max = 1000), extend("default" = 20))]
    pub(in crate::settings) concurrency: Option<u32>,
    /// How many are sent at each weight, at most.
    #[schemars(range(min = 1), extend("default" = 10000))]
    pub(in crate::settings) total: Option<u64>,
}

/// One request of a load. Exactly one of `get`, `head`, `post`, `put`, `patch` and `delete` is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a request, such as `{ get: / }`")]
pub(in crate::settings) struct Sent {
    /// Path that is asked with GET.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::settings) get: Option<String>,
    /// Path that is asked with HEAD.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::settings) head: Option<String>,
    /// Path that is asked with POST.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::settings) post: Option<String>,
    /// Path that is asked with PUT.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::settings) put: Option<String>,
    /// Path that is asked with PATCH.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::settings) patch: Option<String>,
    /// Path that is asked with DELETE.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::settings) delete: Option<String>,
    /// Body of the request: a text is sent as it is, anything else as JSON.
    pub(in crate::settings) body: Option<serde_json::Value>,
    /// The status that its answer must have. By default any below 500 will do. Only where the load is a gate.
    #[schemars(range(min = 200, max = 599))]
    pub(in crate::settings) status: Option<u16>,
}

/// What the requests of a load must come to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ errors: 1%, p95: 300ms }`"
)]
pub(in crate::settings) struct Objectives {
    /// The largest share that may fail.
    #[schemars(extend("default" = "0.1%"))]
    pub(in crate::settings) errors: Option<Percent>,
    /// Half of the answers come within this time.
    #[schemars(extend("default" = "100ms"))]
    pub(in crate::settings) p50: Option<Time>,
    /// 95 of 100 answers come within this time.
    #[schemars(extend("default" = "500ms"))]
    pub(in crate::settings) p95: Option<Time>,
    /// 99 of 100 answers come within this time.
    #[schemars(extend("default" = "1s"))]
    pub(in crate::settings) p99: Option<Time>,
}
