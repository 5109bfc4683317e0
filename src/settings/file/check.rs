//! Requests with expected answers as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Time;

/// A request with the answer that is expected. Exactly one of `get` and `head` is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a check, such as `{ get: /health }`")]
pub(in crate::settings) struct Check {
    /// Path that is asked with GET.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::settings) get: Option<String>,
    /// Path that is asked with HEAD: the answer has no body.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::settings) head: Option<String>,
    /// The answer that is expected.
    pub(in crate::settings) expect: Option<Expect>,
    /// The answer must be whole within this time.
    #[schemars(extend("default" = "5s"))]
    pub(in crate::settings) within: Option<Time>,
}

/// The answer that is expected.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with the expected answer")]
pub(in crate::settings) struct Expect {
    /// Status code.
    #[schemars(range(min = 200, max = 599), extend("default" = 200))]
    pub(in crate::settings) status: Option<u16>,
    /// JSON that the body must contain: every key given here with this value, at any depth.
    pub(in crate::settings) json: Option<serde_json::Value>,
    /// Text that the body must contain.
    #[schemars(length(min = 1))]
    pub(in crate::settings) contains: Option<String>,
}
