//! How a Prometheus is asked, and what is made of whatever answers in its place. The real one is asked in `kubernetes`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tidegate::prometheus::{Prometheus, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const TOKEN: &str = "not-for-other-eyes";

/// Somebody on the loopback who takes one request and answers these bytes, and then goes or, with `stays`, says nothing more.
/// Gives what was asked.
async fn somebody(answer: Vec<u8>, stays: bool) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !is_whole(&asked) {
            let mut part = [0; 4096];
            let n = stream.read(&mut part).await.unwrap();
            assert!(n > 0, "the request ends early");
            asked.extend_from_slice(&part[..n]);
        }
        // Whoever has read enough closes first.
        let _ = stream.write_all(&answer).await;
        if stays {
            std::future::pending::<()>().await;
        }
        String::from_utf8(asked).unwrap()
    });
    (format!("http://{address}"), asked)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}

fn response(status: &str, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// What is told of somebody who answers so.
async fn told(answer: Vec<u8>) -> String {
    let (address, _asked) = somebody(answer, false).await;
    let prometheus = Prometheus::new(&address, Some(Token::new(TOKEN))).unwrap();
    let why = prometheus.ask("up").await.unwrap_err().to_string();
    assert!(!why.contains(TOKEN) && !why.contains('\n'), "{why}");
    why.strip_prefix(&format!("Prometheus at {address} ")).unwrap_or_else(|| panic!("{why}")).to_owned()
}

#[tokio::test]
async fn series_come_by_a_post_with_the_token() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a"},"value":[1,"3"]}]}}"#;
    let (address, asked) = somebody(response("200 OK", "application/json", body), false).await;
    let prometheus = Prometheus::new(&format!("{address}/path/"), Some(Token::new(" s3cret\n"))).unwrap();
    assert_eq!(prometheus.address(), format!("{address}/path"));
    let series = prometheus.ask("sum by (pod) (a{b=\"c+d\"})").await.unwrap();
    assert_eq!((series.len(), series[0].labels["pod"].as_str(), series[0].value), (1, "a", 3.0));
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("POST /path/api/v1/query HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer s3cret\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\nquery=sum+by+%28pod%29+%28a%7Bb%3D%22c%2Bd%22%7D%29"), "{asked}");
    assert!(!format!("{prometheus:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_range_has_its_beginning_its_end_and_its_step() {
    let body = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"3"],[2.5,"4"]]}]}}"#;
    let (address, asked) = somebody(response("200 OK", "application/json", body), false).await;
    let prometheus = Prometheus::new(&address, None).unwrap();
    let step = Duration::from_millis(1500);
    let series = prometheus.ask_range("up", 1_000, 2_500, step).await.unwrap();
    assert_eq!(series[0].points, [(1_000, 3.0), (2_500, 4.0)]);
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("POST /api/v1/query_range HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\nquery=up&start=1.000&end=2.500&step=1.5"), "{asked}");
}

#[tokio::test]
async fn who_is_no_prometheus_or_refuses_is_told() {
    let page = response("200 OK", "text/html", "<html><body>Please sign in</body></html>");
    assert_eq!(told(page).await, "answers, but not as a Prometheus does");
    assert_eq!(told(response("401 Unauthorized", "text/plain", TOKEN)).await, "answers 401 Unauthorized");
    let echo = format!(r#"{{"status":"error","error":"no such token {TOKEN}"}}"#);
    let echo = response("403 Forbidden", "application/json", &echo);
    assert_eq!(told(echo).await, "answers 403 Forbidden: no such token …");
    let elsewhere =
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec();
    assert_eq!(told(elsewhere).await, "answers 302 Found");
    let bad = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:3"}"#;
    let bad = told(response("400 Bad Request", "application/json", bad)).await;
    assert_eq!(bad, "answers 400 Bad Request: invalid parameter \"query\": 1:3");
    assert!(told(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()).await.starts_with("does not answer: "));
    assert!(
        told(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{".to_vec())
            .await
            .starts_with("does not answer: ")
    );
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let begun = Instant::now();
    let long = told(response("200 OK", "application/json", &" ".repeat(10 << 20))).await;
    assert_eq!(long, "answers with more than 1 MiB");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn who_is_silent_is_waited_for_a_few_seconds() {
    let nobody: SocketAddr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let prometheus = Prometheus::new(&format!("http://{nobody}"), None).unwrap();
    let why = prometheus.ask("up").await.unwrap_err().to_string();
    assert!(why.starts_with(&format!("Prometheus at http://{nobody} does not answer: ")), "{why}");
    assert!(why.contains("refused"), "{why}");

    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{".to_vec();
    let (mute, _mute) = somebody(Vec::new(), true).await;
    let (begun, _begun) = somebody(begun, true).await;
    let ask = async |address: &str| {
        let since = Instant::now();
        let why = Prometheus::new(address, None).unwrap().ask("up").await.unwrap_err().to_string();
        assert_eq!(why, format!("Prometheus at {address} does not answer within 4s"));
        assert!((3..8).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    };
    tokio::join!(ask(&mute), ask(&begun));
}
