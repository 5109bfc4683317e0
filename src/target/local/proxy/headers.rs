//! What a proxy must take out of messages, and what it adds (RFC 9110 §7.6, RFC 9112 §3.2, RFC 9113 §8).

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, Entry, FORWARDED, HOST, HeaderName, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Uri, Version};

use super::client::Client;
use super::refusal::Refusal;
use super::route::Wish;
use super::settings::ProxySettings;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What the head of a request means for its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    /// It asks for another protocol.
    pub(super) upgrade: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) waits: bool,
}

/// What the request asks for beyond the weights.
pub(super) fn wish(headers: &HeaderMap, settings: &ProxySettings) -> Wish {
    if let Some(mark) = &settings.header_match
        && headers.get(&mark.name).is_some_and(|value| value.as_bytes() == mark.value.as_bytes())
    {
        return Wish::Candidate;
    }
    match settings.sticky_cookie.as_deref().and_then(|name| cookie(headers, name)) {
        Some(release) => Wish::Release(release.to_owned()),
        None => Wish::None,
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// Makes the head of a client's request one of ours. `absolute`: the instance speaks HTTP/2, which has no `Host` line.
pub(super) fn prepare(
    head: &mut request::Parts,
    client: &Client,
    settings: &ProxySettings,
    absolute: bool,
) -> Result<Manner, Refusal> {
    let upgrade = take_hop_by_hop(&mut head.headers, head.version == Version::HTTP_11);
    let host = host(head)?;
    let waits = head.version >= Version::HTTP_11 && expects_continue(&head.headers);
    if head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
    forwarded(&mut head.headers, &host, client, settings.trust_forwarded);
    head.extensions = http::Extensions::new();
    if absolute && upgrade.is_none() {
        head.uri = absolute_uri(&head.uri, &host)?;
        head.headers.remove(HOST);
        head.headers.remove(EXPECT);
        head.headers.remove(CONNECTION);
        head.version = Version::HTTP_2;
        return Ok(Manner { upgrade: false, waits: false });
    }
    if head.uri.scheme().is_some() || head.uri.authority().is_some() {
        let path = head.uri.path_and_query().cloned();
        head.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    if head.headers.get(HOST) != Some(&host) {
        head.headers.insert(HOST, host);
    }
    head.version = Version::HTTP_11;
    let manner = Manner { upgrade: upgrade.is_some(), waits };
    if let Some(protocol) = upgrade {
        head.headers.insert(UPGRADE, protocol);
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    Ok(manner)
}

/// Takes out of a response what was meant for the router only. `upgraded`: the protocol changes.
pub(super) fn clean_response(headers: &mut HeaderMap, upgraded: bool) {
    let protocol = take_hop_by_hop(headers, upgraded);
    headers.remove(TE);
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Removes the headers that concern one connection only (RFC 9110 §7.6.1) and a length that a transfer coding overrides
/// (RFC 9112 §6.3). Gives the protocol that is asked for, if that is allowed.
fn take_hop_by_hop(headers: &mut HeaderMap, allow_upgrade: bool) -> Option<HeaderValue> {
    let mut upgrade = false;
    if headers.contains_key(CONNECTION) {
        let lines: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
        headers.remove(CONNECTION);
        for token in lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')) {
            let token = token.trim();
            if token.eq_ignore_ascii_case("upgrade") {
                upgrade = true;
            } else if !token.is_empty()
                && !token.eq_ignore_ascii_case("host")
                && !token.eq_ignore_ascii_case("te")
            {
                headers.remove(token);
            }
        }
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    if headers.remove(TRANSFER_ENCODING).is_some() {
        headers.remove(CONTENT_LENGTH);
    }
    if let Entry::Occupied(mut te) = headers.entry(TE) {
        let trailers = te.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        if trailers.into_iter().any(|coding| coding.trim().eq_ignore_ascii_case("trailers")) {
            te.insert(HeaderValue::from_static("trailers"));
        } else {
            te.remove_entry_mult();
        }
    }
    let protocol = headers.remove(UPGRADE)?;
    // A client that offers to change to HTTP/2 is answered in HTTP/1.1, as it must expect.
    (upgrade && allow_upgrade && !protocol.as_bytes().starts_with(b"h2")).then_some(protocol)
}

/// The host that the request is for. The request line overrides the header (RFC 9112 §3.2.2).
fn host(head: &request::Parts) -> Result<HeaderValue, Refusal> {
    if let Some(authority) = head.uri.authority() {
        let named = authority.as_str().rsplit('@').next().unwrap_or_default();
        return HeaderValue::from_str(named)
            .map_err(|_| Refusal::Malformed("The host in the request line is not valid.\n"));
    }
    let mut lines = head.headers.get_all(HOST).iter();
    match (lines.next(), lines.next()) {
        (Some(host), None) => Ok(host.clone()),
        (Some(_), Some(_)) => Err(Refusal::Malformed("The request has more than one Host header.\n")),
        (None, _) if head.version <= Version::HTTP_10 => Ok(HeaderValue::from_static("localhost")),
        (None, _) => Err(Refusal::Malformed("The request has no Host header.\n")),
    }
}

fn absolute_uri(uri: &Uri, host: &HeaderValue) -> Result<Uri, Refusal> {
    let malformed = Refusal::Malformed("The Host header is not valid.\n");
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| malformed)?);
    parts.path_and_query =
        Some(uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).map_err(|_| malformed)
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// HTTP/2 may divide the cookie line; HTTP/1.1 knows one only (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if let Some(joined) = joined(headers, &COOKIE, b"; ", None) {
        headers.insert(COOKIE, joined);
    }
}

/// All values of a header and one more, in one line; `None` if that is just what there is, or not a valid value.
fn joined(
    headers: &HeaderMap,
    name: &HeaderName,
    comma: &[u8],
    more: Option<&HeaderValue>,
) -> Option<HeaderValue> {
    let values: Vec<&HeaderValue> = headers.get_all(name).iter().chain(more).collect();
    if values.len() < 2 {
        return more.cloned();
    }
    let lines: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
    HeaderValue::from_bytes(&lines.join(comma)).ok()
}

fn forwarded(headers: &mut HeaderMap, host: &HeaderValue, client: &Client, trust: bool) {
    if !trust {
        headers.remove(FORWARDED);
    }
    let chain = if trust {
        joined(headers, &FORWARDED_FOR, b", ", client.address.as_ref())
    } else {
        client.address.clone()
    };
    if let Some(chain) = chain {
        headers.insert(FORWARDED_FOR, chain);
    }
    if !(trust && headers.contains_key(FORWARDED_PROTO)) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if !(trust && headers.contains_key(FORWARDED_HOST)) {
        headers.insert(FORWARDED_HOST, host.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn what_concerns_one_connection_is_taken_out() {
        let mut map = headers(&[
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "gzip, Trailers"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("upgrade", "websocket"),
            ("accept", "*/*"),
        ]);
        assert_eq!(
            take_hop_by_hop(&mut map, true),
            None,
            "an upgrade that the connection header does not name"
        );
        assert_eq!(map, headers(&[("te", "trailers"), ("accept", "*/*")]));
    }

    #[test]
    fn an_upgrade_needs_both_headers_and_a_version_that_has_it() {
        let lines = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
        assert_eq!(take_hop_by_hop(&mut headers(&lines), true).unwrap(), "websocket");
        assert_eq!(take_hop_by_hop(&mut headers(&lines), false), None);
        let h2c = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "x")];
        let mut map = headers(&h2c);
        assert_eq!(take_hop_by_hop(&mut map, true), None);
        assert!(map.is_empty());
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let map = headers(&[("cookie", "a=1; side=r2"), ("cookie", "sidecar=r9")]);
        assert_eq!(cookie(&map, "side"), Some("r2"));
        assert_eq!(cookie(&map, "sid"), None);
    }

    #[test]
    fn divided_lines_are_joined() {
        let mut map = headers(&[("cookie", "a=1"), ("cookie", "b=2")]);
        join_cookies(&mut map);
        assert_eq!(map.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
