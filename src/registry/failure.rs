//! Why a registry did not do what it was asked to: as it decides what follows, and as it is told.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde_json::Value;

/// The longest pause that a registry may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// So much of a registry's own words is told.
const WORDS: usize = 300;
/// Words by which registries say that there is no room; the specification has no code for it.
const FULL: [&str; 5] = ["quota", "storage limit", "no space", "insufficient storage", "disk full"];
/// What the kernel tells a registry then, by number: no space left on the device, and the disk's quota exceeded.
const NO_SPACE: [u64; 2] = [28, 122];

/// Why something could not be had from a registry or given to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct RegistryError {
    /// Stable code; `docs/reasons.md` lists all of them.
    pub code: &'static str,
    /// One sentence with place and cause. No secret stands in it.
    pub sentence: String,
    /// What could mend it.
    pub hint: Option<&'static str>,
}

impl RegistryError {
    /// An error without a hint.
    #[must_use]
    pub fn new(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), hint: None }
    }

    /// The same with what could mend it.
    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// Why one request did not come to its end, by what follows from it.
#[derive(Debug)]
pub(super) enum Failure {
    /// The registry has no such thing.
    Absent,
    /// These credentials are not enough; the registry's own words where it has any.
    Refused(String),
    /// It may work in a moment, or after `wait` where the registry says so.
    Passing {
        /// Why, as part of a sentence.
        why: String,
        /// How long the registry asks to wait.
        wait: Option<Duration>,
    },
    /// Asking again would not help; why, as part of a sentence.
    Lasting(String),
    /// The same, with a code of its own.
    Named(RegistryError),
}

impl Failure {
    /// It may work in a moment.
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self::Passing { why: why.into(), wait: None }
    }
}

/// A status that is neither yes nor no.
pub(super) fn unable(response: &Response, who: &str) -> Failure {
    of_status(response.status(), response.headers(), who)
}

fn of_status(status: StatusCode, headers: &HeaderMap, who: &str) -> Failure {
    let why = format!("{who} answers {status}");
    if status != StatusCode::TOO_MANY_REQUESTS
        && status != StatusCode::REQUEST_TIMEOUT
        && !status.is_server_error()
    {
        return Failure::Lasting(why);
    }
    let wait = headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.trim().parse().ok());
    Failure::Passing { why, wait: wait.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT)) }
}

/// A request that got no answer. A certificate that is not trusted will not be in a moment.
pub(super) fn unanswered(error: &reqwest::Error, who: &str) -> Failure {
    if let Some(named) = named(error) {
        return Failure::Named(named.clone());
    }
    let cause = cause(error);
    let why = format!("{who} does not answer ({cause})");
    if error.is_builder() || cause.contains("certificate") {
        return Failure::Lasting(why);
    }
    Failure::passing(why)
}

/// The innermost cause: what a person can act on, without the request around it.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Our own error, where one of ours ended the request: what was to be sent could not be had, or an address is not to be asked.
fn named(error: &reqwest::Error) -> Option<&RegistryError> {
    let mut cause: &dyn std::error::Error = error;
    loop {
        if let Some(found) = cause.downcast_ref::<RegistryError>() {
            return Some(found);
        }
        cause = cause.source()?;
    }
}

/// What an answer that is no success means, where something was to be changed or had.
///
/// Codes of the specification: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>.
pub(super) fn verdict(status: StatusCode, headers: &HeaderMap, body: &[u8], who: &str) -> Failure {
    let (codes, words) = words(body);
    let is = |code: &str| codes.iter().any(|known| known == code);
    let told = if words.is_empty() { String::new() } else { format!(": {words}") };
    let low = words.to_lowercase();
    let is_full = matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::INSUFFICIENT_STORAGE)
        || (status.is_client_error() && FULL.iter().any(|word| low.contains(word)))
        || (status.is_server_error() && details(body).iter().any(says_no_space));
    if is_full {
        let full = RegistryError::new("registry-full", format!("{who} has no room ({status}{told})"));
        return Failure::Named(full.hint("remove old images there, or raise the quota"));
    }
    match status {
        _ if is("DIGEST_INVALID") => Failure::Named(mismatch(format!(
            "{who} says that what arrived is not what its digest says ({status}{told})"
        ))),
        // It does not know the upload any more, or what a manifest names is not seen everywhere yet.
        _ if is("BLOB_UPLOAD_UNKNOWN") || is("BLOB_UPLOAD_INVALID") || is("MANIFEST_BLOB_UNKNOWN") => {
            Failure::passing(format!("{who} answers {status}{told}"))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => Failure::passing(format!("{who} answers {status}{told}")),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Refused(words),
        StatusCode::NOT_FOUND => Failure::Absent,
        _ => match of_status(status, headers, who) {
            Failure::Lasting(why) => Failure::Lasting(format!("{why}{told}")),
            other => other,
        },
    }
}

/// Content that is not what its digest says.
pub(super) fn mismatch(sentence: String) -> RegistryError {
    RegistryError::new("digest-mismatch", sentence)
        .hint("look for what changes content on the way, such as a proxy or a failing disk, and try again")
}

/// What a registry tells of its own failure, besides its words to people. The distribution project's (2.x) answers 500 when its disk
/// is full, as for all else that it cannot do.
fn details(body: &[u8]) -> Vec<Value> {
    let read = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let all = read["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|one| one["detail"].clone()).collect()
}

/// Whether a detail is the kernel's word that there is no room: in text, or by the number of an error.
fn says_no_space(detail: &Value) -> bool {
    match detail {
        Value::String(text) => {
            let low = text.to_lowercase();
            FULL.iter().any(|word| low.contains(word))
        }
        Value::Object(parts) => parts.iter().any(|(key, value)| {
            (key == "Err" && value.as_u64().is_some_and(|number| NO_SPACE.contains(&number)))
                || says_no_space(value)
        }),
        _ => false,
    }
}

/// The codes in a registry's answer, and what it says to people, on one line.
fn words(body: &[u8]) -> (Vec<String>, String) {
    let read = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let all = read["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |key: &str| -> Vec<String> {
        all.iter().filter_map(|one| one[key].as_str()).map(str::to_owned).collect()
    };
    let text: String = of("message").join("; ").chars().take(WORDS).collect();
    (
        of("code"),
        text.split_whitespace().map(|word| word.replace(char::is_control, "")).collect::<Vec<_>>().join(" "),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_what_else_a_registry_cannot_do() {
        let enclosed =
            |number: u64| json!({ "DriverName": "filesystem", "Enclosed": { "Op": "write", "Err": number } });
        for (status, detail, expected) in [
            (500, json!("write /data: no space left on device"), true),
            (500, enclosed(28), true),
            (503, enclosed(122), true),
            (500, enclosed(5), false),
            (500, json!({ "Err": "28" }), false),
            (500, Value::Null, false),
            // What the client did wrong is not explained by a detail.
            (400, enclosed(28), false),
        ] {
            let body =
                json!({ "errors": [{ "code": "UNKNOWN", "message": "unknown error", "detail": detail }] });
            let status = StatusCode::from_u16(status).unwrap();
            let failure = verdict(status, &HeaderMap::new(), body.to_string().as_bytes(), "registry x");
            let is_full = matches!(&failure, Failure::Named(error) if error.code == "registry-full");
            assert_eq!(is_full, expected, "{status} {detail}");
        }
    }
}
