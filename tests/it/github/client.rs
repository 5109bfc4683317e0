//! The client itself, by what it asks and how often.

use std::time::{Duration, Instant};

use testbed::github::{Area, Fault, Matcher, Token};
use tidegate::github::comments::{self, Reaction};
use tidegate::github::{deployments, people};

use super::kit::*;
use crate::tiers::wanted;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_is_asked_for_by_its_etag() {
    if !wanted("testbed", "conditional requests") {
        return;
    }
    let github = started(shop(), token()).await;
    let client = client(&github);
    for _ in 0..3 {
        assert_eq!(deployments::list(&client, "test").await.unwrap(), []);
    }
    let statuses: Vec<_> = github.log().iter().map(|exchange| exchange.status.unwrap()).collect();
    assert_eq!(statuses, [200, 304, 304]);
    github.change(SHOP, |shop| shop.deploy(testbed::github::Deployment::new(MAIN, "test"))).unwrap();
    assert_eq!(deployments::list(&client, "test").await.unwrap().len(), 1, "what has changed is read anew");
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_says_which_api_it_means_and_never_shows_the_token() {
    if !wanted("testbed", "the headers of requests") {
        return;
    }
    let github = started(shop(), token()).await;
    let client = client(&github);
    people::permission(&client, "monalisa").await.unwrap();
    let sent = &github.log()[0];
    assert_eq!(sent.headers["accept"], "application/vnd.github+json");
    assert_eq!(sent.headers["x-github-api-version"], "2022-11-28");
    assert_eq!(sent.token.as_deref(), Some(SECRET));
    assert!(!format!("{client:?}").contains(SECRET));
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_three_times_and_a_short_limit_is_waited_for() {
    if !wanted("testbed", "tries of requests") {
        return;
    }
    let github = started(shop(), token()).await;
    let client = client(&github);
    github.fault(Matcher::any(), Fault::Status(503), 2);
    assert!(people::permission(&client, "monalisa").await.unwrap().may_deploy());
    github.fault(Matcher::any(), Fault::Status(503), 3);
    let failure = people::permission(&client, "tessa").await.unwrap_err();
    assert_eq!(failure.code, "github-unreachable");
    assert_eq!(github.log().len(), 6);
    let limit = Fault::SecondaryLimit { retry_after: Duration::from_secs(60), status: 403 };
    github.fault(Matcher::any(), limit, 1);
    let begun = Instant::now();
    let failure = people::permission(&client, "tessa").await.unwrap_err();
    assert_eq!(failure.code, "github-limit");
    assert!(begun.elapsed() < Duration::from_secs(2), "a call does not wait for a minute");
    let failure = people::permission(&client, "tessa").await.unwrap_err();
    assert_eq!((failure.code, github.log().len()), ("github-limit", 7), "before its end nothing is sent");
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named_by_its_key_in_the_workflow() {
    if !wanted("testbed", "a missing permission") {
        return;
    }
    let github = started(shop(), Token::workflow(SECRET).read(Area::Issues)).await;
    let failure = comments::create(&client(&github), 7, "x").await.unwrap_err();
    assert_eq!(failure.code, "github-permission");
    let hint = failure.hint.unwrap();
    assert_eq!(hint, "the workflow's `permissions:` lack `issues: write` or `pull-requests: write`");
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_there_once_however_often_it_is_set() {
    if !wanted("testbed", "a reaction as receipt") {
        return;
    }
    let mut shop = shop();
    let comment = shop.issues.get_mut(&7).unwrap().add_comment("monalisa", "/deploy");
    let github = started(shop, token()).await;
    let client = client(&github);
    for reaction in [Reaction::Eyes, Reaction::Eyes, Reaction::Done, Reaction::Refused, Reaction::Rocket] {
        comments::react(&client, comment, reaction).await.unwrap();
    }
    let reactions = github.repository(SHOP).unwrap().issues[&7].comments[0].reactions.clone();
    let contents: Vec<_> = reactions.iter().map(|reaction| reaction.content.as_str()).collect();
    assert_eq!(contents, ["eyes", "+1", "-1", "rocket"]);
    github.finish().unwrap();
}
