//! Who may come in: a password by HTTP's Basic scheme (RFC 7617), or a link with a token that leaves a cookie behind. Only digests of both are
//! known here. What let a visitor in is taken out of the request: the app sees no password and no token of ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, COOKIE, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, request};
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The name of the token, in the query of a link and as a cookie.
pub const TOKEN: &str = "tidegate-token";
/// So long a browser that came by the link needs it no more, in seconds: 30 days.
const REMEMBERED: u32 = 30 * 24 * 3600;

/// What opens: one of both is enough. SHA-256 as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Of `USER:PASSWORD`.
    basic: Option<String>,
    /// Of the token.
    token: Option<String>,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It goes on, without what let it in.
    Admitted,
    /// It is to come again at this path, with this cookie.
    Remembered { location: HeaderValue, cookie: HeaderValue },
    /// It has nothing that opens: how it is asked for that.
    Closed { challenge: &'static str },
}

impl Access {
    /// What opens with a user and a password, and with a token.
    #[must_use]
    pub fn new(basic: Option<(&str, &str)>, token: Option<&str>) -> Self {
        Self {
            basic: basic.map(|(user, password)| digest(format!("{user}:{password}").as_bytes())),
            token: token.map(|token| digest(token.as_bytes())),
        }
    }

    /// Looks at a request, and takes out of it what let it in.
    pub(super) fn admit(&self, head: &mut request::Parts) -> Entry {
        // Both, whatever the first one says: neither goes further.
        let (by_header, by_cookie) = (self.by_header(&mut head.headers), self.by_cookie(&mut head.headers));
        let by_link = without_token(&head.uri).filter(|(_, given)| opens(given, self.token.as_deref()));
        let Some((rest, given)) = by_link else {
            return if by_header || by_cookie {
                Entry::Admitted
            } else {
                Entry::Closed { challenge: self.challenge() }
            };
        };
        // The token does not stay in the address, where scripts of the page and what they ask for could see it.
        let is_page = matches!(head.method, Method::GET | Method::HEAD)
            && !head.headers.contains_key(http::header::UPGRADE);
        let remembered = if is_page { remembered(&rest, &given, &head.headers) } else { None };
        put(head, &rest);
        remembered.unwrap_or(Entry::Admitted)
    }

    const fn challenge(&self) -> &'static str {
        match self.basic {
            Some(_) => "Basic realm=\"preview\", charset=\"UTF-8\"",
            None => "Bearer realm=\"preview\"",
        }
    }

    fn by_header(&self, headers: &mut HeaderMap) -> bool {
        let Some((scheme, given)) = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split_once(' '))
        else {
            return false;
        };
        let given = given.trim();
        let is_in = if scheme.eq_ignore_ascii_case("basic") {
            STANDARD.decode(given).is_ok_and(|pair| opens(&pair, self.basic.as_deref()))
        } else {
            scheme.eq_ignore_ascii_case("bearer") && opens(given.as_bytes(), self.token.as_deref())
        };
        if is_in {
            headers.remove(AUTHORIZATION);
        }
        is_in
    }

    fn by_cookie(&self, headers: &mut HeaderMap) -> bool {
        let (mut is_in, mut rest) = (false, Vec::new());
        for line in headers.get_all(COOKIE) {
            for pair in line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
                match pair.strip_prefix(TOKEN.as_bytes()).and_then(|pair| pair.strip_prefix(b"=")) {
                    Some(given) => is_in |= opens(&unescaped(given), self.token.as_deref()),
                    None => rest.push(pair),
                }
            }
        }
        if is_in {
            let rest = HeaderValue::from_bytes(&rest.join(&b"; "[..])).ok().filter(|rest| !rest.is_empty());
            headers.remove(COOKIE);
            if let Some(rest) = rest {
                headers.insert(COOKIE, rest);
            }
        }
        is_in
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Whether what was given is what is wanted. How long that takes tells of digests alone, which nobody can aim at.
fn opens(given: &[u8], wanted: Option<&str>) -> bool {
    wanted.is_some_and(|wanted| digest(given) == wanted)
}

fn unescaped(given: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(given).collect()
}

/// Path and query without the token, and the token.
fn without_token(uri: &Uri) -> Option<(PathAndQuery, Vec<u8>)> {
    let is_ours = |part: &&str| part.split_once('=').is_some_and(|(name, _)| name == TOKEN);
    let query = uri.query()?;
    let ours = query.split('&').find(is_ours)?;
    let (_, given) = ours.split_once('=')?;
    let rest: Vec<&str> = query.split('&').filter(|part| !is_ours(part)).collect();
    let path = uri.path();
    let text = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    Some((text.parse().ok()?, percent_decode_str(given).collect()))
}

fn put(head: &mut request::Parts, rest: &PathAndQuery) {
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    parts.path_and_query = Some(rest.clone());
    if let Ok(uri) = Uri::from_parts(parts) {
        head.uri = uri;
    }
}

fn remembered(rest: &PathAndQuery, token: &[u8], headers: &HeaderMap) -> Option<Entry> {
    // Two slashes at its front would lead to another host.
    let location = format!("/{}", rest.as_str().trim_start_matches(['/', '\\']));
    let is_https = headers
        .get("x-forwarded-proto")
        .is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    let value = percent_encoding::percent_encode(token, percent_encoding::NON_ALPHANUMERIC);
    let secure = if is_https { "; Secure" } else { "" };
    let cookie = format!("{TOKEN}={value}; Path=/; Max-Age={REMEMBERED}; HttpOnly; SameSite=Lax{secure}");
    Some(Entry::Remembered { location: location.parse().ok()?, cookie: cookie.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn both() -> Access {
        Access::new(Some(("ada", "lovelace: 🦀")), Some("t0k+en"))
    }

    const CLOSED: Entry = Entry::Closed { challenge: "Basic realm=\"preview\", charset=\"UTF-8\"" };

    #[test]
    fn a_password_opens_and_goes_no_further() {
        let value = format!("basic {}", STANDARD.encode("ada:lovelace: 🦀"));
        let mut head = head("/", &[("authorization", &value), ("cookie", "a=b")]);
        assert_eq!(both().admit(&mut head), Entry::Admitted);
        assert!(!head.headers.contains_key("authorization"));
        assert_eq!(head.headers["cookie"], "a=b");
    }

    #[test]
    fn what_does_not_open_is_asked_for() {
        let wrong = format!("Basic {}", STANDARD.encode("ada:other"));
        for headers in [
            vec![],
            vec![("authorization", wrong.as_str())],
            vec![("authorization", "Basic %%%")],
            vec![("authorization", "Bearer ada")],
            vec![("authorization", "t0k+en")],
            vec![("cookie", "tidegate-token=other; a=b")],
            vec![("cookie", "tidegate-token")],
        ] {
            assert_eq!(both().admit(&mut head("/?tidegate-token=other", &headers)), CLOSED, "{headers:?}");
        }
        let link = Access::new(None, Some("x"));
        let bearer = Entry::Closed { challenge: "Bearer realm=\"preview\"" };
        assert_eq!(link.admit(&mut head("/?tidegate-token=", &[])), bearer);
        let value = format!("Basic {}", STANDARD.encode("x"));
        assert_eq!(link.admit(&mut head("/", &[("authorization", &value)])), bearer);
    }

    #[test]
    fn an_authorization_of_the_apps_own_passes_beside_the_cookie() {
        let headers =
            [("authorization", "Bearer of-the-app"), ("cookie", "a=b; tidegate-token=t0k%2Ben; c=d")];
        let mut head = head("/page?x=1", &headers);
        assert_eq!(both().admit(&mut head), Entry::Admitted);
        assert_eq!(head.headers["authorization"], "Bearer of-the-app");
        assert_eq!(head.headers["cookie"], "a=b; c=d");
    }

    #[test]
    fn a_link_leaves_a_cookie_that_opens_and_leads_to_the_page() {
        let mut first = head("/a%20b?x=1&tidegate-token=t0k%2Ben&y", &[("x-forwarded-proto", "https")]);
        let Entry::Remembered { location, cookie } = both().admit(&mut first) else { panic!() };
        assert_eq!(location, "/a%20b?x=1&y");
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        let mut second = head("/a%20b?x=1", &[("cookie", pair)]);
        assert_eq!(both().admit(&mut second), Entry::Admitted);
        assert!(!second.headers.contains_key("cookie"));
        let mut again = head("/a%20b?x=1&y&tidegate-token=t0k%2Ben", &[("cookie", pair)]);
        assert!(matches!(both().admit(&mut again), Entry::Remembered { .. }), "it stays in no address");
        assert!(!again.headers.contains_key("cookie"));
        let value = format!("Basic {}", STANDARD.encode("ada:lovelace: 🦀"));
        let mut twice = head("/", &[("cookie", pair), ("authorization", &value)]);
        assert_eq!(both().admit(&mut twice), Entry::Admitted);
        assert!(twice.headers.is_empty(), "neither goes further: {:?}", twice.headers);
    }

    #[test]
    fn no_link_leads_to_another_host() {
        for path in ["//evil.example/x", "/\\evil.example/x", "///evil.example/x"] {
            let Ok(uri) = format!("http://here{path}?tidegate-token=t0k%2Ben").parse::<Uri>() else {
                continue;
            };
            let Entry::Remembered { location, .. } = both().admit(&mut head(&uri.to_string(), &[])) else {
                panic!("{path}")
            };
            assert_eq!(location, "/evil.example/x", "{path}");
        }
    }

    #[test]
    fn what_is_no_page_goes_on_at_once() {
        let mut socket = head("/ws?tidegate-token=t0k%2Ben", &[("upgrade", "websocket")]);
        assert_eq!(both().admit(&mut socket), Entry::Admitted);
        assert_eq!(socket.uri, "/ws");
        let mut post = head("/form?tidegate-token=t0k%2Ben&a", &[]);
        post.method = Method::POST;
        assert_eq!(both().admit(&mut post), Entry::Admitted);
        assert_eq!(post.uri, "/form?a");
    }
}
