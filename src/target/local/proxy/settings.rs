//! What a person may choose about the router.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::Access;
use crate::rollout::millis;

/// How the router treats connections and requests. Durations are whole milliseconds in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProxySettings {
    /// A request that takes longer than this counts as slow. `None`: no request is slow.
    #[serde(with = "millis::option")]
    #[schemars(with = "Option<u64>")]
    pub slow_bound: Option<Duration>,
    /// How long a request may wait for a release that can take it; then it is answered with 503.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub hold: Duration,
    /// How many requests may wait at the same time. One more is answered with 503 at once.
    pub hold_limit: usize,
    /// How long a connection to an instance may take to come about.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub connect_timeout: Duration,
    /// How long an instance may take for the head of its response, from the moment at which it has the whole request.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub response_header_timeout: Duration,
    /// How long a body may stand still, in either direction. Event streams and upgraded connections are exempt.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub idle_timeout: Duration,
    /// How long a client may be silent, or take for the head of a request, between two requests.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub client_header_timeout: Duration,
    /// How long upgraded connections and event streams may go on once their instance is to go away.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub upgraded_grace: Duration,
    /// How long requests may go on once the router is told to stop; then their connections are cut.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub shutdown_grace: Duration,
    /// What lets a visitor in. `None`: everybody may come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Name of a cookie that keeps a visitor on one release. `None`: no cookie is set or read.
    pub sticky_cookie: Option<String>,
    /// Requests with this header go to the candidate whatever its weight.
    pub header_match: Option<HeaderMatch>,
    /// Threads that carry connections, each with a runtime of its own, which shares nothing and so is fastest when there are
    /// as many as processors. 0: the runtime that serves. Read when serving begins.
    pub workers: usize,
    /// How the router talks to instances.
    pub upstream: UpstreamProtocol,
    /// Whether `X-Forwarded-*` of the client is believed and extended. Say true only behind another proxy.
    pub trust_forwarded: bool,
    /// Whether responses carry the version that made them, as `x-tidegate-version`.
    pub announce: bool,
}

/// A header that marks a request as one for the candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderMatch {
    /// Name of the header; case does not matter.
    pub name: String,
    /// The exact value that it must have.
    pub value: String,
}

/// The protocol between router and instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamProtocol {
    /// HTTP/1.1, one request at a time on each of several kept connections.
    #[default]
    Http1,
    /// HTTP/2 without TLS, with prior knowledge (RFC 9113 §3.3). Upgrades still use HTTP/1.1.
    H2c,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            slow_bound: None,
            hold: Duration::from_secs(30),
            hold_limit: 10_000,
            connect_timeout: Duration::from_secs(2),
            response_header_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            client_header_timeout: Duration::from_secs(60),
            upgraded_grace: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(30),
            access: None,
            sticky_cookie: None,
            header_match: None,
            workers: 0,
            upstream: UpstreamProtocol::Http1,
            trust_forwarded: false,
            announce: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_is_the_default() {
        let read: ProxySettings = serde_json::from_str("{}").unwrap();
        assert_eq!(read, ProxySettings::default());
    }

    #[test]
    fn survives_json() {
        let settings = ProxySettings {
            slow_bound: Some(Duration::from_millis(250)),
            sticky_cookie: Some("side".to_owned()),
            header_match: Some(HeaderMatch { name: "x-preview".to_owned(), value: "1".to_owned() }),
            upstream: UpstreamProtocol::H2c,
            ..ProxySettings::default()
        };
        let text = serde_json::to_string(&settings).unwrap();
        assert!(text.contains("\"slow_bound\":250"), "{text}");
        assert_eq!(serde_json::from_str::<ProxySettings>(&text).unwrap(), settings);
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(serde_json::from_str::<ProxySettings>("{\"hold_limits\":1}").is_err());
    }
}
