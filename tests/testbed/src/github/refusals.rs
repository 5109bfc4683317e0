//! Why a request is not acted on, in GitHub's words.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::contract::{Finding, Operation, Part};
use super::faults::Fault;
use super::reply::{Body, DOCUMENTATION, Refusal, Reply};
use super::tokens::{Need, Token};

/// Versions of the API that a request may name.
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// A request for something that is not in the description, or not acted out.
pub(crate) fn no_operation(asked: &str, message: &str, schema: &str) -> Finding {
    Finding::of_request(asked, Part::Operation, schema, message.to_owned())
}

/// A body that cannot be read.
pub(crate) fn not_json(operation: &Operation, error: &serde_json::Error) -> Finding {
    let at = format!("{}/requestBody", operation.pointer);
    Finding::of_request(&operation.id, Part::Body, &at, format!("The body is not JSON: {error}"))
}

/// What a request with findings is answered with: a path that cannot be is not found, the rest is not processed. The
/// pointer into the description stands behind GitHub's sentence.
pub(crate) fn refusal(operation: &Operation, findings: &[Finding]) -> Option<Reply> {
    let first = findings.first()?;
    if findings.iter().any(|finding| finding.part == Part::Path) {
        return Some(Reply::error(404, "Not Found"));
    }
    let message = format!("Invalid request.\n\n{} [{}]", first.message, first.schema);
    let errors: Vec<_> = findings
        .iter()
        .map(|it| json!({"field": it.instance, "code": "invalid", "message": it.message}))
        .collect();
    let mut body = json!({
        "message": message,
        "documentation_url": operation.documentation,
        "status": "422",
    });
    // Only one of the description's two shapes of a 422 has objects in this place.
    let simple = operation.answers.get(&422).and_then(Option::as_ref);
    if !simple.is_some_and(|schema| schema.contains("validation_failed_simple")) {
        body["errors"] = errors.into();
    }
    Some(Reply::json(422, body))
}

/// Headers that GitHub insists on. A missing `accept` or version is let pass, as GitHub does; both stand in the log.
pub(crate) fn by_headers(headers: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if headers.get("user-agent").is_none_or(String::is_empty) {
        let message = "Request forbidden by administrative rules. \
            Please make sure your request has a User-Agent header.";
        return Err(Box::new(Reply::error(403, message)));
    }
    if let Some(accept) = headers.get("accept") {
        let fine = |it: &str| {
            let kind = it.split(';').next().unwrap_or_default().trim();
            matches!(kind, "*/*" | "application/*" | "application/json")
                || kind.starts_with("application/vnd.github")
        };
        if !accept.split(',').any(fine) {
            let message = format!("Unsupported 'Accept' header: '{accept}'. Must accept 'application/json'.");
            return Err(Box::new(Reply::error(415, &message)));
        }
    }
    if let Some(version) = headers.get("x-github-api-version")
        && !VERSIONS.contains(&version.as_str())
    {
        let message = format!("Version {version:?} of the API is not one of {VERSIONS:?}.");
        return Err(Box::new(Reply::error(400, &message)));
    }
    Ok(())
}

/// The token lacks what the operation needs.
pub(crate) fn not_accessible(token: &Token, needs: &[Need]) -> Refusal {
    let who = if token.app.is_some() { "integration" } else { "personal access token" };
    let accepted: Vec<String> = needs.iter().map(|need| need.words()).collect();
    let reply = Reply::error(403, &format!("Resource not accessible by {who}"));
    Box::new(reply.with("x-accepted-github-permissions", accepted.join("; ")))
}

/// The hour's requests are used up.
pub(crate) fn limit_exceeded(token: &Token, status: u16) -> Refusal {
    let whose = match &token.app {
        Some(slug) => format!("installation of {slug}"),
        None => format!("user {}", token.login),
    };
    let mut reply = Reply::error(status, &format!("API rate limit exceeded for {whose}."));
    if let Body::Json(body) = &mut reply.body {
        body["documentation_url"] = format!("{DOCUMENTATION}/overview/rate-limits-for-the-rest-api").into();
    }
    Box::new(reply)
}

impl Fault {
    /// The answer of a fault that keeps the request from being acted on.
    pub(crate) fn answer(&self) -> Option<Reply> {
        match self {
            Self::Slow(_) | Self::CutAfterAct => None,
            Self::Status(status) => Some(Reply::error(*status, "Server Error")),
            // Never sent.
            Self::CutConnection => Some(Reply::no_content()),
            Self::SecondaryLimit { retry_after, status } => Some(secondary(*retry_after, *status)),
            Self::Garbage => Some(Reply {
                status: 200,
                headers: Vec::new(),
                body: Body::Raw(
                    "text/html; charset=utf-8",
                    b"<!DOCTYPE html>\n<html><body><h1>Whoa there!</h1></body></html>\n".to_vec(),
                ),
            }),
            Self::Answer { status, body } => Some(Reply::json(*status, body.clone())),
        }
    }
}

fn secondary(retry_after: Duration, status: u16) -> Reply {
    let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    let mut reply = Reply::error(status, message);
    if let Body::Json(body) = &mut reply.body {
        body["documentation_url"] =
            format!("{DOCUMENTATION}/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits")
                .into();
    }
    reply.with("retry-after", retry_after.as_millis().div_ceil(1000).to_string())
}
