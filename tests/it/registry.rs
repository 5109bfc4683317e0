//! How registries are asked: tokens, passwords, patience. The registry here answers by a function; the real one is asked in `parts`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidegate::registry::{Credentials, Image, Registries};
use tokio::net::TcpListener;

/// What is asked of the registry: method, path with query, `Authorization`, body.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    method: String,
    path: String,
    pub(super) authorization: String,
    body: String,
}

/// Status, one header, body.
type Answer = (u16, Option<(&'static str, String)>, String);

/// A registry on the loopback, in plain http, that answers by a function of its address and of what is asked.
async fn registry(answer: impl Fn(SocketAddr, Asked) -> Answer + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = Arc::clone(&answer);
                async move { Ok::<_, Infallible>(respond(address, request, &*answer).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

async fn respond(
    address: SocketAddr,
    request: Request<Incoming>,
    answer: &(dyn Fn(SocketAddr, Asked) -> Answer + Send + Sync),
) -> Response<Full<Bytes>> {
    let header = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let (status, header, body) =
        answer(address, Asked { method, path, authorization: header.unwrap_or_default(), body });
    let mut response = Response::builder().status(status);
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(body))).unwrap()
}

const INDEX: &str = r#"{"manifests": [{"platform": {"os": "linux", "architecture": "arm64"}}]}"#;

async fn probe(image: &str, credentials: &Credentials) -> Image {
    let registries = Registries::new().unwrap().patient_for(Duration::from_secs(2));
    registries.probe(image, credentials).await
}

fn credentials(address: SocketAddr, entry: &str) -> Credentials {
    let mut credentials = Credentials::default();
    let json = format!(r#"{{"auths": {{"{address}": {entry}}}}}"#);
    credentials.add("a test's secret", json.as_bytes()).unwrap();
    credentials
}

fn is_present(image: &Image) -> bool {
    matches!(image, Image::Present { platforms, .. } if platforms[0].to_string() == "linux/arm64")
}

/// A registry with a token server, which gives a token to whom `takes` lets in.
pub(super) async fn with_tokens(takes: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> SocketAddr {
    registry(move |address, asked| {
        if asked.path.starts_with("/token") {
            let whole = format!("{}&{}", asked.path, asked.body);
            assert!(whole.contains("service=registry.test"), "{asked:?}");
            assert!(whole.contains("scope=repository%3Ateam%2Fshop%3Apull"), "{asked:?}");
            return match takes(&asked) {
                true => (200, None, r#"{"token": "opened"}"#.to_owned()),
                false => (401, None, "no".to_owned()),
            };
        }
        assert_eq!(asked.path, "/v2/team/shop/manifests/1.0");
        if asked.authorization == "Bearer opened" {
            return (200, None, INDEX.to_owned());
        }
        let challenge = format!(r#"Bearer realm="http://{address}/token",service="registry.test""#);
        (401, Some(("www-authenticate", challenge)), r#"{"errors": []}"#.to_owned())
    })
    .await
}

#[tokio::test]
async fn a_token_is_had_by_anybody_by_password_and_by_refresh_token() {
    let open = with_tokens(|asked| asked.authorization.is_empty()).await;
    assert!(is_present(&probe(&format!("{open}/team/shop:1.0"), &Credentials::default()).await));

    let closed = with_tokens(|asked| asked.authorization == "Basic YWRhOmh1bnRlcjI=").await;
    let image = format!("{closed}/team/shop:1.0");
    assert_eq!(probe(&image, &Credentials::default()).await, Image::Forbidden { tried: false });
    let wrong = credentials(closed, r#"{"username": "ada", "password": "wrong"}"#);
    assert_eq!(probe(&image, &wrong).await, Image::Forbidden { tried: true });
    let mut both = wrong;
    both.extend(credentials(closed, r#"{"username": "ada", "password": "hunter2"}"#));
    assert!(is_present(&probe(&image, &both).await), "the second one is right");

    let refreshed = with_tokens(|asked| {
        asked.method == "POST"
            && asked.body.contains("grant_type=refresh_token&client_id=tidegate&refresh_token=a%26b")
    })
    .await;
    let known = credentials(refreshed, r#"{"identitytoken": "a&b"}"#);
    assert!(is_present(&probe(&format!("{refreshed}/team/shop:1.0"), &known).await));
}

#[tokio::test]
async fn a_registry_that_takes_passwords_itself_gets_one() {
    let address = registry(|_, asked| match asked.authorization.as_str() {
        "Basic YWRhOmh1bnRlcjI=" => (200, None, INDEX.to_owned()),
        _ => (401, Some(("www-authenticate", "Basic realm=\"x\"".to_owned())), String::new()),
    })
    .await;
    let image = format!("{address}/shop");
    assert_eq!(probe(&image, &Credentials::default()).await, Image::Forbidden { tried: false });
    let known = credentials(address, r#"{"auth": "YWRhOmh1bnRlcjI="}"#);
    assert!(is_present(&probe(&image, &known).await));
}

#[tokio::test]
async fn a_password_does_not_go_over_plain_http_to_another_machine() {
    let address = registry(|_, _| {
        let challenge = "Bearer realm=\"http://auth.example.com/token\"".to_owned();
        (401, Some(("www-authenticate", challenge)), String::new())
    })
    .await;
    let known = credentials(address, r#"{"username": "ada", "password": "hunter2"}"#);
    let Image::Unknown { why } = probe(&format!("{address}/shop:1"), &known).await else { panic!() };
    assert!(why.contains("would have to go over plain http") && !why.contains("hunter2"), "{why}");
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_and_then_it_is_unknown() {
    let times = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&times);
    let address = registry(move |_, _| match seen.fetch_add(1, Ordering::SeqCst) {
        0 => (429, Some(("retry-after", "1".to_owned())), String::new()),
        _ => (200, None, INDEX.to_owned()),
    })
    .await;
    let began = Instant::now();
    assert!(is_present(&probe(&format!("{address}/shop:1"), &Credentials::default()).await));
    assert!(began.elapsed() >= Duration::from_secs(1), "it did not wait as long as it was told to");

    let address = registry(|_, _| (503, None, String::new())).await;
    let Image::Unknown { why } = probe(&format!("{address}/shop:1"), &Credentials::default()).await else {
        panic!()
    };
    assert_eq!(why, format!("registry {address} answers 503 Service Unavailable"));
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let Image::Unknown { why } = probe(&format!("{gone}/shop:1"), &Credentials::default()).await else {
        panic!()
    };
    assert!(why.contains("does not answer") && why.contains("refused"), "{why}");
}

#[tokio::test]
async fn what_is_no_registry_does_not_say_that_an_image_is_absent() {
    let address = registry(|_, asked| match asked.path.contains("/there/") {
        true => (200, None, "<html>".to_owned()),
        false => (404, None, "<html>".to_owned()),
    })
    .await;
    for name in ["shop", "there/shop"] {
        let image = format!("{address}/{name}:1");
        let Image::Unknown { why } = probe(&image, &Credentials::default()).await else { panic!() };
        assert_eq!(why, format!("{address} answers, but not as a registry does"));
    }
    let absent = registry(|_, _| (404, None, r#"{"errors": [{"code": "NAME_UNKNOWN"}]}"#.to_owned())).await;
    assert_eq!(probe(&format!("{absent}/shop:1"), &Credentials::default()).await, Image::Absent);
}

#[tokio::test]
async fn an_image_is_asked_for_once_and_another_content_than_the_digests_is_not_taken() {
    let times = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&times);
    let address = registry(move |_, _| {
        seen.fetch_add(1, Ordering::SeqCst);
        (200, None, INDEX.to_owned())
    })
    .await;
    let image = format!("{address}/shop:1");
    let other = format!("{address}/shop@sha256:{}", "0".repeat(64));
    let asked = [image.clone(), image.clone(), other.clone(), "shop:1".to_owned()];
    let found = Registries::new().unwrap().probe_all(asked, &Credentials::default()).await;
    assert_eq!((found.len(), times.load(Ordering::SeqCst)), (3, 2));
    assert!(is_present(&found[&image]));
    assert!(matches!(&found[&other], Image::Unknown { why } if why.contains("gives another manifest than")));
    assert!(matches!(&found["shop:1"], Image::Unknown { why } if why.contains("says no registry")));
}
