//! Who gets which request.

use std::collections::BTreeMap;

use http::{Request, Response};
use tidegate::target::local::proxy::{HeaderMatch, ProxySettings};

use super::kit::{Router, client, full, instance, nobody, pool, says, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_are_divided_exactly() {
    let (stable, canary) = (says("stable").await, says("canary").await);
    let pools = vec![pool("stable", 95, &[stable]), pool("canary", 5, &[canary])];
    let router = Router::start(ProxySettings::default(), pools).await;
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let url = router.url("/");
        senders.spawn(async move {
            let client = client();
            for _ in 0..1250 {
                let request = Request::get(&url).body(full("")).unwrap();
                assert!(text(client.request(request).await.unwrap()).await.0.is_success());
            }
        });
    }
    while let Some(done) = senders.join_next().await {
        done.unwrap();
    }
    assert_eq!(router.counts("canary", 500).await.requests, 500);
    assert_eq!(router.counts("stable", 9500).await.requests, 9500);
    let errors: u64 = router.proxy.counts().values().map(|counts| counts.errors).sum();
    assert_eq!(errors, 0);
}

#[tokio::test]
async fn instances_of_a_release_share_its_requests() {
    let addresses = [says("a").await, says("b").await, says("c").await];
    let router = Router::start(ProxySettings::default(), vec![pool("one", 100, &addresses)]).await;
    let mut seen = BTreeMap::new();
    for _ in 0..30 {
        *seen.entry(router.get("/").await.1).or_insert(0) += 1;
    }
    assert_eq!(seen, BTreeMap::from([("a".to_owned(), 10), ("b".to_owned(), 10), ("c".to_owned(), 10)]));
}

#[tokio::test]
async fn a_busy_instance_gets_less() {
    let slow = instance(|_| async {
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
        Response::new(full("slow"))
    })
    .await;
    let router =
        Router::start(ProxySettings::default(), vec![pool("one", 100, &[slow, says("free").await])]).await;
    let url = router.url("/");
    let stuck =
        tokio::spawn(async move { client().request(Request::get(url).body(full("")).unwrap()).await });
    let busy = super::kit::key("one-0");
    let waiting = async {
        while router.proxy.in_flight(&busy) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    super::kit::within(5, waiting).await;
    for _ in 0..10 {
        assert_eq!(router.get("/").await.1, "free");
    }
    stuck.abort();
}

#[tokio::test]
async fn a_share_without_instances_goes_to_the_others() {
    let pools = vec![pool("gone", 90, &[]), pool("here", 10, &[says("here").await])];
    let router = Router::start(ProxySettings::default(), pools).await;
    for _ in 0..20 {
        assert_eq!(router.get("/").await.1, "here");
    }
}

#[tokio::test]
async fn a_header_leads_to_the_candidate_whatever_its_weight() {
    let mark = HeaderMatch { name: "X-Preview".to_owned(), value: "yes".to_owned() };
    let settings = ProxySettings { header_match: Some(mark), ..ProxySettings::default() };
    let mut candidate = pool("new", 0, &[says("new").await]);
    candidate.candidate = true;
    let router = Router::start(settings, vec![pool("old", 100, &[says("old").await]), candidate]).await;
    for (value, expected) in [("yes", "new"), ("no", "old")] {
        let request = Request::get(router.url("/")).header("x-preview", value).body(full("")).unwrap();
        assert_eq!(text(client().request(request).await.unwrap()).await.1, expected);
    }
}

fn set_cookie(response: &Response<hyper::body::Incoming>) -> Option<String> {
    response.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_visitor_stays_on_a_release_until_it_has_no_share() {
    let settings = ProxySettings { sticky_cookie: Some("side".to_owned()), ..ProxySettings::default() };
    let (old, new) = (says("old").await, says("new").await);
    let router = Router::start(settings, vec![pool("old", 50, &[old]), pool("new", 50, &[new])]).await;
    let ask = |cookie: Option<&'static str>| {
        let mut request = Request::get(router.url("/"));
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        client().request(request.body(full("")).unwrap())
    };
    let first = ask(None).await.unwrap();
    let cookie = set_cookie(&first).expect("a visitor without a cookie gets one");
    assert!(cookie.starts_with("side=") && cookie.contains("HttpOnly"), "{cookie}");
    for _ in 0..10 {
        let response = ask(Some("a=b; side=new")).await.unwrap();
        assert_eq!(set_cookie(&response), None);
        assert_eq!(text(response).await.1, "new");
    }
    router.table(vec![pool("old", 100, &[old]), pool("new", 0, &[new])]);
    let response = ask(Some("side=new")).await.unwrap();
    assert!(set_cookie(&response).unwrap().starts_with("side=old;"));
    assert_eq!(text(response).await.1, "old", "a release that lost its share lost its visitors");
}

#[tokio::test]
async fn the_version_is_announced_unless_told_otherwise() {
    let router = Router::before(says("hello").await).await;
    let get = || client().request(Request::get(router.url("/")).body(full("")).unwrap());
    assert_eq!(get().await.unwrap().headers()["x-tidegate-version"], "v-one");
    router.proxy.configure(ProxySettings { announce: false, ..ProxySettings::default() });
    assert!(!get().await.unwrap().headers().contains_key("x-tidegate-version"));
}

#[tokio::test]
async fn a_refusing_instance_gets_no_request_lost_across_releases() {
    let pools = vec![pool("dead", 50, &[nobody().await]), pool("alive", 50, &[says("alive").await])];
    let router = Router::start(ProxySettings::default(), pools).await;
    for _ in 0..10 {
        assert_eq!(router.get("/").await, (http::StatusCode::OK, "alive".to_owned()));
    }
    assert_eq!(router.counts("alive", 10).await.requests, 10);
    assert_eq!(router.counts("dead", 0).await.requests, 0, "a request belongs to the release that answered");
}
