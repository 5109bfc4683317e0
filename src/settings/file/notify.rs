//! Who is told of outcomes, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

/// Somebody who is told how a rollout ended: one of `webhook`, `slack`, `teams` and `email`. One that cannot be told is a warning, and
/// changes nothing about the rollout.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with one of `webhook`, `slack`, `teams` and `email`"
)]
pub(in crate::settings) struct Notification {
    /// An address that gets the outcome as JSON, signed by the rules of Standard Webhooks.
    pub(in crate::settings) webhook: Option<Webhook>,
    /// The address of an incoming webhook of Slack: `$NAME`, for it is a secret.
    #[schemars(regex(pattern = "^\\$"))]
    pub(in crate::settings) slack: Option<String>,
    /// The address of a webhook of Microsoft Teams: `$NAME`, for it is a secret.
    #[schemars(regex(pattern = "^\\$"))]
    pub(in crate::settings) teams: Option<String>,
    /// An e-mail.
    pub(in crate::settings) email: Option<Email>,
    /// Of which outcomes; without it, of all.
    #[schemars(length(min = 1))]
    pub(in crate::settings) when: Option<Vec<OutcomeName>>,
    /// The text, with fields such as `{version}`; without it, the sentence of the outcome.
    #[schemars(length(min = 1), extend("default" = "{sentence}"))]
    pub(in crate::settings) text: Option<String>,
}

/// An address that gets JSON with POST.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with `url` and `secret`")]
pub(in crate::settings) struct Webhook {
    /// The address: `$NAME`, for it is a secret.
    #[schemars(required, regex(pattern = "^\\$"))]
    pub(in crate::settings) url: Option<String>,
    /// What both sides know: `$NAME`. With it each message is signed, by HMAC-SHA256, together with the time of sending.
    #[schemars(regex(pattern = "^\\$"))]
    pub(in crate::settings) secret: Option<String>,
}

/// An e-mail, by SMTP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with `server`, `from` and `to`"
)]
pub(in crate::settings) struct Email {
    /// The name of the server that takes the letter.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) server: Option<String>,
    /// Its port. Without it, what is usual: 587 with `starttls`, 465 with `tls`, 25 with `none`.
    #[schemars(range(min = 1))]
    pub(in crate::settings) port: Option<u16>,
    /// How the way to the server is kept secret.
    #[schemars(extend("default" = "starttls"))]
    pub(in crate::settings) security: Option<Security>,
    /// The user, where the server wants one: as it is, or `$NAME`.
    #[schemars(length(min = 1))]
    pub(in crate::settings) user: Option<String>,
    /// The password: `$NAME`.
    #[schemars(regex(pattern = "^\\$"))]
    pub(in crate::settings) password: Option<String>,
    /// The sender: `deploy@example.com`, or `Deploys <deploy@example.com>`.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) from: Option<String>,
    /// The receivers, written likewise.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) to: Option<Vec<String>>,
}

/// How the way to a mail server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::settings) enum Security {
    /// TLS from within the conversation; a server that does not offer it gets nothing.
    StartTls,
    /// TLS from the start.
    Tls,
    /// None.
    None,
}

/// An outcome of which somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(in crate::settings) enum OutcomeName {
    /// The release is live.
    Promoted,
    /// It was taken back.
    RolledBack,
    /// It failed, and nothing is changed.
    Failed,
    /// A person is needed.
    Stuck,
    /// It waits for a person.
    Paused,
}
