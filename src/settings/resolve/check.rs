//! What must hold before a rollout goes on: requests with expected answers, and gates.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{Findings, env, gate, positive};
use crate::rollout::step::{Check, Text};
use crate::rollout::{Budgets, Condition};
use crate::settings::file::{self, Expect, Ordered, Time};
use crate::settings::model::EnvValue;
use crate::yaml::Path;

pub(super) fn resolve_all(
    raw: Option<Vec<file::Check>>,
    path: &Path,
    budgets: &Budgets,
    findings: &mut Findings<'_>,
) -> Vec<Condition> {
    let raw = raw.unwrap_or_default().into_iter().enumerate();
    raw.filter_map(|(index, entry)| {
        let at = path.index(index);
        if gate::way(&entry).is_some() {
            gate::resolve(entry, &at, budgets, findings).map(|gate| Condition::Gate(Box::new(gate)))
        } else {
            resolve(entry, &at, budgets, findings).map(Condition::from)
        }
    })
    .collect()
}

/// A Job needs a cluster.
pub(super) fn check_jobs(raw: Option<&Vec<file::Check>>, path: &Path, findings: &mut Findings<'_>) {
    for (index, _) in raw.into_iter().flatten().enumerate().filter(|(_, entry)| entry.job.is_some()) {
        let message = "a Job needs a cluster, and this environment runs on a machine";
        let at = path.index(index).key("job");
        findings.conflict(&at, message, "use `run`, which runs where Tidegate runs");
    }
}

/// A certificate can be looked at only where there is TLS.
pub(super) fn check_certificates(
    conditions: &[Condition],
    why: &str,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    for (index, condition) in conditions.iter().enumerate() {
        let Condition::Check(check) = condition else { continue };
        if check.certificate.is_none() {
            continue;
        }
        let message = format!("`certificate` can never be seen for {} {}: {why}", check.method, check.path);
        let at = path.index(index).key("expect").key("certificate");
        findings.conflict(&at, message, "take it out, or give an address that begins with `https://`");
    }
}

fn resolve(raw: file::Check, path: &Path, budgets: &Budgets, findings: &mut Findings<'_>) -> Option<Check> {
    gate::check_request(&raw, path, findings);
    let within_given = raw.within.is_some();
    let default = Duration::from_secs(5).min(budgets.step);
    let within = positive(raw.within, default, &path.key("within"), findings);
    if within_given && within > budgets.step {
        let message =
            format!("`within` has no effect: `budgets.step` ends the check after {}", Time(budgets.step));
        findings.conflict(&path.key("within"), message, "make it shorter, or `budgets.step` longer");
    }
    let ways = [
        ("get", raw.get),
        ("head", raw.head),
        ("post", raw.post),
        ("put", raw.put),
        ("patch", raw.patch),
        ("delete", raw.delete),
    ];
    let (method, target) = one_way(ways, "check", path, findings)?;
    let body = raw.body.map(|body| body_of(body, method, &path.key("body"), findings));
    let send = sent(raw.headers, &path.key("headers"), findings);
    let at = path.key("expect");
    let Expect { status, headers, certificate, json, contains } = raw.expect.unwrap_or_default();
    let status = status.unwrap_or(200);
    let headers = expected(headers, &at.key("headers"), findings);
    let certificate =
        certificate.map(|time| positive(Some(time), Duration::ZERO, &at.key("certificate"), findings));
    if !(200..=599).contains(&status) {
        let message = format!("{status} is not the status of a whole answer");
        findings.error(&at.key("status"), message, "give 200 to 599");
    }
    for (given, key) in [(json.is_some(), "json"), (contains.is_some(), "contains")] {
        if given && method == "head" {
            let message = format!("`{key}` can never match: the answer to HEAD has no body");
            findings.conflict(&at.key(key), message, "use `get`, or take it out");
        }
    }
    if contains.as_ref().is_some_and(String::is_empty) {
        findings.error(&at.key("contains"), "an empty text is in every body", "give a text, or take it out");
    }
    let method = method.to_ascii_uppercase();
    Some(Check { method, path: target, status, json, contains, headers, certificate, send, body, within })
}

/// The one method and path of a request that are given.
pub(super) fn one_way(
    ways: [(&'static str, Option<String>); 6],
    what: &str,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<(&'static str, String)> {
    let mut given = ways.into_iter().filter_map(|(key, target)| Some((key, target?)));
    let Some((key, target)) = given.next() else {
        findings.conflict(path, format!("the {what} has no request"), "write `get: /path` or `head: /path`");
        return None;
    };
    if let Some((other, _)) = given.next() {
        let message = format!("the {what} has both `{key}` and `{other}`");
        findings.conflict(path, message, &format!("make it two {what}s"));
        return None;
    }
    request_path(&target, &path.key(key), findings);
    Some((key, target))
}

/// A body with what kind of text it is.
pub(super) fn body_of(
    body: Value,
    method: &str,
    path: &Path,
    findings: &mut Findings<'_>,
) -> (String, String) {
    if matches!(method, "get" | "head") {
        let message = format!("`body` has no place in a request with `{method}`");
        findings.conflict(path, message, "use `post`, or take it out");
    }
    match body {
        Value::String(text) => ("text/plain; charset=utf-8".to_owned(), text),
        other => ("application/json".to_owned(), other.to_string()),
    }
}

pub(super) fn sent(
    raw: Option<Ordered<file::Text>>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, Text> {
    let mut all = BTreeMap::new();
    for (name, file::Text(text)) in raw.map_or_else(Vec::new, |entries| entries.0) {
        let at = path.key(&name);
        header_name(&name, &at, findings);
        let value = match env::value(text) {
            EnvValue::FromEnvironment(variable) => Text::Variable(variable),
            EnvValue::Literal(text) => {
                if http::HeaderValue::from_str(&text).is_err() {
                    findings.error(
                        &at,
                        "the value holds a character that no header may have",
                        "write printable ASCII",
                    );
                }
                let is_login =
                    ["authorization", "cookie", "proxy-authorization"].contains(&&*name.to_lowercase());
                if is_login || env::is_told_secret(&name, &text) {
                    let message = format!("`{name}` looks like a secret, and its value stands in this file");
                    findings.warn_of_secret(
                        &at,
                        message,
                        "write `$NAME`, and give the value to the environment",
                    );
                }
                Text::Literal(text)
            }
        };
        all.insert(name.to_lowercase(), value);
    }
    all
}

fn expected(
    raw: Option<Ordered<file::Text>>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, file::Text(text)) in raw.map_or_else(Vec::new, |entries| entries.0) {
        header_name(&name, &path.key(&name), findings);
        all.insert(name.to_lowercase(), text);
    }
    all
}

fn header_name(name: &str, path: &Path, findings: &mut Findings<'_>) {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message = format!("`{}` cannot be the name of a header", name.escape_debug());
        findings.error_at_key(path, message, "use letters, digits and dashes");
    }
}

/// Checks the path and query of a request.
pub(super) fn request_path(text: &str, path: &Path, findings: &mut Findings<'_>) {
    if !text.starts_with('/') {
        let message = format!("`{text}` is not a path: it does not begin with a slash");
        let help = match text.split_once("://") {
            Some(_) => {
                "leave host and scheme out: the request goes to the environment's own address".to_owned()
            }
            None => format!("write `/{text}`"),
        };
        findings.error(path, message, &help);
    } else if text.contains('#') || text.parse::<http::uri::PathAndQuery>().is_err() {
        let message = format!("`{text}` holds a character that a path may not have");
        findings.error(path, message, "write such characters as `%` and two hexadecimal digits");
    }
}
