//! What goes wrong on demand.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use testbed::github::{Fault, Matcher};

use crate::client::{SHOP, shop, started};

#[tokio::test]
async fn a_bad_gateway_changes_nothing_and_ends() {
    let (github, client) = started(shop()).await;
    github.fault(Matcher::operation("issues/create-comment"), Fault::Status(502), 2);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.post("issues/7/comments", json!({"body": "x"})).await.status);
    }
    assert_eq!(statuses, [502, 502, 201]);
    assert_eq!(github.repository(SHOP).unwrap().issues[&7].comments.len(), 1);
    let logged: Vec<_> = github.log().into_iter().filter(|it| it.is("issues/create-comment")).collect();
    let logged: Vec<_> = logged.into_iter().map(|it| (it.status, it.fault.is_some(), it.writes())).collect();
    assert_eq!(logged, [(Some(502), true, true), (Some(502), true, true), (Some(201), false, true)]);
    github.finish().unwrap();
}

#[tokio::test]
async fn a_slow_answer_is_acted_on_whether_or_not_it_is_waited_for() {
    let (github, client) = started(shop()).await;
    let wait = Duration::from_millis(300);
    github.fault(Matcher::any(), Fault::Slow(wait), 1);
    let begun = Instant::now();
    assert_eq!(client.post("issues/7/comments", json!({"body": "one"})).await.status, 201);
    assert!(begun.elapsed() >= wait);
    github.fault(Matcher::any(), Fault::Slow(Duration::from_secs(60)), 1);
    let request = client.request(Method::POST, "issues/7/comments").json(&json!({"body": "two"}));
    let error = request.timeout(Duration::from_millis(700)).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(github.repository(SHOP).unwrap().issues[&7].comments.len(), 2);
    github.finish().unwrap();
}

#[tokio::test]
async fn a_cut_connection_gives_no_answer_and_one_after_acting_loses_it() {
    let (github, client) = started(shop()).await;
    let say =
        async || client.request(Method::POST, "issues/7/comments").json(&json!({"body": "x"})).send().await;
    let comments = || github.repository(SHOP).unwrap().issues[&7].comments.len();
    github.fault(Matcher::any(), Fault::CutConnection, 1);
    let error = say().await.unwrap_err();
    assert!(error.is_request() && !error.is_timeout(), "{error:?}");
    assert_eq!(comments(), 0);
    github.fault(Matcher::any(), Fault::CutAfterAct, 1);
    assert!(say().await.is_err());
    assert_eq!(comments(), 1);
    assert_eq!(say().await.unwrap().status().as_u16(), 201);
    // Now there is a connection that was good once.
    github.fault(Matcher::any(), Fault::CutAfterAct, 1);
    assert!(say().await.is_err());
    let statuses: Vec<_> = github.log().iter().map(|it| it.status).collect();
    assert_eq!(statuses, [None, None, Some(201), None], "no request is sent twice unseen");
    assert_eq!(comments(), 3);
    github.finish().unwrap();
}

#[tokio::test]
async fn garbage_is_a_page_where_json_was_expected() {
    let (github, client) = started(shop()).await;
    github.fault(Matcher::any().path("/branches"), Fault::Garbage, 1);
    let answer = client.get("branches").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(answer.text.starts_with("<!DOCTYPE html>"));
    assert_eq!(client.get("branches").await.json.as_array().unwrap().len(), 2);
    github.finish().unwrap();
}
