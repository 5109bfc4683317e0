//! How much each rule for manifests weighs, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

/// How much each rule for manifests weighs: `off` tells nothing, `warn` tells what it finds, and with `refuse` nothing that it
/// finds is deployed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping from rules to `off`, `warn` or `refuse`"
)]
pub(in crate::settings) struct Policy {
    /// An image has a digest, or a tag other than `latest`.
    #[schemars(extend("default" = "warn"))]
    pub(in crate::settings) image_tag: Option<Level>,
    /// A container cannot run as root.
    #[schemars(extend("default" = "warn"))]
    pub(in crate::settings) root_user: Option<Level>,
    /// A container cannot write to its root file system.
    #[schemars(extend("default" = "warn"))]
    pub(in crate::settings) writable_root: Option<Level>,
    /// A container drops all capabilities.
    #[schemars(extend("default" = "warn"))]
    pub(in crate::settings) capabilities: Option<Level>,
    /// A container has a limit of memory.
    #[schemars(extend("default" = "warn"))]
    pub(in crate::settings) no_limits: Option<Level>,
    /// A container requests CPU and memory.
    #[schemars(extend("default" = "warn"))]
    pub(in crate::settings) no_requests: Option<Level>,
    /// A container that goes on running has a readiness probe.
    #[schemars(extend("default" = "warn"))]
    pub(in crate::settings) no_readiness_probe: Option<Level>,
    /// Pods that get traffic have a time to end in.
    #[schemars(extend("default" = "warn"))]
    pub(in crate::settings) no_grace: Option<Level>,
    /// Of several pods not all may be evicted at once.
    #[schemars(extend("default" = "warn"))]
    pub(in crate::settings) no_disruption_budget: Option<Level>,
    /// A NetworkPolicy says who may reach the pods.
    #[schemars(extend("default" = "warn"))]
    pub(in crate::settings) no_network_policy: Option<Level>,
}

/// What follows from what a rule finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(in crate::settings) enum Level {
    /// Nothing.
    Off,
    /// It is told.
    Warn,
    /// Nothing is deployed.
    Refuse,
}

impl Policy {
    /// The rules by name, as far as they are given.
    pub(in crate::settings) fn given(&self) -> impl Iterator<Item = (&'static str, Level)> {
        let all = [
            ("image-tag", self.image_tag),
            ("root-user", self.root_user),
            ("writable-root", self.writable_root),
            ("capabilities", self.capabilities),
            ("no-limits", self.no_limits),
            ("no-requests", self.no_requests),
            ("no-readiness-probe", self.no_readiness_probe),
            ("no-grace", self.no_grace),
            ("no-disruption-budget", self.no_disruption_budget),
            ("no-network-policy", self.no_network_policy),
        ];
        all.into_iter().filter_map(|(name, level)| Some((name, level?)))
    }
}
