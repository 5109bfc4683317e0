//! Requests with expected answers.

use std::time::Duration;

use super::{Findings, positive};
use crate::rollout::Budgets;
use crate::rollout::step::Check;
use crate::settings::file::{self, Time};
use crate::yaml::Path;

pub(super) fn resolve_all(
    raw: Option<Vec<file::Check>>,
    path: &Path,
    budgets: &Budgets,
    findings: &mut Findings<'_>,
) -> Vec<Check> {
    let raw = raw.unwrap_or_default().into_iter().enumerate();
    raw.filter_map(|(index, check)| resolve(check, &path.index(index), budgets, findings)).collect()
}

fn resolve(raw: file::Check, path: &Path, budgets: &Budgets, findings: &mut Findings<'_>) -> Option<Check> {
    let within_given = raw.within.is_some();
    let default = Duration::from_secs(5).min(budgets.step);
    let within = positive(raw.within, default, &path.key("within"), findings);
    if within_given && within > budgets.step {
        let message =
            format!("`within` has no effect: `budgets.step` ends the check after {}", Time(budgets.step));
        findings.conflict(&path.key("within"), message, "make it shorter, or `budgets.step` longer");
    }
    let (method, target) = match (raw.get, raw.head) {
        (Some(get), None) => ("GET", get),
        (None, Some(head)) => ("HEAD", head),
        (Some(_), Some(_)) => {
            findings.conflict(path, "the check has both `get` and `head`", "make it two checks");
            return None;
        }
        (None, None) => {
            findings.conflict(path, "the check has no request", "write `get: /path` or `head: /path`");
            return None;
        }
    };
    request_path(&target, &path.key(&method.to_ascii_lowercase()), findings);
    let at = path.key("expect");
    let (status, json, contains) = raw.expect.map_or((None, None, None), |e| (e.status, e.json, e.contains));
    let status = status.unwrap_or(200);
    if !(200..=599).contains(&status) {
        let message = format!("{status} is not the status of a whole answer");
        findings.error(&at.key("status"), message, "give 200 to 599");
    }
    for (given, key) in [(json.is_some(), "json"), (contains.is_some(), "contains")] {
        if given && method == "HEAD" {
            let message = format!("`{key}` can never match: the answer to HEAD has no body");
            findings.conflict(&at.key(key), message, "use `get`, or take it out");
        }
    }
    if contains.as_ref().is_some_and(String::is_empty) {
        findings.error(&at.key("contains"), "an empty text is in every body", "give a text, or take it out");
    }
    Some(Check { method: method.to_owned(), path: target, status, json, contains, within })
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
