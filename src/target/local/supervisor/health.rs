//! Whether an instance is well: one question, one answer.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::target::local::spec::Health;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 64 * 1024;

/// Why an instance is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unwell {
    /// `unhealthy` or `wrong-version`.
    pub(crate) code: &'static str,
    /// What it answered: the end of a sentence.
    pub(crate) sentence: String,
}

/// The standard answer, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    status: Option<serde_json::Value>,
    #[serde(default)]
    version: Option<serde_json::Value>,
}

fn unhealthy(sentence: String) -> Unwell {
    Unwell { code: "unhealthy", sentence }
}

/// Asks the instance at `address` once. Takes `health.within` at most.
pub(crate) async fn probe(address: SocketAddr, health: &Health, version: &str) -> Result<(), Unwell> {
    let asked = match &health.path {
        Some(path) => format!("GET {path}"),
        None => format!("a connection to port {}", address.port()),
    };
    let outcome = tokio::time::timeout(health.within, async {
        match &health.path {
            None => TcpStream::connect(address).await.map(|_| None).map_err(|e| words(&e)),
            Some(path) => get(address, path).await.map(Some),
        }
    })
    .await;
    match outcome {
        Err(_) => Err(unhealthy(format!("{asked} timed out after {:?}", health.within))),
        Ok(Err(why)) => Err(unhealthy(format!("{asked} failed: {why}"))),
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some((status, body)))) => judge(status, &body, health.version.then_some(version))
            .map_err(|unwell| Unwell { sentence: format!("{asked} answered {}", unwell.sentence), ..unwell }),
    }
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes), String> {
    let stream = TcpStream::connect(address).await.map_err(|e| words(&e))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let request = Request::get(path)
        .header("host", address.to_string())
        .header("user-agent", concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| e.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        Ok((status, body.map_err(|e| e.to_string())?.to_bytes()))
    };
    // The connection is driven here and not in a task of its own, so that it ends together with a question given up.
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => return answer,
        ended = connection => if let Err(e) = ended { return Err(e.to_string()) },
    }
    exchange.await
}

/// Judges an answer; `version` is what the answer must say, if it says any.
fn judge(status: StatusCode, body: &[u8], version: Option<&str>) -> Result<(), Unwell> {
    if !(status.is_success() || status.is_redirection()) {
        return Err(unhealthy(status.as_u16().to_string()));
    }
    // Health may be told in any form; only the standard answer says more than its status code.
    let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
    let text = |v: Option<serde_json::Value>| v.and_then(|v| v.as_str().map(str::to_owned));
    if let Some(word) = text(answer.status)
        && ["unhealthy", "fail", "down"].contains(&word.to_ascii_lowercase().as_str())
    {
        return Err(unhealthy(format!("{} with status \"{word}\"", status.as_u16())));
    }
    match (version, text(answer.version)) {
        (Some(wanted), Some(said)) if said != wanted => Err(Unwell {
            code: "wrong-version",
            sentence: format!("as version {}", said.chars().take(80).collect::<String>()),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn answers_are_judged() {
        let judge = |status, body: &str| {
            judge(StatusCode::from_u16(status).unwrap(), body.as_bytes(), Some("v2")).map_err(|u| u.code)
        };
        assert_eq!(judge(200, "fine"), Ok(()));
        assert_eq!(judge(302, ""), Ok(()));
        assert_eq!(judge(404, ""), Err("unhealthy"));
        assert_eq!(judge(503, r#"{"status":"healthy"}"#), Err("unhealthy"));
        assert_eq!(judge(200, r#"{"status":"healthy","version":"v2"}"#), Ok(()));
        assert_eq!(judge(200, r#"{"status":"DOWN","version":"v2"}"#), Err("unhealthy"));
        assert_eq!(judge(200, r#"{"status":"healthy","version":"v1"}"#), Err("wrong-version"));
        assert_eq!(judge(200, r#"{"status":1,"version":null}"#), Ok(()));
    }

    async fn answering(text: &'static str) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await;
            if text.is_empty() {
                std::future::pending::<()>().await;
            }
            stream.write_all(text.as_bytes()).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn each_failure_is_told_in_its_own_words() {
        let health =
            Health { path: Some("/health".into()), within: Duration::from_millis(200), ..Health::default() };
        let bad = answering("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").await;
        let unwell = probe(bad, &health, "v1").await.unwrap_err();
        assert_eq!(unwell.sentence, "GET /health answered 503");
        let silent = answering("").await;
        let unwell = probe(silent, &health, "v1").await.unwrap_err();
        assert_eq!(unwell.sentence, "GET /health timed out after 200ms");
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let unwell = probe(nobody, &health, "v1").await.unwrap_err();
        assert_eq!(unwell.sentence, "GET /health failed: connection refused");
        let good = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        assert_eq!(probe(good, &health, "v1").await, Ok(()));
    }
}
