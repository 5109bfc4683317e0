//! What the router says for itself.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};

use super::relay::Answer;

/// Why a request is answered by the router and not by an instance. The sentences name no internal address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No release could take it in time.
    HeldTooLong,
    /// Too many requests wait already.
    TooManyHeld,
    /// No instance could be reached, or the one that was broke off.
    Unreachable,
    /// The instance was too slow.
    TooSlow,
    /// The client did not finish its own request.
    Unfinished,
    /// The head of the request is at odds with the protocol.
    Malformed(&'static str),
    /// A tunnel was asked for.
    Connect,
    /// The instance changed the protocol without being asked to.
    WrongProtocol,
}

impl Refusal {
    /// The response that tells it.
    pub(super) fn response(self) -> Response<Answer> {
        let (status, sentence) = self.words();
        let mut response = Response::new(Answer::Text(Some(Bytes::from_static(sentence.as_bytes()))));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if matches!(self, Self::Unfinished | Self::Malformed(_) | Self::Connect) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn words(self) -> (StatusCode, &'static str) {
        match self {
            Self::HeldTooLong => (
                StatusCode::SERVICE_UNAVAILABLE,
                "No release was ready to take this request in time; please try again.\n",
            ),
            Self::TooManyHeld => (
                StatusCode::SERVICE_UNAVAILABLE,
                "No release is ready and too many requests wait already; please try again.\n",
            ),
            Self::Unreachable => (
                StatusCode::BAD_GATEWAY,
                "The service could not be reached or broke off before it answered.\n",
            ),
            Self::TooSlow => (StatusCode::GATEWAY_TIMEOUT, "The service did not answer in time.\n"),
            Self::Unfinished => {
                (StatusCode::REQUEST_TIMEOUT, "The body of the request did not arrive in time.\n")
            }
            Self::Malformed(sentence) => (StatusCode::BAD_REQUEST, sentence),
            Self::Connect => (
                StatusCode::NOT_IMPLEMENTED,
                "This server opens no tunnels; the CONNECT method is refused.\n",
            ),
            Self::WrongProtocol => {
                (StatusCode::BAD_GATEWAY, "The service changed the protocol without being asked to.\n")
            }
        }
    }
}

/// Has a visitor show what opens.
pub(super) fn closed(challenge: &'static str) -> Response<Answer> {
    const WORDS: &str = "This is not open to everybody: it takes a password, or the link with its token.\n";
    let mut response = Response::new(Answer::Text(Some(Bytes::from_static(WORDS.as_bytes()))));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Has a browser that came by the link come again without the token in its address, and keep that as a cookie.
pub(super) fn remembered(location: HeaderValue, cookie: HeaderValue) -> Response<Answer> {
    let mut response = Response::new(Answer::Text(None));
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(SET_COOKIE, cookie);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    response
}
