//! What is counted, and against whom.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use tidegate::rollout::{Counts, ReleaseId};
use tidegate::target::local::proxy::ProxySettings;

use super::kit::{Router, client, full, instance, pool, says, text};

#[tokio::test]
async fn server_errors_and_slow_requests_are_counted() {
    let address = instance(|request| async move {
        let mut response = Response::new(full("x"));
        match request.uri().path() {
            "/bad" => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
            "/missing" => *response.status_mut() = StatusCode::NOT_FOUND,
            "/slow" => tokio::time::sleep(Duration::from_millis(120)).await,
            _ => {}
        }
        response
    })
    .await;
    let settings = ProxySettings { slow_bound: Some(Duration::from_millis(80)), ..ProxySettings::default() };
    let router = Router::start(settings, vec![pool("one", 100, &[address])]).await;
    for path in ["/", "/bad", "/missing", "/slow", "/bad"] {
        router.get(path).await;
    }
    assert_eq!(router.counts("one", 5).await, Counts { requests: 5, errors: 2, slow: 1 });
}

#[tokio::test]
async fn counts_survive_new_tables() {
    let address = says("x").await;
    let router = Router::before(address).await;
    router.get("/").await;
    router.table(Vec::new());
    router.table(vec![pool("two", 100, &[address])]);
    router.get("/").await;
    router.table(vec![pool("one", 100, &[address])]);
    router.get("/").await;
    assert_eq!(router.counts("one", 2).await.requests, 2);
    assert_eq!(router.counts("two", 1).await.requests, 1);
}

#[tokio::test]
async fn bytes_and_latencies_are_known() {
    let address = instance(|request| async move {
        let (_, body) = text(Response::new(request.into_body())).await;
        Response::new(full(format!("{body}{body}")))
    })
    .await;
    let router = Router::before(address).await;
    let request = Request::post(router.url("/")).body(full("12345")).unwrap();
    assert_eq!(text(client().request(request).await.unwrap()).await.1, "1234512345");
    router.counts("one", 1).await;
    let statistics = router.proxy.statistics().remove(&ReleaseId::new("one")).unwrap();
    assert_eq!((statistics.bytes_in, statistics.bytes_out), (5, 10));
    assert_eq!(statistics.latency.buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 1);
    assert!(statistics.latency.quantile(0.99).is_some_and(|p99| p99 < Duration::from_secs(2)));
}
