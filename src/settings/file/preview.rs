//! What only the environment `preview` has, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::on::Patterns;
use super::{Command, Ordered, Text};

/// Which pull requests have a preview.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ branches: main, labels: [preview] }`"
)]
pub(in crate::settings) struct Pulls {
    /// Only those into branches whose names fit one of these patterns.
    pub(in crate::settings) branches: Option<Patterns>,
    /// Only those with one of these labels.
    pub(in crate::settings) labels: Option<Vec<String>>,
    /// Only those that change a file whose path fits one of these patterns.
    pub(in crate::settings) paths: Option<Patterns>,
    /// Drafts, too.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) drafts: Option<bool>,
}

/// What happens to one more preview when there are as many as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::settings) enum AtLimit {
    /// It is refused.
    Refuse,
    /// The one that was asked for the longest time ago gives way. Those that a label keeps do not.
    EvictOldest,
}

/// What a preview in a cluster may use, and whom it may reach.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with `quota`, `defaults`, `from` and `to`"
)]
pub(in crate::settings) struct Isolation {
    /// What all of a preview may use together, as a ResourceQuota names it: `{ requests.cpu: "2", limits.memory: 4Gi, pods: "20" }`.
    pub(in crate::settings) quota: Option<Ordered<Text>>,
    /// What a container may use that says nothing of it: `{ cpu: 500m, memory: 512Mi }`.
    pub(in crate::settings) defaults: Option<Ordered<Text>>,
    /// Namespaces whose pods may reach it besides its own, such as that of the gateway. By default all that hold no preview.
    pub(in crate::settings) from: Option<Vec<String>>,
    /// Networks that it may reach besides its own namespace, name servers and the public internet, in CIDR notation.
    pub(in crate::settings) to: Option<Vec<String>>,
    /// Whether its network is closed at all, by a NetworkPolicy.
    #[schemars(extend("default" = true))]
    pub(in crate::settings) network: Option<bool>,
}

/// A database of its own for each preview, made and dropped with it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ server: $PREVIEW_SERVER, seed: db/seed.sql }`"
)]
pub(in crate::settings) struct Database {
    /// The environment variable with the URL of the server, as `$NAME`: `postgres://…` or `mysql://…`, of a user who may make databases and
    /// users.
    #[schemars(required, regex(pattern = "^\\$"))]
    pub(in crate::settings) server: Option<String>,
    /// The name for the URL of the preview's own database: what `$NAME` stands for in this environment, such as in `migrate` and `env`, and the key
    /// of the Secret.
    #[schemars(extend("default" = "DATABASE_URL"))]
    pub(in crate::settings) variable: Option<String>,
    /// The Secret of the preview's namespace that gets the URL, for the manifests to take it from. Only with `kubernetes`.
    #[schemars(extend("default" = "database"))]
    pub(in crate::settings) secret: Option<String>,
    /// A file with SQL statements that fill a new database, before any migration.
    pub(in crate::settings) seed: Option<String>,
    /// A program that fills a new database, after `seed` where both are there; as a list or as one line with quotes. It has the URL in its environment,
    /// and ends with 0 if all is well.
    pub(in crate::settings) seed_command: Option<Command>,
}

/// What lets a visitor in: one of both is enough.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ password: $PREVIEW_PASSWORD }` or `{ token: $PREVIEW_TOKEN }`"
)]
pub(in crate::settings) struct Access {
    /// The name that goes with the password.
    #[schemars(length(min = 1), extend("default" = "preview"))]
    pub(in crate::settings) user: Option<String>,
    /// The environment variable with the password that a browser asks for, as `$NAME`.
    #[schemars(regex(pattern = "^\\$"))]
    pub(in crate::settings) password: Option<String>,
    /// The environment variable with the token of a link, as `$NAME`: whoever comes with `?tidegate-token=…` once is let in from then on.
    #[schemars(regex(pattern = "^\\$"))]
    pub(in crate::settings) token: Option<String>,
}

/// Ports of this machine, the first and the last one: `20000-20999`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::settings) struct Ports(
    #[schemars(regex(pattern = "^[0-9]{1,5}-[0-9]{1,5}$"))] pub(in crate::settings) String,
);
