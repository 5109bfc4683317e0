//! Each fault of the sample app.

use std::time::Instant;

use tidegate::sample::SampleError;
use tidegate::sample::app::{AppOptions, Faults, serve_on};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Running, ms};

#[tokio::test]
async fn the_share_of_failures_is_exact_and_spares_health() {
    let app = Running::start("2", Faults { fail: 0.05, ..Faults::default() }).await;
    let client = reqwest::Client::new();
    let mut failed = Vec::new();
    for i in 0..100 {
        let response = client.get(app.url("/")).send().await.unwrap();
        if response.status() == 500 {
            let body: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert!(body["version"] == "2" && body["error"].is_string(), "{body}");
            failed.push(i);
        }
        assert_eq!(client.get(app.url("/health")).send().await.unwrap().status(), 200);
    }
    assert_eq!(failed, [19, 39, 59, 79, 99]);
}

#[tokio::test]
async fn a_failure_reads_the_upload_to_its_end() {
    let app = Running::start("2", Faults { fail: 1.0, ..Faults::default() }).await;
    let post = reqwest::Client::new().post(app.url("/upload")).body(vec![0; 5_000_000]);
    assert_eq!(post.send().await.unwrap().status(), 500);
}

#[tokio::test]
async fn the_share_of_slowness_is_slow_by_so_much() {
    let app = Running::start("2", Faults { slow_share: 0.5, slow_ms: 120, ..Faults::default() }).await;
    let client = reqwest::Client::new();
    let mut slow = 0;
    for _ in 0..6 {
        let begun = Instant::now();
        client.get(app.url("/")).send().await.unwrap();
        slow += u32::from(begun.elapsed() >= ms(120));
    }
    assert_eq!(slow, 3);
}

#[tokio::test]
async fn never_ready_is_503_with_the_standard_answer_and_serves_the_rest() {
    let app = Running::start("2", Faults { never_ready: true, ..Faults::default() }).await;
    let response = reqwest::get(app.url("/health")).await.unwrap();
    assert_eq!(response.status(), 503);
    let health: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(
        (&health["status"], &health["dependencies"][0]["status"]),
        (&"unhealthy".into(), &"unhealthy".into())
    );
    assert_eq!(reqwest::get(app.url("/")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn it_lies_about_its_version_in_health_only() {
    let app = Running::start("2", Faults { health_version: Some("1".into()), ..Faults::default() }).await;
    let response = reqwest::get(app.url("/health")).await.unwrap();
    assert_eq!(response.headers()["x-sample-version"], "2");
    let health: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(health["version"], "1");
}

#[tokio::test]
async fn the_crash_cuts_off_what_is_in_flight() {
    let faults = Faults { exit_after_ms: Some(200), exit_code: 42, ..Faults::default() };
    let mut app = Running::start("2", faults).await;
    let slow = tokio::spawn(reqwest::get(app.url("/slow?ms=5000")));
    let Err(error) = (&mut app.task).await.unwrap() else { panic!("the app did not crash") };
    assert!(matches!(error, SampleError::Crashed { code: 42 }));
    assert_eq!(error.exit_code(), 42);
    assert!(slow.await.unwrap().is_err());
}

#[tokio::test]
async fn a_version_that_no_header_can_carry_is_refused_at_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ended = serve_on(listener, AppOptions::new("1\n2"), CancellationToken::new()).await;
    assert!(matches!(ended, Err(SampleError::Version { .. })));
}
