//! Environment variables of the instances.

use std::collections::BTreeMap;

use super::Findings;
use crate::settings::file::{Ordered, Text};
use crate::settings::model::EnvValue;
use crate::yaml::Path;

/// The last words of names whose values are probably secrets.
const SECRET: [&str; 8] =
    ["PASSWORD", "PASSWD", "TOKEN", "SECRET", "_KEY", "APIKEY", "CREDENTIAL", "CREDENTIALS"];

pub(super) fn resolve(
    raw: Option<Ordered<Text>>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, EnvValue> {
    let mut all = BTreeMap::new();
    for (name, Text(text)) in raw.map_or_else(Vec::new, |entries| entries.0) {
        let at = path.key(&name);
        check_name(&name, &at, findings);
        let value = value(text);
        if let EnvValue::Literal(text) = &value {
            check_literal(&name, text, &at, findings);
        }
        all.insert(name, value);
    }
    all
}

/// True for a name that a shell can use.
pub(super) fn is_name(name: &str) -> bool {
    let start = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    start && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn check_name(name: &str, at: &Path, findings: &mut Findings<'_>) {
    if name == "PORT" {
        let message = "`PORT` is set by Tidegate, anew for each instance";
        findings.error_at_key(at, message, "take it out; the public address is `listen`");
    } else if !is_name(name) {
        let message = format!("`{name}` cannot be the name of an environment variable");
        findings.error_at_key(at, message, "use letters, digits and `_`, not beginning with a digit");
    }
}

/// The name of the variable with a secret of that one.
pub(super) fn secret(text: String, whose: &str, path: &Path, findings: &mut Findings<'_>) -> Option<String> {
    let EnvValue::FromEnvironment(name) = value(text) else {
        let key = path.last_key().unwrap_or("value").to_owned();
        let message = format!("the `{key}` of {whose} is a secret, and does not stand in this file");
        let help = format!("write `{key}: $NAME` and give the value to the environment of `tidegate deploy`");
        findings.error_of_secret(path, message, &help);
        return None;
    };
    Some(name)
}

/// A value that is exactly `$NAME` or `${NAME}` comes from the environment.
pub(super) fn value(text: String) -> EnvValue {
    let named = text
        .strip_prefix('$')
        .map(|name| name.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(name));
    match named {
        Some(name) if is_name(name) => EnvValue::FromEnvironment(name.to_owned()),
        _ => EnvValue::Literal(text),
    }
}

fn check_literal(name: &str, text: &str, at: &Path, findings: &mut Findings<'_>) {
    if text.contains('\0') {
        findings.error(at, "an environment variable cannot hold the character NUL", "take the `\\0` out");
    } else if is_told_secret(name, text) {
        let message = format!("`{name}` looks like a secret, and its value stands in this file");
        let help =
            format!("write `{name}: ${name}` and give the value to the environment of `tidegate deploy`");
        findings.warn_of_secret(at, message, &help);
    } else if mentions_variable(text) {
        let message = "a `$` within a text is not expanded: the instances get it as it is written";
        findings.warn(at, message, "only a value that is exactly `$NAME` is taken from the environment");
    }
}

/// True for a value that is probably a secret and stands in the file.
pub(super) fn is_told_secret(name: &str, text: &str) -> bool {
    !text.is_empty() && (is_secret(name) || has_password(text))
}

/// True for a name that people give to secrets.
fn is_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let secret = upper == "KEY" || SECRET.iter().any(|end| upper.ends_with(end));
    secret && !upper.contains("PUBLIC")
}

/// True for a URL with a password in it.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
        .is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
}

/// True when a `$` begins what a shell would take for a variable.
pub(super) fn mentions_variable(text: &str) -> bool {
    text.split('$').skip(1).any(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.starts_with(|character: char| character.is_ascii_alphabetic() || character == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::{EnvValue, has_password, is_secret, value};

    #[test]
    fn takes_only_a_whole_name_from_the_environment() {
        for (text, name) in [("$A", "A"), ("${A_1}", "A_1"), ("$_", "_")] {
            assert_eq!(value(text.to_owned()), EnvValue::FromEnvironment(name.to_owned()));
        }
        for text in ["", "$", "${}", "${A", "$A}", "$1", "x$A", "$A ", "$A$B"] {
            assert_eq!(value(text.to_owned()), EnvValue::Literal(text.to_owned()));
        }
    }

    #[test]
    fn knows_the_names_of_secrets() {
        for (name, secret) in [("db_password", true), ("API_KEY", true), ("KEY", true), ("DBPASSWORD", true)]
        {
            assert_eq!(is_secret(name), secret, "{name}");
        }
        for name in ["MONKEY", "PUBLIC_KEY", "TOKEN_FILE", "LOG"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn sees_a_password_in_a_url() {
        assert!(has_password("postgres://u:p@h/db"));
        for text in ["http://h:80/a@b", "http://u@h", "a:b@c", "x://u:$P@h"] {
            assert!(!has_password(text), "{text}");
        }
    }
}
