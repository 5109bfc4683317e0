//! Synthetic load as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

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
}
