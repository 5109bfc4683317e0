//! Tokens and what they may do.

use serde_json::json;
use testbed::github::{Area, Role, Token};

use crate::client::{Client, HEAD, MAIN, SHOP, shop, started};

#[tokio::test]
async fn a_forks_token_reads_and_changes_nothing() {
    let (github, _) = started(shop()).await;
    github.grant(Token::fork("ghs_fork"));
    let fork = Client::new(&github, "ghs_fork");
    assert_eq!(fork.get("pulls/7").await.status, 200);
    let before = github.repository(SHOP).unwrap();
    let refused = [
        (fork.post("check-runs", json!({"name": "g", "head_sha": HEAD})).await, "checks=write"),
        (fork.post("issues/7/comments", json!({"body": "x"})).await, "issues=write; pull_requests=write"),
        (fork.post("deployments", json!({"ref": MAIN})).await, "deployments=write"),
        (fork.post(&format!("statuses/{MAIN}"), json!({"state": "success"})).await, "statuses=write"),
        (fork.post("git/refs", json!({"ref": "refs/tags/x", "sha": MAIN})).await, "contents=write"),
    ];
    for (answer, accepted) in refused {
        assert_eq!((answer.status, answer.message()), (403, "Resource not accessible by integration"));
        assert_eq!(answer.header("x-accepted-github-permissions"), accepted);
    }
    assert_eq!(github.repository(SHOP).unwrap(), before);
    github.finish().unwrap();
}

#[tokio::test]
async fn one_of_several_permissions_opens_and_others_do_not() {
    let (github, _) = started(shop()).await;
    github.grant(Token::workflow("ghs_pulls").write(Area::PullRequests));
    let client = Client::new(&github, "ghs_pulls");
    assert_eq!(client.post("issues/7/comments", json!({"body": "x"})).await.status, 201);
    assert_eq!(client.get("pulls/7").await.status, 200);
    assert_eq!(client.get("deployments").await.status, 403);
    assert_eq!(client.get("").await.status, 200, "metadata can always be read");
    github.finish().unwrap();
}

#[tokio::test]
async fn a_private_repository_is_not_there_for_those_without() {
    let (github, client) = started(shop().private()).await;
    github.grant(Token::workflow("ghs_other").only("acme/other").read(Area::Contents));
    let other = Client::new(&github, "ghs_other");
    assert_eq!(client.get("branches").await.status, 200);
    assert_eq!((other.get("branches").await.status, other.get("").await.status), (404, 404));
    assert_eq!(client.get("/repos/acme/none/branches").await.status, 404);
    github.finish().unwrap();
}

#[tokio::test]
async fn without_a_good_token_nothing_is_answered() {
    let (github, client) = started(shop()).await;
    let unknown = Client::new(&github, "ghs_unknown").get("branches").await;
    assert_eq!((unknown.status, unknown.message()), (401, "Bad credentials"));
    let mut request = client.request(reqwest::Method::GET, "branches").build().unwrap();
    request.headers_mut().remove("authorization");
    let bare = reqwest::Client::builder().user_agent("testbed").build().unwrap();
    assert_eq!(bare.execute(request).await.unwrap().status().as_u16(), 401);
    let logged = github.log();
    assert_eq!((logged[0].token.as_deref(), logged[0].login.as_deref()), (Some("ghs_unknown"), None));
    assert!(logged.iter().all(|it| !it.headers.contains_key("authorization")));
    github.finish().unwrap();
}

#[tokio::test]
async fn roles_are_said_in_both_ways() {
    let (github, client) = started(shop().collaborator("hubot", Role::Triage)).await;
    let role = async |login: &str| {
        let answer = client.get(&format!("collaborators/{login}/permission")).await;
        assert_eq!(answer.status, 200);
        (
            answer.json["permission"].as_str().unwrap().to_owned(),
            answer.json["role_name"].as_str().unwrap().to_owned(),
        )
    };
    let both = |permission: &str, role: &str| (permission.to_owned(), role.to_owned());
    assert_eq!(role("monalisa").await, both("write", "maintain"));
    assert_eq!(role("hubot").await, both("read", "triage"));
    assert_eq!(role("acme").await, both("admin", "admin"));
    assert_eq!(role("stranger").await, both("read", "read"));
    let bot = client.get("collaborators/github-actions%5Bbot%5D/permission").await;
    assert_eq!((bot.status, bot.message()), (404, "github-actions[bot] is not a user"));
    github.change(SHOP, |it| it.private = true).unwrap();
    assert_eq!(role("stranger").await, both("none", "none"));
    github.finish().unwrap();
}
