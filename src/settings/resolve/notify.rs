//! Who is told of outcomes.

use super::{Findings, env, required};
use crate::rollout::OutcomeKind;
use crate::settings::file::{Email, Notification, OutcomeName, Security};
use crate::settings::model::{EmailSettings, MailSecurity, NOTIFY_FIELDS, NotifyChannel, NotifySettings};
use crate::yaml::Path;
use crate::yaml::words::{listed, nearest};

/// What those are told of who do not say of what.
const ALL: [OutcomeKind; 5] = [
    OutcomeKind::Promoted,
    OutcomeKind::RolledBack,
    OutcomeKind::Failed,
    OutcomeKind::Stuck,
    OutcomeKind::Paused,
];

/// Whose secrets these are, in findings.
const WHOSE: &str = "a notification";

/// Who is told; `path` is that of the list.
pub(super) fn resolve(
    raw: Vec<Notification>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Vec<NotifySettings> {
    raw.into_iter().enumerate().filter_map(|(at, one)| notification(one, &path.index(at), findings)).collect()
}

/// A list for all environments has no effect where each has its own.
pub(super) fn check_use(all: &[String], own: &[String], path: &Path, findings: &mut Findings<'_>) {
    if !all.is_empty() && all.iter().all(|name| own.contains(name)) {
        let message = "`notify` has no effect: every environment has its own";
        findings.error(path, message, "take it out here, or in the environments that it is meant for");
    }
}

fn notification(raw: Notification, path: &Path, findings: &mut Findings<'_>) -> Option<NotifySettings> {
    let Notification { webhook, slack, teams, email, when, text } = raw;
    let given: Vec<&str> = [
        ("webhook", webhook.is_some()),
        ("slack", slack.is_some()),
        ("teams", teams.is_some()),
        ("email", email.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_given)| is_given.then_some(name))
    .collect();
    match given.as_slice() {
        [] => {
            let help = "write one of `webhook`, `slack`, `teams` and `email`, such as `slack: $SLACK_URL`";
            findings.empty(path, "this notification goes nowhere", help);
        }
        [_] => {}
        [_, second, ..] => {
            let message = format!("`{second}` is one way too many: a notification goes one way");
            findings.conflict(&path.key(second), message, "make it an item of its own in `notify`");
        }
    }
    let when = when.map_or_else(|| ALL.to_vec(), |names| outcomes(&names, &path.key("when"), findings));
    if let Some(text) = &text {
        check_text(text, &path.key("text"), findings);
    }
    let mut secret =
        |text: Option<String>, path: &Path| text.and_then(|text| env::secret(text, WHOSE, path, findings));
    let channel = if let Some(raw) = webhook {
        let at = path.key("webhook");
        let (url, key) = (at.key("url"), at.key("secret"));
        let key = secret(raw.secret, &key);
        let help = "write `url: $NAME` and give the address to the environment of `tidegate deploy`";
        let url =
            required(raw.url, &url, help, findings).and_then(|text| env::secret(text, WHOSE, &url, findings));
        NotifyChannel::Webhook { url: url?, secret: key }
    } else if let Some(url) = slack {
        NotifyChannel::Slack(secret(Some(url), &path.key("slack"))?)
    } else if let Some(url) = teams {
        NotifyChannel::Teams(secret(Some(url), &path.key("teams"))?)
    } else {
        NotifyChannel::Email(mail(email?, &path.key("email"), findings)?)
    };
    Some(NotifySettings { channel, when, text })
}

fn outcomes(names: &[OutcomeName], path: &Path, findings: &mut Findings<'_>) -> Vec<OutcomeKind> {
    if names.is_empty() {
        findings.empty(
            path,
            "`when` names no outcome",
            "name one, such as `rolled-back`, or leave it out for all",
        );
    }
    let mut kinds = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let kind = match name {
            OutcomeName::Promoted => OutcomeKind::Promoted,
            OutcomeName::RolledBack => OutcomeKind::RolledBack,
            OutcomeName::Failed => OutcomeKind::Failed,
            OutcomeName::Stuck => OutcomeKind::Stuck,
            OutcomeName::Paused => OutcomeKind::Paused,
        };
        if kinds.contains(&kind) {
            findings.error(&path.index(at), format!("`{kind}` stands twice in `when`"), "name it once");
        }
        kinds.push(kind);
    }
    kinds
}

/// A text names only fields that there are.
fn check_text(text: &str, path: &Path, findings: &mut Findings<'_>) {
    if text.trim().is_empty() {
        findings.error(
            path,
            "`text` says nothing",
            "write what is to be told, such as `{sentence}`, or leave it out",
        );
    }
    let mut rest = text.replace("{{", "").replace("}}", "");
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { return };
        if !NOTIFY_FIELDS.contains(&name) {
            let known = listed(NOTIFY_FIELDS.into_iter());
            let help = match nearest(name, NOTIFY_FIELDS.into_iter()) {
                Some(meant) => {
                    format!("did you mean `{{{meant}}}`? braces as such are written `{{{{` and `}}}}`")
                }
                None => format!("there are {known}; braces as such are written `{{{{` and `}}}}`"),
            };
            findings.error(path, format!("there is no field `{{{name}}}`"), &help);
            return;
        }
        rest = after.to_owned();
    }
}

fn mail(raw: Email, path: &Path, findings: &mut Findings<'_>) -> Option<EmailSettings> {
    let server = required(raw.server, &path.key("server"), "write `server: smtp.example.com`", findings);
    let is_host = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
    };
    let is_named =
        server.as_deref().is_some_and(|server| is_host(server) && server.matches(':').count() != 1);
    if let Some(text) = server.as_deref().filter(|_| !is_named) {
        let message = format!("`{text}` is not the name of a server");
        findings.error(&path.key("server"), message, "give its name alone; a port goes to `port`");
    }
    let (security, usual) = match raw.security {
        None | Some(Security::StartTls) => (MailSecurity::StartTls, 587),
        Some(Security::Tls) => (MailSecurity::Tls, 465),
        Some(Security::None) => (MailSecurity::None, 25),
    };
    if raw.port == Some(0) {
        findings.error(&path.key("port"), "`port` takes 1 to 65535", "give the port of the server");
    }
    let password = raw.password.and_then(|text| env::secret(text, WHOSE, &path.key("password"), findings));
    let login = match (raw.user, password) {
        (Some(user), Some(password)) => Some((env::value(user), password)),
        (Some(_), None) => {
            findings.conflict(&path.key("user"), "`user` has no `password`", "add `password: $NAME`");
            None
        }
        (None, Some(_)) => {
            findings.conflict(&path.key("password"), "`password` has no `user`", "add `user`");
            None
        }
        (None, None) => None,
    };
    let is_here = server.as_deref().is_some_and(|server| ["localhost", "127.0.0.1", "::1"].contains(&server));
    if security == MailSecurity::None && login.is_some() && !is_here {
        let message = "the password would go over the network as plain text";
        findings.error(&path.key("security"), message, "use `starttls` or `tls`");
    }
    let from = required(raw.from, &path.key("from"), "write `from: deploy@example.com`", findings);
    from.iter().for_each(|text| check_address(text, &path.key("from"), findings));
    let to = required(raw.to, &path.key("to"), "write `to: [team@example.com]`", findings);
    if to.as_ref().is_some_and(Vec::is_empty) {
        findings.empty(&path.key("to"), "`to` names nobody", "name at least one address");
    }
    let receivers = to.iter().flatten().enumerate();
    receivers.for_each(|(at, text)| check_address(text, &path.key("to").index(at), findings));
    let port = raw.port.unwrap_or(usual);
    Some(EmailSettings { server: server?, port, security, login, from: from?, to: to? })
}

/// What is surely no address; whether there is a mailbox, the server knows.
fn check_address(text: &str, path: &Path, findings: &mut Findings<'_>) {
    let inner = text.rsplit_once('<').map_or(text, |(_, rest)| rest.strip_suffix('>').unwrap_or(""));
    let fits = inner.split_once('@').is_some_and(|(user, host)| {
        let is_plain = |part: &str| {
            !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>@,;".contains(c))
        };
        is_plain(user) && is_plain(host)
    });
    if !fits || text.contains(char::is_control) {
        let message = format!("`{}` is not an e-mail address", text.escape_debug());
        findings.error(path, message, "write `name@example.com`, or `Name <name@example.com>`");
    }
}
