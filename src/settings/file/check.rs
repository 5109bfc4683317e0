//! What must hold before a rollout goes on, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Command, Job, Load, Metric, Objectives, Ordered, Text, Time, Webhook};
use crate::rollout::step::Unsettled;

/// A request with the answer that is expected, or a gate that is asked. Exactly one of `get`, `head`, `post`, `put`, `patch`, `delete`,
/// `run`, `job`, `webhook`, `approval`, `metric` and `load` is given.
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
    /// The answer that is expected. In its texts, and in those of the request, `{{version}}`, `{{environment}}`, `{{app}}`, `{{commit}}` and
    /// `{{rollout}}` stand for what is rolled out.
    pub(in crate::settings) expect: Option<Expect>,
    /// A program that is run on the machine that deploys, in the folder of this file; as a list or as one line with quotes. It passes
    /// with exit code 0, is asked again with 75, and fails with any other. It finds `TIDEGATE_ADDRESS`, `TIDEGATE_VERSION`,
    /// `TIDEGATE_ENVIRONMENT`, `TIDEGATE_APP`, `TIDEGATE_COMMIT`, `TIDEGATE_RELEASE` and `TIDEGATE_ROLLOUT` in its environment.
    pub(in crate::settings) run: Option<Command>,
    /// A Job in the cluster, with the image of the release, which must complete. Only with `kubernetes`.
    pub(in crate::settings) job: Option<Job>,
    /// An address that is asked with POST, and answers with `{"verdict": "pass"}`, `"fail"` or `"wait"`.
    pub(in crate::settings) webhook: Option<Webhook>,
    /// A file, relative to the folder of this file, that begins with the word `approved` or `rejected`. It is waited for. `{version}`,
    /// `{commit}` or `{rollout}` must stand in its name, so that no approval is taken for another release.
    #[schemars(regex(pattern = "\\{(version|commit|rollout)\\}"))]
    pub(in crate::settings) approval: Option<String>,
    /// A number that must lie within bounds.
    pub(in crate::settings) metric: Option<Metric>,
    /// Requests that Tidegate sends, and that must come to `objectives`.
    pub(in crate::settings) load: Option<Load>,
    /// What the requests of `load` must come to; the plain figures count. Only with `load`.
    pub(in crate::settings) objectives: Option<Objectives>,
    /// What a gate is called in reports. By default it is told what is asked.
    #[schemars(length(min = 1))]
    pub(in crate::settings) name: Option<String>,
    /// The answer to a request must be whole within this time: by default 5s. A gate is asked for this long: by default 10m.
    pub(in crate::settings) within: Option<Time>,
    /// Time between two questions to a gate; without a word, less than that where `within` is short. Not with `job` and `load`.
    #[schemars(extend("default" = "10s"))]
    pub(in crate::settings) every: Option<Time>,
    /// What happens when a gate has settled nothing in time: `hold` waits for a person, `pass` goes on (but never when it was silent),
    /// `fail` goes back.
    #[schemars(extend("default" = "hold"))]
    pub(in crate::settings) inconclusive: Option<Unsettled>,
    /// A gate is told as a warning, and stops nothing.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) advisory: Option<bool>,
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
