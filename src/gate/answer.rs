//! Whole answers over HTTP, within bounds: nothing is believed of the other side.

use reqwest::RequestBuilder;
use serde_json::Value;

use super::http::in_words;

/// The longest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// Why there is no answer: a part of a sentence, without any address or secret.
pub(super) struct Silence(pub(super) String);

/// The status and the body.
pub(super) async fn of(request: RequestBuilder) -> Result<(u16, Vec<u8>), Silence> {
    let mut response = request.send().await.map_err(|error| Silence(cause(&error)))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Silence(cause(&error)))? {
        if body.len() + chunk.len() > LARGEST {
            return Err(Silence(format!("the answer has more than {} KiB", LARGEST >> 10)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

/// The answer as JSON, where it is a good one.
pub(super) async fn json(request: RequestBuilder) -> Result<Value, Silence> {
    let (status, body) = of(request).await?;
    if status != 200 {
        return Err(Silence(format!("the answer was {status}")));
    }
    serde_json::from_slice(&body).map_err(|_| Silence("the answer is not JSON".to_owned()))
}

/// The innermost cause, in which no address stands.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no whole answer in time".to_owned();
    }
    let (text, host) = (in_words(error), error.url().and_then(|url| url.host_str()));
    if error.is_builder() {
        return "the address is none that can be asked".to_owned();
    }
    // Names stand in what is said of a certificate, and may be secret with the address.
    if text.contains("not valid for name") {
        return "its certificate is for another name".to_owned();
    }
    host.map_or_else(|| text.clone(), |host| text.replace(host, "the host"))
}
