//! HTTP/2 with prior knowledge, on either side.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidegate::target::local::proxy::{ProxySettings, UpstreamProtocol};

use super::kit::{Body, Router, client, full, instance, nobody, pool, raw, says, text};

fn h2_client() -> Client<hyper_util::client::legacy::connect::HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

/// Tells how a request arrived.
async fn mirror() -> std::net::SocketAddr {
    instance(|request| async move {
        let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
        let host = host.or_else(|| request.uri().authority().map(ToString::to_string));
        let cookies: Vec<_> =
            request.headers().get_all("cookie").iter().map(|c| c.to_str().unwrap().to_owned()).collect();
        let (version, path) = (request.version(), request.uri().path().to_owned());
        let (_, body) = text(Response::new(request.into_body())).await;
        Response::new(full(format!("{version:?} {path} {} {cookies:?} {body}", host.unwrap_or_default())))
    })
    .await
}

#[tokio::test]
async fn a_client_that_speaks_h2c_reaches_an_instance_that_speaks_http1() {
    let router = Router::before(mirror().await).await;
    let request = Request::post(router.url("/path"))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(full("body"))
        .unwrap();
    let response = h2_client().request(request).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    let expected = format!("HTTP/1.1 /path {} [\"a=1; b=2\"] body", router.address);
    assert_eq!(text(response).await.1, expected);
}

#[tokio::test]
async fn many_streams_of_one_connection() {
    let router = Router::before(says("x").await).await;
    let client = h2_client();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let answer = client.request(Request::get(router.url("/")).body(full("")).unwrap());
        all.spawn(async move { text(answer.await.unwrap()).await.0 });
    }
    while let Some(status) = all.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    assert_eq!(router.counts("one", 100).await.requests, 100);
}

async fn h2c_router(addresses: &[std::net::SocketAddr]) -> Router {
    let settings = ProxySettings { upstream: UpstreamProtocol::H2c, ..ProxySettings::default() };
    Router::start(settings, vec![pool("one", 100, addresses)]).await
}

#[tokio::test]
async fn an_instance_that_speaks_h2c_gets_all_on_one_connection() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let address = raw(move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async move {
                let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
                let (_, body) = text(Response::new(request.into_body())).await;
                Ok::<_, std::convert::Infallible>(Response::new(full(format!("{host} {body}"))))
            });
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    let router = h2c_router(&[address]).await;
    for number in 0..20 {
        let request =
            Request::post(router.url("/")).header("te", "trailers").body(full(number.to_string())).unwrap();
        let (status, answer) = text(client().request(request).await.unwrap()).await;
        assert_eq!((status, answer), (StatusCode::OK, format!("{} {number}", router.address)));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_h2c_instance_that_is_away_is_passed_over() {
    let router = h2c_router(&[nobody().await, mirror().await]).await;
    for _ in 0..6 {
        assert!(router.get("/").await.1.starts_with("HTTP/2.0 / "));
    }
}

#[tokio::test]
async fn a_response_of_an_h2c_instance_keeps_its_trailers() {
    let address = instance(|_| async {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        Response::new(full("x").with_trailers(async move { Some(Ok(trailers)) }).boxed())
    })
    .await;
    let router = h2c_router(&[address]).await;
    let response = h2_client().request(Request::get(router.url("/")).body(full("")).unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
}
