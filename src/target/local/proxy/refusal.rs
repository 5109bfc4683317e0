//! What the router says for itself.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
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
