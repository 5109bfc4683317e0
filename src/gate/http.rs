//! Declared requests over HTTP.

use std::time::Instant;

use crate::rollout::analysis::verify::Answer;
use crate::rollout::step::Check;

use super::Collector;

/// As much of an answer's body as is looked at.
const BODY_LIMIT: usize = 1 << 20;

/// Sends declared requests by HTTP or HTTPS. Follows no redirect: the answer to the declared request is what counts.
#[derive(Debug, Clone)]
pub struct HttpCollector {
    client: reqwest::Client,
}

impl HttpCollector {
    /// A collector with a connection pool of its own.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = crate::trust::client(|| {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        })?;
        Ok(Self { client })
    }

    async fn ask(&self, base: &str, check: &Check) -> Answer {
        let began = Instant::now();
        match tokio::time::timeout(check.within, self.request(base, check)).await {
            Ok(Ok((status, body))) => Answer::Came { status, body, took: began.elapsed() },
            Ok(Err(why)) => Answer::Failed { why },
            Err(_) => Answer::Failed { why: format!("no whole answer within {:?}", check.within) },
        }
    }

    async fn request(&self, base: &str, check: &Check) -> Result<(u16, Vec<u8>), String> {
        let method = check.method.parse().map_err(|_| format!("`{}` is no HTTP method", check.method))?;
        let url = format!("{base}{}", check.path);
        let mut response = self.client.request(method, url).send().await.map_err(|error| in_words(&error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| in_words(&error))? {
            let room = BODY_LIMIT - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if body.len() >= BODY_LIMIT {
                break;
            }
        }
        Ok((status, body))
    }
}

impl Collector for HttpCollector {
    async fn collect(&self, address: &str, checks: &[Check]) -> Vec<Answer> {
        let base = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let base = base.trim_end_matches('/');
        let mut answers = Vec::with_capacity(checks.len());
        for check in checks {
            answers.push(self.ask(base, check).await);
        }
        answers
    }
}

/// The innermost cause: what a person can act on, without the request around it.
fn in_words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
