//! The token by which a job proves to others who it is: <https://docs.github.com/en/actions/reference/security/oidc>.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use super::client::{Token, jitter};

/// One answer must be whole within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// So often is asked.
const TRIES: u32 = 3;
/// The pause after the first try.
const PAUSE: Duration = Duration::from_millis(500);

/// Where a job gets its token.
#[derive(Debug)]
pub struct Issuer {
    url: reqwest::Url,
    token: Token,
    http: reqwest::Client,
}

/// A token of the job's, for one audience.
#[derive(Clone)]
pub struct IdToken {
    /// The JWT (RFC 7519).
    pub value: String,
    /// Nobody takes it after that.
    pub expires: Timestamp,
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdToken").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Issuer {
    /// From the variables that a runner sets; nothing where the job may have no token.
    ///
    /// # Errors
    /// As part of a sentence, when what they say is no address, or TLS cannot be set up.
    pub fn of(variable: &impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let (url, token) = (given("ACTIONS_ID_TOKEN_REQUEST_URL"), given("ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
        let (Some(url), Some(token)) = (url, token) else { return Ok(None) };
        let url = url.parse().map_err(|_| "ACTIONS_ID_TOKEN_REQUEST_URL is no address".to_owned())?;
        let describe = || {
            let agent = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
            reqwest::Client::builder().user_agent(agent).timeout(PATIENCE)
        };
        let http = crate::trust::client(describe).map_err(|error| error.to_string())?;
        Ok(Some(Self { url, token: Token::new(&token), http }))
    }

    /// A new token for that audience.
    ///
    /// # Errors
    /// As part of a sentence, why there is none.
    pub async fn issue(&self, audience: &str) -> Result<IdToken, String> {
        let mut tries = 1;
        let mut pause = PAUSE;
        loop {
            match self.once(audience).await {
                Err((why, true)) if tries < TRIES => {
                    tracing::debug!("no OIDC token yet: {why}");
                    tokio::time::sleep(jitter(pause)).await;
                    (tries, pause) = (tries + 1, pause * 2);
                }
                answer => return answer.map_err(|(why, _)| why),
            }
        }
    }

    /// Why not, and whether that may pass.
    async fn once(&self, audience: &str) -> Result<IdToken, (String, bool)> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("audience", audience);
        let header = self.token.header().map_err(|failure| (failure.sentence, false))?;
        let asked = self.http.get(url).header(http::header::AUTHORIZATION, header).send().await;
        // What stands in an address is nobody's to read.
        let silent =
            |error: reqwest::Error| (format!("GitHub does not answer: {}", error.without_url()), true);
        let answer = asked.map_err(silent)?;
        let status = answer.status();
        if !status.is_success() {
            let may_pass = status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS;
            return Err((format!("GitHub answers {status}"), may_pass));
        }
        let body = answer.bytes().await.map_err(silent)?;
        read(&body).ok_or_else(|| ("what GitHub answers is no token".to_owned(), true))
    }
}

/// The token in an answer, with its end by its own claim.
fn read(body: &[u8]) -> Option<IdToken> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let value = body["value"].as_str()?;
    let [_, claims, _] = value.split('.').collect::<Vec<_>>()[..] else { return None };
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let expires = Timestamp::from_second(claims["exp"].as_i64()?).ok()?;
    Some(IdToken { value: value.to_owned(), expires })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jwt_with_an_end_is_a_token() {
        let of = |claims: &str| {
            let value = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
            read(serde_json::json!({ "count": 1, "value": value }).to_string().as_bytes())
        };
        assert_eq!(of(r#"{"exp":1700000000}"#).unwrap().expires.as_second(), 1_700_000_000);
        assert!(of("{}").is_none() && of(r#"{"exp":"soon"}"#).is_none() && of("").is_none());
        for body in ["", "<html>", "{}", r#"{"value":7}"#, r#"{"value":"a.b"}"#, r#"{"value":"a.%.c"}"#] {
            assert!(read(body.as_bytes()).is_none(), "{body}");
        }
        let shown = format!("{:?}", of(r#"{"exp":1700000000}"#).unwrap());
        assert!(!shown.contains("e30"), "{shown}");
    }
}
