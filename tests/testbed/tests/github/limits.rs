//! The hourly limit, the secondary one, and what costs nothing.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use testbed::github::{Fault, GitHub, Matcher, World};

use crate::client::{Client, SHOP, WORKFLOW, shop, started, workflow};

#[tokio::test]
async fn the_hours_requests_end_and_come_back() {
    let (github, client) = started(shop()).await;
    let first = client.get("branches").await;
    assert_eq!((first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")), ("5000", "4999"));
    assert_eq!((first.header("x-ratelimit-used"), first.header("x-ratelimit-resource")), ("1", "core"));
    github.limit(WORKFLOW, 1, Duration::from_secs(600));
    assert_eq!(client.get("branches").await.header("x-ratelimit-remaining"), "0");
    let refused = client.get("branches").await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (403, "0"));
    assert!(refused.message().starts_with("API rate limit exceeded for "));
    let asked = client.get("/rate_limit").await;
    assert_eq!((asked.status, &asked.json["resources"]["core"]["remaining"]), (200, &json!(0)));
    assert_eq!(asked.json["rate"]["reset"].to_string(), refused.header("x-ratelimit-reset"));
    github.limit(WORKFLOW, 0, Duration::ZERO);
    assert_eq!(client.get("branches").await.status, 200);
    github.finish().unwrap();
}

#[tokio::test]
async fn a_small_hour_and_the_other_status() {
    let world = World::new().repository(shop()).token(workflow()).hourly_limit(2).limit_status(429);
    let github = GitHub::start(world).await.unwrap();
    let client = Client::new(&github, WORKFLOW);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = client.get("branches").await;
        seen.push((answer.status, answer.header("x-ratelimit-remaining").to_owned()));
    }
    assert_eq!(seen, [(200, "1".to_owned()), (200, "0".to_owned()), (429, "0".to_owned())]);
    github.finish().unwrap();
}

#[tokio::test]
async fn the_secondary_limit_says_when_to_come_again() {
    let (github, client) = started(shop()).await;
    for status in [403, 429] {
        let limit = Fault::SecondaryLimit { retry_after: Duration::from_secs(60), status };
        github.fault(Matcher::any().method("POST").path("/comments"), limit, 1);
    }
    let say = async || client.post("issues/7/comments", json!({"body": "x"})).await;
    assert_eq!(client.get("issues/7/comments").await.status, 200);
    for status in [403, 429] {
        let refused = say().await;
        assert_eq!((refused.status, refused.header("retry-after")), (status, "60"));
        assert!(refused.message().starts_with("You have exceeded a secondary rate limit."));
        assert_ne!(refused.header("x-ratelimit-remaining"), "0");
    }
    assert_eq!(github.repository(SHOP).unwrap().issues[&7].comments.len(), 0);
    assert_eq!((say().await.status, github.faults_left()), (201, 0));
    github.finish().unwrap();
}

#[tokio::test]
async fn an_unchanged_answer_costs_nothing() {
    let (github, client) = started(shop()).await;
    let first = client.get("issues/7/comments").await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with("W/\""), "{etag:?}");
    let again = async || {
        Client::sent(client.request(Method::GET, "issues/7/comments").header("if-none-match", &etag)).await
    };
    let unchanged = again().await;
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));
    assert_eq!(unchanged.header("x-ratelimit-remaining"), first.header("x-ratelimit-remaining"));
    github.change(SHOP, |it| it.issues.get_mut(&7).unwrap().add_comment("monalisa", "new")).unwrap();
    assert_eq!(again().await.status, 200);
    github.finish().unwrap();
}
