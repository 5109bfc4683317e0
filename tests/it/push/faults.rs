//! What goes wrong, each with its code, and what is left: never a tag that names less than all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use tidegate::registry::{Package, Reference, RegistryError, Right, push};
use tokio::net::TcpListener;

use super::cut::way;
use super::fake::{Answer, Asked, Fake, Manner};
use super::kit::{QUICK, carrier, image, repository, repository_as, text};

fn manner(fault: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Manner {
    Manner { fault: Arc::new(fault), ..Manner::default() }
}

fn package() -> Package {
    image(&[text(1, 40), text(2, 6 << 20)])
}

/// Pushes to a registry that behaves so; the error, and how it stands there.
async fn fails(manner: Manner) -> (RegistryError, Fake) {
    let fake = Fake::new(manner).await;
    let to = repository(fake.address, "shop").await;
    let error = push(&package(), &to, &["1".to_owned()], None).await.unwrap_err();
    assert!(fake.kept.lock().unwrap().tags.is_empty(), "{error}");
    (error, fake)
}

fn says(status: u16, code: &str, message: &str) -> Option<Answer> {
    Some((status, Vec::new(), format!(r#"{{"errors": [{{"code": "{code}", "message": "{message}"}}]}}"#)))
}

#[tokio::test]
async fn each_refusal_has_its_code_and_one_sentence() {
    for (status, code, message, expected) in [
        (403, "DENIED", "requested access to the resource is denied", "registry-refused"),
        (401, "UNAUTHORIZED", "authentication required", "registry-refused"),
        (403, "DENIED", "adding 6 MiB exceeds the quota of 5 MiB", "registry-full"),
        (413, "SIZE_INVALID", "too large", "registry-full"),
        (507, "UNKNOWN", "", "registry-full"),
        (429, "TOOMANYREQUESTS", "slow down", "registry-unreachable"),
        (503, "UNAVAILABLE", "", "registry-unreachable"),
        (405, "UNSUPPORTED", "read only", "registry-answer"),
        (404, "NAME_UNKNOWN", "no such repository", "no-repository"),
    ] {
        let (error, _) = fails(manner(move |asked| {
            (asked.method == Method::POST).then(|| says(status, code, message)).flatten()
        }))
        .await;
        assert_eq!(error.code, expected, "{status}: {error}");
        assert!(!error.sentence.contains('\n') && error.sentence.contains("127.0.0.1"), "{error}");
        if expected == "registry-unreachable" {
            assert!(error.sentence.contains("9 tries"), "{error}");
        }
    }
}

#[tokio::test]
async fn quota_that_is_full_in_mid_upload_is_told_as_such() {
    for method in [Method::PATCH, Method::PUT] {
        let (error, fake) = fails(manner(move |asked| {
            let is_upload = asked.path.contains("/uploads/") && asked.method == method;
            is_upload.then(|| says(507, "UNKNOWN", "disk full")).flatten()
        }))
        .await;
        assert_eq!(error.code, "registry-full", "{error}");
        assert!(fake.count("POST") <= 3, "it was tried again");
    }
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_when_it_says() {
    let times = AtomicUsize::new(0);
    let fake = Fake::new(manner(move |asked| {
        let is_first = asked.method == Method::POST && times.fetch_add(1, Ordering::SeqCst) == 0;
        is_first.then(|| (429, vec![("retry-after", "1".to_owned())], String::new()))
    }))
    .await;
    let to = repository(fake.address, "shop").await;
    let began = Instant::now();
    push(&package(), &to, &["1".to_owned()], None).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(fake.is_whole("shop", "1"));
}

#[tokio::test]
async fn a_registry_that_is_down_is_told_in_one_sentence() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let to = repository(gone, "shop").await;
    let error = push(&package(), &to, &["1".to_owned()], None).await.unwrap_err();
    assert_eq!(error.code, "registry-unreachable");
    assert!(error.sentence.contains("does not answer") && error.sentence.contains("9 tries"), "{error}");
}

#[tokio::test]
async fn a_registry_that_takes_another_digest_for_it_is_not_believed() {
    let zeros = format!("sha256:{}", "0".repeat(64));
    let (error, _) = fails(manner(move |asked| {
        let is_end = asked.path.contains("/uploads/") && asked.method == Method::PUT;
        is_end.then(|| (201, vec![("docker-content-digest", zeros.clone())], String::new()))
    }))
    .await;
    assert_eq!(error.code, "digest-mismatch", "{error}");
}

#[tokio::test]
async fn tokens_are_asked_for_with_the_right_to_push_and_got_anew_when_they_run_out() {
    let state: Arc<Mutex<HashMap<&str, usize>>> = Arc::default();
    let seen = Arc::clone(&state);
    let address = Arc::new(Mutex::new(String::new()));
    let own = Arc::clone(&address);
    let fake = Fake::new(manner(move |asked| {
        let mut state = seen.lock().unwrap();
        let tokens = state.get("tokens").copied().unwrap_or_default();
        if asked.path == "/token" {
            assert!(asked.query.contains("scope=repository%3Ashop%3Apull%2Cpush"), "{asked:?}");
            if asked.authorization != "Basic YWRhOmh1bnRlcjI=" {
                return Some((401, Vec::new(), String::new()));
            }
            state.insert("tokens", tokens + 1);
            state.insert("uses", 0);
            return Some((200, Vec::new(), format!(r#"{{"token": "t{}"}}"#, tokens + 1)));
        }
        // Each token is good for five requests.
        *state.entry("uses").or_default() += 1;
        if asked.authorization == format!("Bearer t{tokens}") && state["uses"] <= 5 {
            return None;
        }
        let realm = format!(r#"Bearer realm="http://{}/token",service="registry.test""#, own.lock().unwrap());
        Some((401, vec![("www-authenticate", realm)], String::new()))
    }))
    .await;
    *address.lock().unwrap() = fake.address.to_string();
    let entry = r#"{"username": "ada", "password": "hunter2"}"#;
    let to = repository_as(fake.address, "shop", entry, QUICK).await;
    push(&package(), &to, &["1".to_owned()], None).await.unwrap();
    assert!(fake.is_whole("shop", "1"));
    assert!(state.lock().unwrap()["tokens"] >= 2);

    let entry = r#"{"username": "ada", "password": "wrong-pass"}"#;
    let to = repository_as(fake.address, "shop", entry, QUICK).await;
    let error = push(&package(), &to, &["2".to_owned()], None).await.unwrap_err();
    assert_eq!(error.code, "registry-refused", "{error}");
    assert!(!format!("{error:?}").contains("wrong-pass") && error.hint.unwrap().contains("docker login"));
}

#[tokio::test]
async fn a_broken_upload_goes_on_from_where_it_was() {
    for tells_range in [true, false] {
        let fake = Fake::new(Manner { tells_range, ..Manner::default() }).await;
        let package = image(&[text(1, 8 << 20)]);
        // Half of the layer goes on each connection that has one: only those with that much on them break.
        let (address, _) = way(fake.address, vec![(5 << 20, usize::MAX); 4]).await;
        let to = repository(address, "shop").await;
        let pushed = push(&package, &to, &["1".to_owned()], None).await;
        if tells_range {
            let pushed = pushed.unwrap();
            assert!(pushed.resumed >= 1, "{pushed:?}");
            assert!(pushed.sent < 15 << 20, "{pushed:?}");
        } else {
            assert_eq!(pushed.unwrap().resumed, 0);
        }
        assert!(fake.is_whole("shop", "1"));
    }
}

#[tokio::test]
async fn of_two_tags_none_is_left_alone_when_the_other_cannot_be_set() {
    let refuses = |asked: &Asked| {
        let is_it = asked.method == Method::PUT && asked.path.ends_with("/manifests/second");
        is_it.then(|| says(403, "DENIED", "this tag is immutable")).flatten()
    };
    let fake = Fake::new(manner(refuses)).await;
    let to = repository(fake.address, "shop").await;
    let old = image(&[text(9, 10)]);
    push(&old, &to, &["first".to_owned()], None).await.unwrap();
    let tags = ["first".to_owned(), "second".to_owned()];
    let error = push(&package(), &to, &tags, None).await.unwrap_err();
    assert_eq!(error.code, "registry-refused", "{error}");
    assert!(error.sentence.contains("no other was") && error.sentence.contains("immutable"), "{error}");
    let first = fake.kept.lock().unwrap().tags[&("shop".to_owned(), "first".to_owned())].clone();
    assert_eq!(first, old.root().unwrap().digest, "the first tag is what it was");

    // A tag that was not there before cannot be taken away again: that is told.
    let tags = ["new".to_owned(), "second".to_owned()];
    let error = push(&package(), &to, &tags, None).await.unwrap_err();
    assert_eq!(error.code, "half-tagged", "{error}");
    assert!(fake.is_whole("shop", "new"));
}

#[tokio::test]
async fn redirects_to_private_addresses_are_followed_only_when_allowed() {
    let store = Fake::new(Manner::default()).await;
    let package = image(&[text(1, 40)]);
    push(&package, &repository(store.address, "shop").await, &["1".to_owned()], None).await.unwrap();
    // The same on the loopback by another name: that is another host.
    let port = store.address.port();
    let elsewhere = manner(move |asked| {
        let is_blob = asked.method == Method::GET && asked.path.contains("/blobs/sha256");
        is_blob.then(|| {
            (307, vec![("location", format!("http://127.0.0.2:{port}{}", asked.path))], String::new())
        })
    });
    let leading = Fake::new(elsewhere).await;
    leading.kept.lock().unwrap().manifests = store.kept.lock().unwrap().manifests.clone();
    leading.kept.lock().unwrap().tags = store.kept.lock().unwrap().tags.clone();
    let name = Reference::parse(&format!("{}/shop:1", leading.address)).unwrap();
    let digest = package.documents[0].blobs[1].digest.clone();
    let closed = carrier(false).repository(&name, Right::Pull).await.unwrap();
    let error = closed.small(&digest).await.unwrap_err();
    assert_eq!(error.code, "unsafe-redirect", "{error}");
    let open = carrier(true).repository(&name, Right::Pull).await.unwrap();
    // Nobody listens there: that it is asked is enough.
    let error = open.small(&digest).await.unwrap_err();
    assert!(error.code == "registry-unreachable" && error.sentence.contains("127.0.0.2"), "{error}");
}
