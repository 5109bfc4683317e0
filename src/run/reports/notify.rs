//! Notifications of outcomes: who is told, with the secrets of this process's environment.

use std::time::Duration;

use super::Listener;
use crate::report::notify::{Around, Channel, Email, Kind, Notifier, PATIENCE, Secret, Security, Template};
use crate::run::place::Place;
use crate::settings::{EmailSettings, EnvValue, MailSecurity, NotifyChannel, NotifySettings};

/// A runner that was told to stop gives a step some seconds: then notifications have no more than these.
const CANCELLED: Duration = Duration::from_secs(2);

/// The notifications of one command.
pub struct Notifications(Option<Notifier>);

impl Notifications {
    /// Begins to listen for those whom the settings name. Must be called within a runtime of tokio. Who cannot be told for want of a
    /// variable is named in a warning.
    #[must_use]
    pub fn begin(place: &Place) -> Self {
        let mut channels = Vec::new();
        for settings in &place.environment.notify {
            match channel(settings, &|name| std::env::var(name).ok().filter(|value| !value.is_empty())) {
                Ok(channel) => channels.push(channel),
                Err(why) => tracing::warn!("{why}"),
            }
        }
        if channels.is_empty() {
            return Self(None);
        }
        let around = Around { url: place.url(), run: run() };
        Self(Some(Notifier::start(channels, around)))
    }

    /// What hears of the rollouts, where somebody is to be told.
    #[must_use]
    pub fn listener(&self) -> Option<Listener> {
        self.0.as_ref().map(|notifier| Listener::new(notifier.sink()))
    }

    /// Waits a bounded time until all is told. Who could not be told is named in a warning each.
    pub async fn finish(self, is_cancelled: bool) {
        let Some(notifier) = self.0 else { return };
        let patience = if is_cancelled { CANCELLED } else { PATIENCE };
        notifier.finish(patience).await.iter().for_each(|why| tracing::warn!("{why}"));
    }
}

/// The address of the workflow run, where there is one
/// (<https://docs.github.com/en/actions/reference/workflows-and-actions/variables>).
fn run() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (server, repository) = (variable("GITHUB_SERVER_URL")?, variable("GITHUB_REPOSITORY")?);
    Some(format!("{server}/{repository}/actions/runs/{}", variable("GITHUB_RUN_ID")?))
}

/// The channel, with the values of its variables.
///
/// # Errors
/// A sentence, where one is missing.
fn channel(settings: &NotifySettings, variable: &dyn Fn(&str) -> Option<String>) -> Result<Channel, String> {
    let (what, named) = match &settings.channel {
        NotifyChannel::Webhook { url, .. } => ("the webhook", format!("${url}")),
        NotifyChannel::Slack(url) => ("Slack", format!("${url}")),
        NotifyChannel::Teams(url) => ("Teams", format!("${url}")),
        NotifyChannel::Email(email) => ("the mail server", format!("{}:{}", email.server, email.port)),
    };
    let name = format!("{what} ({named})");
    let value = |variable_name: &str| {
        let missing =
            || format!("{name} is not told of outcomes: there is no {variable_name} in the environment");
        variable(variable_name).ok_or_else(missing)
    };
    let secret = |name: &str| value(name).map(Secret);
    let kind = match &settings.channel {
        NotifyChannel::Webhook { url, secret: key } => {
            Kind::Webhook { url: secret(url)?, secret: key.as_deref().map(secret).transpose()? }
        }
        NotifyChannel::Slack(url) => Kind::Slack(secret(url)?),
        NotifyChannel::Teams(url) => Kind::Teams(secret(url)?),
        NotifyChannel::Email(email) => Kind::Email(Box::new(mail(email, &value)?)),
    };
    let text = settings.text.as_deref().map(Template::new);
    Ok(Channel { name, kind, when: settings.when.clone(), text })
}

fn mail(settings: &EmailSettings, value: &impl Fn(&str) -> Result<String, String>) -> Result<Email, String> {
    let login = match &settings.login {
        None => None,
        Some((user, password)) => {
            let user = match user {
                EnvValue::Literal(user) => user.clone(),
                EnvValue::FromEnvironment(name) => value(name)?,
            };
            Some((user, Secret(value(password)?)))
        }
    };
    let security = match settings.security {
        MailSecurity::StartTls => Security::StartTls,
        MailSecurity::Tls => Security::Tls,
        MailSecurity::None => Security::None,
    };
    let EmailSettings { server, port, from, to, .. } = settings.clone();
    Ok(Email { server, port, security, login, from, to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::OutcomeKind;

    #[test]
    fn a_missing_variable_is_named_and_a_value_never() {
        let settings = NotifySettings {
            channel: NotifyChannel::Webhook { url: "HOOK".to_owned(), secret: Some("KEY".to_owned()) },
            when: vec![OutcomeKind::Stuck],
            text: None,
        };
        let some = |name: &str| (name == "HOOK").then(|| "https://secret.example/x".to_owned());
        let why = channel(&settings, &some).unwrap_err();
        assert_eq!(why, "the webhook ($HOOK) is not told of outcomes: there is no KEY in the environment");
        let all = channel(&settings, &|_| Some("https://secret.example/x".to_owned())).unwrap();
        assert!(!format!("{all:?}").contains("secret.example"), "{all:?}");
    }
}
