//! Who is told of outcomes.

use super::EnvValue;
use crate::rollout::OutcomeKind;

/// The fields that a text may have, in `{…}`.
pub const NOTIFY_FIELDS: [&str; 14] = [
    "app",
    "environment",
    "version",
    "previous-version",
    "outcome",
    "reason",
    "sentence",
    "strategy",
    "rollout",
    "by",
    "url",
    "run",
    "seconds",
    "log",
];

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifySettings {
    /// By which way.
    pub channel: NotifyChannel,
    /// Of which outcomes; at least one.
    pub when: Vec<OutcomeKind>,
    /// The text, with fields of [`NOTIFY_FIELDS`]; `None` is the sentence of the outcome.
    pub text: Option<String>,
}

/// A way to tell somebody. Secrets are named by the variable of the environment that holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyChannel {
    /// JSON by POST.
    Webhook {
        /// The variable with the address.
        url: String,
        /// The variable with the secret of the signature.
        secret: Option<String>,
    },
    /// An incoming webhook of Slack, by the variable with its address.
    Slack(String),
    /// A webhook of Microsoft Teams, by the variable with its address.
    Teams(String),
    /// An e-mail.
    Email(EmailSettings),
}

/// An e-mail, by SMTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailSettings {
    /// The server's name.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// The way to it.
    pub security: MailSecurity,
    /// The user and the variable with the password.
    pub login: Option<(EnvValue, String)>,
    /// The sender.
    pub from: String,
    /// The receivers; at least one.
    pub to: Vec<String>,
}

/// How the way to a mail server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from within the conversation (RFC 3207), or nothing is sent.
    StartTls,
    /// TLS from the start (RFC 8314).
    Tls,
    /// None.
    None,
}

impl NotifySettings {
    /// The variables of the environment that hold its secrets.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let names: Vec<&str> = match &self.channel {
            NotifyChannel::Webhook { url, secret } => {
                std::iter::once(url.as_str()).chain(secret.as_deref()).collect()
            }
            NotifyChannel::Slack(url) | NotifyChannel::Teams(url) => vec![url],
            NotifyChannel::Email(email) => {
                email.login.iter().map(|(_, password)| password.as_str()).collect()
            }
        };
        names.into_iter()
    }
}
