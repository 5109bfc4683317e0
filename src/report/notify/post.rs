//! Sending a body by POST: bounded in time and tries. Redirects are not followed, for the address is a secret and meant as it is.

use std::error::Error as _;
use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;

use super::Secret;
use super::message::cut;
use crate::report::safe;
use crate::trust;

/// One answer must be whole within this time.
const ANSWER: Duration = Duration::from_secs(10);
/// So often is tried what may pass.
const TRIES: u32 = 4;
/// The pause after the first try; each next one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause that a server may ask for. What is longer would outlast the command.
const LONGEST: Duration = Duration::from_secs(15);
/// As much of a refusal is shown.
const SHOWN: usize = 120;

/// A client for all channels. It speaks HTTP/1.1 only: the library for HTTP/2 logs the paths of requests, which are secret here.
pub(super) fn client() -> Result<reqwest::Client, String> {
    let describe = || {
        reqwest::Client::builder()
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .timeout(ANSWER)
    };
    trust::client(describe).map_err(|error| format!("the TLS library cannot be set up: {error}"))
}

/// Why a try failed.
struct Failure {
    why: String,
    /// Another try may help, after this time where the server says one.
    again: Option<Option<Duration>>,
}

/// Sends the body, with headers that depend on the time of each try.
///
/// # Errors
/// Why it was not taken, as a part of a sentence, without the address.
pub(super) async fn send(
    http: &reqwest::Client,
    url: &Secret,
    body: &Value,
    headers: impl Fn(Timestamp) -> Vec<(&'static str, String)>,
) -> Result<(), String> {
    let body = body.to_string();
    let mut pause = PAUSE;
    for number in 1.. {
        let mut request = http.post(&url.0).header(CONTENT_TYPE, "application/json").body(body.clone());
        for (name, value) in headers(Timestamp::now()) {
            request = request.header(name, value);
        }
        let Err(failure) = once(request).await else { return Ok(()) };
        let wait = match failure.again {
            Some(asked) if number < TRIES => asked.unwrap_or(pause),
            Some(_) => return Err(format!("{}, {TRIES} times", failure.why)),
            None => return Err(failure.why),
        };
        if wait > LONGEST {
            return Err(format!("{}, and asks for {} s of patience", failure.why, wait.as_secs()));
        }
        sleep(wait).await;
        pause *= 2;
    }
    Ok(())
}

async fn once(request: reqwest::RequestBuilder) -> Result<(), Failure> {
    let mut answer = request.send().await.map_err(|error| unreachable(&error))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        let why = format!("it answered {status}, and a redirect is not followed");
        return Err(Failure { why, again: None });
    }
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| patience(value.to_str().ok()?));
    let may_pass = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    let mut said = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        said.extend_from_slice(&chunk);
        if said.len() > 4 * SHOWN {
            break;
        }
    }
    let said = cut(safe::plain(&String::from_utf8_lossy(&said)).trim(), SHOWN);
    let said = if said.is_empty() || said.starts_with('<') { String::new() } else { format!(": {said}") };
    Err(Failure { why: format!("it answered {status}{said}"), again: may_pass.then_some(asked) })
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
fn patience(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default())
}

/// A failure of the network in words: the innermost cause, without the address.
fn unreachable(error: &reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure {
            why: "its address is not one of the web: it begins with https://".to_owned(),
            again: None,
        };
    }
    if error.is_timeout() {
        let why = format!("there was no answer within {} s", ANSWER.as_secs());
        return Failure { why, again: Some(None) };
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let cause = safe::plain(&cause.to_string());
    if cause.contains("certificate") {
        return Failure { why: format!("its certificate is not trusted ({cause})"), again: None };
    }
    // Without an inner cause the outer one names the address.
    let why = if error.source().is_none() {
        "it cannot be reached".to_owned()
    } else {
        format!("it cannot be reached: {cause}")
    };
    Failure { why, again: Some(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_ask_for_patience_in_seconds_or_by_date() {
        assert_eq!(patience("7"), Some(Duration::from_secs(7)));
        assert_eq!(patience("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(patience("Fri, 21 Oct 2095 07:28:00 GMT").unwrap() > LONGEST);
        assert_eq!(patience("soon"), None);
    }
}
