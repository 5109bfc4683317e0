//! A Prometheus, asked by its HTTP API (<https://prometheus.io/docs/prometheus/latest/querying/api/>) for what it knows at this moment, or
//! knew in a while. Whatever speaks that API will do.
//!
//! Nothing is believed of the other side: it may be silent, slow, something else than a Prometheus, or answer without end. What
//! comes instead of an answer is one sentence for a person. No secret stands in any message.

mod answer;

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Response, StatusCode, Url};

pub use answer::{Points, Series};

/// The longest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;
/// How long one question may take, the answer's last byte included.
const REQUEST: Duration = Duration::from_secs(4);
/// And how long until it is connected.
const CONNECT: Duration = Duration::from_secs(2);

/// What a Prometheus is to be given with each question. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token, without spaces or line ends around it, as files have them.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why there is no answer: one sentence, without a full stop, that says who was asked and what came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(String);

/// A Prometheus.
#[derive(Debug, Clone)]
pub struct Prometheus {
    client: reqwest::Client,
    address: String,
    token: Option<Token>,
}

impl Prometheus {
    /// The Prometheus at an address such as `http://prometheus:9090` or `https://example.org/prometheus`. It is not asked yet. A
    /// proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`) is used. A redirection is not followed: the token is for this address.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(address: &str, token: Option<Token>) -> Result<Self, Unanswered> {
        let address = address.trim_end_matches('/').to_owned();
        let client = crate::trust::client(|| {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(REQUEST)
                .connect_timeout(CONNECT)
                .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        });
        match client {
            Ok(client) => Ok(Self { client, address, token }),
            Err(error) => {
                Err(Unanswered(format!("Prometheus at {address} cannot be asked: {}", cause(&error))))
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the query gives now: series with their values, none if there are none. Takes four seconds at most.
    ///
    /// # Errors
    /// When there is no answer, or one that is a refusal, too long, or not a list of series.
    pub async fn ask(&self, query: &str) -> Result<Vec<Series>, Unanswered> {
        let answer = self.send("query", &[("query", query)]).await.map_err(|what| self.told(what))?;
        answer::read(&answer).map_err(|what| self.told(what))
    }

    /// What the query gave between two moments, each `step` from the next: series with their points, in milliseconds since 1970. Takes four
    /// seconds at most; a Prometheus gives 11,000 points of a series, and no more.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_range(
        &self,
        query: &str,
        from: i64,
        to: i64,
        step: Duration,
    ) -> Result<Vec<Points>, Unanswered> {
        let seconds = |millis: i64| format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000));
        let (from, to, step) = (seconds(from), seconds(to), step.as_secs_f64().to_string());
        let asked = [("query", query), ("start", &from), ("end", &to), ("step", &step)];
        let answer = self.send("query_range", &asked).await.map_err(|what| self.told(what))?;
        answer::read_range(&answer).map_err(|what| self.told(what))
    }

    fn told(&self, what: String) -> Unanswered {
        Unanswered(format!("Prometheus at {} {}", self.address, self.hushed(what)))
    }

    async fn send(&self, to: &str, asked: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        let mut url = Url::parse(&format!("{}/api/v1/{to}", self.address))
            .map_err(|error| format!("cannot be asked: {error}"))?;
        // The text of a form is that of a query. It goes in the body, for the names of many pods are too long for an address.
        url.query_pairs_mut().extend_pairs(asked);
        let form = url.query().unwrap_or_default().to_owned();
        url.set_query(None);
        let mut request = self.client.post(url).header(ACCEPT, "application/json");
        if let Some(Token(token)) = &self.token {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| "is not asked: the token has characters that no token has".to_owned())?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let response = request.send().await.map_err(|error| silent(&error))?;
        let status = response.status();
        // Before anything is cut to a length: a part of a token is told as little as the whole.
        let answer = body(response).await.map(|body| match &self.token {
            Some(_) => self.hushed(String::from_utf8_lossy(&body).into_owned()).into_bytes(),
            None => body,
        });
        if status == StatusCode::OK {
            answer
        } else {
            Err(answer::refusal(status, &answer.unwrap_or_default()))
        }
    }

    /// What the other side says, without the token, should it say that.
    fn hushed(&self, text: String) -> String {
        match &self.token {
            Some(Token(token)) if !token.is_empty() => text.replace(token.as_str(), "…"),
            _ => text,
        }
    }
}

/// Seconds since 1970 as milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "the cast stops at the ends of i64")]
#[must_use]
pub fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// The body of an answer, as far as it may be long.
async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| silent(&error))? {
        if body.len() + chunk.len() > LARGEST {
            return Err("answers with more than 1 MiB".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A question that got no answer, or no whole one.
fn silent(error: &reqwest::Error) -> String {
    if error.is_timeout() && !error.is_connect() {
        return format!("does not answer within {REQUEST:?}");
    }
    format!("does not answer: {}", cause(error))
}

/// The innermost cause: what a person can act on, without the request around it.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
