//! Requests that wait at the router.

use std::time::Duration;

use http::{Request, StatusCode};
use tidegate::target::local::proxy::ProxySettings;

use super::kit::{Router, client, full, pool, says, text, within};

#[tokio::test]
async fn a_held_request_goes_on_with_the_next_table() {
    let address = says("at last").await;
    let settings = ProxySettings { slow_bound: Some(Duration::from_millis(100)), ..ProxySettings::default() };
    let router = Router::start(settings, Vec::new()).await;
    let (answer, ()) = tokio::join!(router.get("/"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        router.table(vec![pool("one", 0, &[address])]);
        tokio::time::sleep(Duration::from_millis(50)).await;
        router.table(vec![pool("one", 100, &[address])]);
    });
    assert_eq!(answer, (StatusCode::OK, "at last".to_owned()));
    assert_eq!(router.counts("one", 1).await.slow, 0, "time at the router is not the release's");
}

#[tokio::test]
async fn held_too_long_is_a_503_that_says_when_to_come_back() {
    let settings = ProxySettings { hold: Duration::from_millis(50), ..ProxySettings::default() };
    let router = Router::start(settings, Vec::new()).await;
    let response = client().request(Request::get(router.url("/")).body(full("")).unwrap()).await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    let (status, sentence) = text(response).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(sentence.ends_with(".\n"), "{sentence}");
}

#[tokio::test]
async fn no_more_than_the_limit_wait() {
    let settings = ProxySettings { hold_limit: 2, ..ProxySettings::default() };
    let router = Router::start(settings, Vec::new()).await;
    let (one, two, ()) = tokio::join!(router.get("/"), router.get("/"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(within(1, router.get("/")).await.0, StatusCode::SERVICE_UNAVAILABLE);
        router.table(vec![pool("one", 100, &[says("in").await])]);
    });
    assert_eq!((one.1.as_str(), two.1.as_str()), ("in", "in"));
    assert_eq!(router.get("/").await.1, "in", "places are free again");
}

#[tokio::test]
async fn a_pool_with_share_and_no_instances_holds() {
    let address = says("up").await;
    let router = Router::start(ProxySettings::default(), vec![pool("one", 100, &[])]).await;
    let (answer, ()) = tokio::join!(router.get("/"), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        router.table(vec![pool("one", 100, &[address])]);
    });
    assert_eq!(answer.1, "up");
}
