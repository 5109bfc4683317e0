//! What a step masks before it prints anything: every secret that the settings name, of whatever part.

use std::collections::BTreeSet;

use crate::rollout::Condition;
use crate::rollout::step::Text;
use crate::run::preview::database::Own;
use crate::settings::{
    AccessSettings, EnvValue, EnvironmentSettings, ImageSource, MetricsSettings, MigrationRunner,
    NotifySettings, SecretSource, Settings, TargetSettings,
};

/// The values that the settings take from the environment as secrets.
pub(super) fn secrets_of(settings: &Settings) -> BTreeSet<String> {
    let names = variables(settings);
    let values: BTreeSet<String> = names.into_iter().filter_map(|name| std::env::var(name).ok()).collect();
    let passwords: Vec<String> = values.iter().filter_map(|value| password_in(value)).collect();
    values.into_iter().chain(passwords).collect()
}

/// What of a preview's own database nobody is to read.
pub(super) fn secrets_in(own: &Own) -> BTreeSet<String> {
    own.url.iter().flat_map(|url| [Some(url.clone()), password_in(url)]).flatten().collect()
}

/// The variables that the settings name as secrets, whatever for.
fn variables(settings: &Settings) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let previews = settings.preview.as_ref();
    names.extend(previews.and_then(|preview| preview.random.as_deref()));
    let database = previews.and_then(|preview| preview.sample.preview.as_ref()?.database.as_ref());
    names.extend(database.map(|database| database.server.as_str()));
    let front = previews.and_then(|preview| preview.sample.preview.as_ref()?.front.access.as_ref());
    names.extend(front.into_iter().flat_map(AccessSettings::variables));
    let all = || settings.environments.iter().chain(previews.map(|preview| preview.sample.as_ref()));
    for environment in all() {
        match &environment.target {
            TargetSettings::Local(local) => {
                names.extend(local.env.values().filter_map(|value| match value {
                    EnvValue::FromEnvironment(name) => Some(name.as_str()),
                    EnvValue::Literal(_) => None,
                }))
            }
            TargetSettings::Kubernetes(cluster) => {
                let source = cluster.metrics.as_ref().and_then(MetricsSettings::prometheus);
                names.extend(source.and_then(|source| source.token.as_deref()));
            }
        }
    }
    names.extend(all().flat_map(asked));
    let databases = all().filter_map(|environment| environment.migrate.as_ref());
    names.extend(databases.filter_map(|migrate| match &migrate.runner {
        MigrationRunner::Sql { database, .. } => Some(database.as_str()),
        MigrationRunner::Command { .. } | MigrationRunner::Job { .. } => None,
    }));
    let told = all().flat_map(|environment| &environment.notify);
    names.extend(told.flat_map(NotifySettings::variables));
    for image in settings.images() {
        let ImageSource::Build(build) = &image.source else { continue };
        names.extend(build.secrets.iter().filter_map(|(_, source)| match source {
            SecretSource::Variable(name) => Some(name.as_str()),
            SecretSource::File(_) => None,
        }));
    }
    names
}

/// The variables whose values are sent by checks and gates.
fn asked(environment: &EnvironmentSettings) -> impl Iterator<Item = &str> {
    environment.conditions().flat_map(|condition| -> Vec<&str> {
        match condition {
            Condition::Check(check) => check
                .send
                .values()
                .filter_map(|value| match value {
                    Text::Variable(name) => Some(name.as_str()),
                    Text::Literal(_) => None,
                })
                .collect(),
            Condition::Gate(gate) => gate.variables().collect(),
        }
    })
}

/// The password of a URL that has one: programs may tell it without the rest.
fn password_in(value: &str) -> Option<String> {
    let url = reqwest::Url::parse(value).ok()?;
    let password = percent_encoding::percent_decode_str(url.password()?).decode_utf8_lossy().into_owned();
    (!password.is_empty()).then_some(password)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn no_part_of_the_settings_is_forgotten() {
        let text = "app: shop
image: { repository: registry.example/shop, build: { secrets: { npm: $NPM } } }
images: { api: { repository: registry.example/api, build: { secrets: { go: $GO_PROXY } } } }
notify: [{ slack: $SLACK }]
environments:
  dev:
    target: { local: { command: ./a, listen: '127.0.0.1:1', env: { A: $INSTANCE, B: plain } } }
    strategy: { canary: { before: [{ get: /, headers: { authorization: $BEFORE } }] } }
    verify:
      - { get: /, headers: { authorization: $VERIFY, accept: text/html } }
      - { webhook: { url: $GATE, secret: $GATE_SECRET } }
      - { metric: { get: $NUMBER, headers: { x: $HEADER }, value: /n, max: 1 } }
      - { metric: { datadog: { site: datadoghq.eu, api-key: $DD, app-key: $DD_APP, query: 'avg:x{*}' }, max: 1 } }
    migrate: { sql: migrations, database: $DATABASE }
  preview:
    target: { local: { command: ./a, listen: '127.0.0.1:{port}' } }
    random: $RANDOM_KEY
    access: { password: $PASSWORD, token: $TOKEN }
    database: { server: $SERVER }
  live:
    target: { kubernetes: { manifests: deploy, metrics: { prometheus: { address: 'http://p:9090', token: $METRICS } } } }
    strategy: { canary: { compare: { errors: 1% } } }
";
        let settings = crate::settings::parse(Path::new("tidegate.yaml"), text)
            .unwrap_or_else(|error| panic!("{error}"));
        let expected = [
            "BEFORE",
            "DATABASE",
            "DD",
            "DD_APP",
            "GATE",
            "GATE_SECRET",
            "GO_PROXY",
            "HEADER",
            "INSTANCE",
            "METRICS",
            "NPM",
            "NUMBER",
            "PASSWORD",
            "RANDOM_KEY",
            "SERVER",
            "SLACK",
            "TOKEN",
            "VERIFY",
        ];
        assert_eq!(variables(&settings).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_password_is_masked_without_its_url_too() {
        assert_eq!(password_in("postgres://ann:a%20b@db/shop").as_deref(), Some("a b"));
        for text in ["postgres://ann@db/shop", "plain", ""] {
            assert_eq!(password_in(text), None, "{text}");
        }
    }
}
