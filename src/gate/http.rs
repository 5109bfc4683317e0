//! Declared requests over HTTP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::tls::TlsInfo;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::rollout::analysis::verify::Answer;
use crate::rollout::gate::{Probe, Sample};
use crate::rollout::step::{Check, Load, Text};

use super::{Collector, Question, load, probe};

/// As much of an answer's body as is looked at.
const BODY_LIMIT: usize = 1 << 20;
/// How long an answer of a gate may take, its last byte included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends declared requests by HTTP or HTTPS. Follows no redirect: the answer to the declared request is what counts.
#[derive(Debug, Clone)]
pub struct HttpCollector {
    client: reqwest::Client,
    visitor: reqwest::Client,
    asker: reqwest::Client,
    pass: Option<Passed>,
    folder: PathBuf,
}

/// What is shown at one address that not everybody may come to.
#[derive(Debug, Clone)]
pub struct Pass {
    /// The address.
    pub at: String,
    /// The value of `Authorization`.
    pub value: HeaderValue,
}

/// Clients that show it.
#[derive(Debug, Clone)]
struct Passed {
    base: String,
    client: reqwest::Client,
    visitor: reqwest::Client,
}

impl HttpCollector {
    /// A collector with connection pools of its own. Relative paths of gates begin at `folder`. What gates ask need not be where the app
    /// is: for them a proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`) is used. With a `pass` requests to its address show it, where they say
    /// nothing else.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(folder: &Path, pass: Option<Pass>) -> Result<Self, reqwest::Error> {
        let pass = match pass {
            None => None,
            Some(Pass { at, value }) => {
                let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
                let (client, visitor) = (checker(headers.clone())?, load::client(headers)?);
                Some(Passed { base: base(&at), client, visitor })
            }
        };
        let asker = crate::trust::client(|| {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(PATIENCE)
                .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        })?;
        let (client, visitor) = (checker(HeaderMap::new())?, load::client(HeaderMap::new())?);
        Ok(Self { client, visitor, asker, pass, folder: folder.to_owned() })
    }

    fn passed(&self, base: &str) -> Option<&Passed> {
        self.pass.as_ref().filter(|passed| passed.base == base)
    }

    fn visitor(&self, base: &str) -> reqwest::Client {
        self.passed(base).map_or(&self.visitor, |passed| &passed.visitor).clone()
    }

    async fn answer(&self, base: &str, check: &Check) -> Answer {
        let began = Instant::now();
        match tokio::time::timeout(check.within, self.request(base, check)).await {
            Ok(Ok(came)) => {
                let Received { status, body, headers, certificate } = came;
                Answer::Came { status, body, took: began.elapsed(), headers, certificate }
            }
            Ok(Err(why)) => Answer::Failed { why },
            Err(_) => Answer::Failed { why: format!("no whole answer within {:?}", check.within) },
        }
    }

    async fn request(&self, base: &str, check: &Check) -> Result<Received, String> {
        let method = check.method.parse().map_err(|_| format!("`{}` is no HTTP method", check.method))?;
        let url = format!("{base}{}", check.path);
        let client = self.passed(base).map_or(&self.client, |passed| &passed.client);
        let mut request = client.request(method, url);
        for (name, value) in &check.send {
            request = request.header(name, sent(value)?);
        }
        if let Some((kind, text)) = &check.body {
            request = request.header(CONTENT_TYPE, kind).body(text.clone());
        }
        let mut response = request.send().await.map_err(|error| in_words(&error))?;
        let status = response.status().as_u16();
        let certificate = response
            .extensions()
            .get::<TlsInfo>()
            .and_then(|info| valid_for(info.peer_certificate()?, SystemTime::now()));
        let named = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers = response.headers().iter().map(named).collect();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| in_words(&error))? {
            let room = BODY_LIMIT - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if body.len() >= BODY_LIMIT {
                break;
            }
        }
        Ok(Received { status, body, headers, certificate })
    }
}

impl Collector for HttpCollector {
    async fn collect(&self, address: &str, checks: &[Check]) -> Vec<Answer> {
        let base = base(address);
        let mut answers = Vec::with_capacity(checks.len());
        for check in checks {
            answers.push(self.answer(&base, check).await);
        }
        answers
    }

    async fn ask(&self, question: Question<'_>, say: &(dyn Fn(String) + Send + Sync)) -> Sample {
        if let Probe::Load { load, objectives } = &question.gate.probe {
            let Some(address) = question.address else {
                return probe::silent("no ready instance has an address");
            };
            say(format!("sends {} requests a second, {} at most", load.rate, load.total));
            let base = base(address);
            let visitor = self.visitor(&base);
            return load::measure(visitor, base, load.clone(), *objectives, probe::before(question.within))
                .await;
        }
        let asked = probe::ask(&self.asker, &self.folder, question, say).await;
        asked.unwrap_or_else(|| probe::lasting("a Job needs a cluster, and this environment is in none"))
    }

    fn send(&self, address: &str, load: Load) -> impl Future<Output = ()> + Send + 'static {
        let base = base(address);
        load::send(self.visitor(&base), base, load)
    }
}

/// A client for declared requests, all of which have these headers where they say nothing else.
fn checker(headers: HeaderMap) -> Result<reqwest::Client, reqwest::Error> {
    crate::trust::client(|| {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_info(true)
            .default_headers(headers.clone())
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
    })
}

/// A whole answer.
struct Received {
    status: u16,
    body: Vec<u8>,
    headers: BTreeMap<String, String>,
    certificate: Option<Duration>,
}

/// The value of a header that is sent. One with a secret is marked so that no log shows it.
pub(super) fn sent(value: &Text) -> Result<HeaderValue, String> {
    let (text, is_secret) = match value {
        Text::Literal(text) => (text.clone(), false),
        Text::Variable(name) => {
            let value =
                std::env::var(name).map_err(|_| format!("a header is to be ${name}, which is not set"))?;
            (value, true)
        }
    };
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| "a header holds what no header may".to_owned())?;
    value.set_sensitive(is_secret);
    Ok(value)
}

/// How long the certificate of a connection is still valid; nothing once it is not, which the connection does not survive.
fn valid_for(certificate: &[u8], now: SystemTime) -> Option<Duration> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    Some(end.saturating_sub(now.duration_since(UNIX_EPOCH).ok()?))
}

/// The address as the beginning of a URL.
pub(super) fn base(address: &str) -> String {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    url.trim_end_matches('/').to_owned()
}

/// The innermost cause: what a person can act on, without the request around it.
pub(super) fn in_words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_tells_how_long_it_is_valid() {
        let mut parameters = rcgen::CertificateParams::new(["shop.example".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2030, 1, 11);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        // 2030-01-01T00:00:00Z.
        let now = UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        assert_eq!(valid_for(certificate.der(), now), Some(Duration::from_secs(10 * 86_400)));
        assert_eq!(
            valid_for(certificate.der(), now + Duration::from_secs(20 * 86_400)),
            Some(Duration::ZERO)
        );
        assert_eq!(valid_for(b"no certificate", now), None);
    }
}
