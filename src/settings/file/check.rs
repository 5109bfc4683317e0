//! Requests with expected answers as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Ordered, Text, Time};

/// A request with the answer that is expected. Exactly one of `get`, `head`, `post`, `put`, `patch` and `delete` is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a check, such as `{ get: /health }`")]
pub(in crate::settings) struct Check {
    /// Path that is asked with GET.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::settings) get: Option<String>,
    /// Path that is asked with HEAD: the answer has no body.
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
    /// Headers of the request. A value that is exactly `$NAME` is taken from the environment of the process that sends it.
    pub(in crate::settings) headers: Option<Ordered<Text>>,
    /// The answer that is expected.
    pub(in crate::settings) expect: Option<Expect>,
    /// The answer must be whole within this time.
    #[schemars(extend("default" = "5s"))]
    pub(in crate::settings) within: Option<Time>,
}

/// The answer that is expected.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with the expected answer")]
pub(in crate::settings) struct Expect {
    /// Status code.
    #[schemars(range(min = 200, max = 599), extend("default" = 200))]
    pub(in crate::settings) status: Option<u16>,
    /// Headers that the answer must have. `*` in a value stands for any text. A redirect is not followed: expect its status, and its `location`.
    pub(in crate::settings) headers: Option<Ordered<Text>>,
    /// The certificate of the address must be valid for at least this time to come. Only with an address that begins with `https`.
    pub(in crate::settings) certificate: Option<Time>,
    /// JSON that the body must contain: every key given here with this value, at any depth.
    pub(in crate::settings) json: Option<serde_json::Value>,
    /// Text that the body must contain.
    #[schemars(length(min = 1))]
    pub(in crate::settings) contains: Option<String>,
}
