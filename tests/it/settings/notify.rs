//! Who is told of outcomes, as it is read.

use tidegate::report::notify::FIELDS;
use tidegate::rollout::OutcomeKind;
use tidegate::settings::{
    EmailSettings, EnvValue, MailSecurity, NOTIFY_FIELDS, NotifyChannel, NotifySettings,
};

use super::good;

#[test]
fn an_environment_has_its_own_list_or_that_of_all() {
    let settings = good("notify");
    assert_eq!(settings.warnings, []);
    let told = |name: &str| settings.environment(name).unwrap().notify.clone();
    assert_eq!(told("development"), []);
    let all = told("production");
    assert_eq!(all[0].channel, NotifyChannel::Slack("SLACK_URL".to_owned()));
    assert_eq!(all[0].when, [OutcomeKind::RolledBack, OutcomeKind::Stuck]);
    assert_eq!(all[0].text.as_deref(), Some("{app} {version}: {outcome} {{sic}}"));
    assert_eq!(all[1].when.len(), 5, "without `when` all outcomes are told");
    let staging = told("staging");
    let hook = NotifyChannel::Webhook { url: "HOOK_URL".to_owned(), secret: Some("HOOK_SECRET".to_owned()) };
    assert_eq!(staging[0].channel, hook);
    let email = EmailSettings {
        server: "smtp.example.com".to_owned(),
        port: 465,
        security: MailSecurity::Tls,
        login: Some((EnvValue::FromEnvironment("SMTP_USER".to_owned()), "SMTP_PASSWORD".to_owned())),
        from: "Deploys <deploy@example.com>".to_owned(),
        to: vec!["team@example.com".to_owned(), "Ada <ada@example.com>".to_owned()],
    };
    let when = vec![OutcomeKind::Failed];
    assert_eq!(staging[1], NotifySettings { channel: NotifyChannel::Email(email), when, text: None });
    let variables: Vec<&str> = staging.iter().flat_map(NotifySettings::variables).collect();
    assert_eq!(variables, ["HOOK_URL", "HOOK_SECRET", "SMTP_PASSWORD"]);
}

#[test]
fn the_fields_that_settings_allow_are_those_that_messages_have() {
    assert_eq!(NOTIFY_FIELDS, FIELDS);
}
