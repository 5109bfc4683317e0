//! Refs, commits and files.

use reqwest::Method;
use serde_json::json;
use testbed::github::Commit;

use crate::client::{Client, HEAD, MAIN, ROOT, SHOP, shop, started};

#[tokio::test]
async fn refs_are_made_moved_forward_forced_and_removed() {
    let (github, client) = started(shop()).await;
    let at = || github.repository(SHOP).unwrap().refs.get("refs/tags/live/a").cloned();
    let make = async |name: &str| client.post("git/refs", json!({"ref": name, "sha": MAIN})).await;
    assert_eq!(make("refs/tags/live/a").await.status, 201);
    assert_eq!(make("refs/tags/live/a").await.message(), "Reference already exists");
    assert_eq!(make("tags/live/a").await.status, 422);
    let path = "git/refs/tags/live/a";
    assert_eq!(client.patch(path, json!({"sha": HEAD})).await.status, 200);
    let refused = client.patch(path, json!({"sha": ROOT})).await;
    assert_eq!((refused.status, refused.message()), (422, "Update is not a fast forward"));
    assert_eq!(at().as_deref(), Some(HEAD));
    assert_eq!(client.patch(path, json!({"sha": ROOT, "force": true})).await.status, 200);
    assert_eq!(client.get("git/ref/tags/live/a").await.json["object"]["sha"], ROOT);
    assert_eq!(client.get("git/matching-refs/tags/li").await.json.as_array().unwrap().len(), 1);
    assert_eq!(client.get("tags").await.json[0]["name"], "live/a");
    assert_eq!(client.delete(path).await.status, 204);
    assert_eq!((client.delete(path).await.status, at()), (422, None));
    assert_eq!(client.get("git/ref/tags/live/a").await.status, 404);
    github.finish().unwrap();
}

#[tokio::test]
async fn commits_compare_by_their_parents() {
    let (github, client) = started(shop()).await;
    let compare = async |spelled: &str| client.get(&format!("compare/{spelled}")).await.json;
    let ahead = compare("main...topic").await;
    assert_eq!((&ahead["status"], &ahead["ahead_by"]), (&json!("ahead"), &json!(1)));
    assert_eq!(compare(&format!("{HEAD}...{ROOT}")).await["status"], "behind");
    assert_eq!(compare("main...main").await["status"], "identical");
    let other = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";
    github.change(SHOP, |it| it.push("main", Commit::new(other, "pushed").after(MAIN))).unwrap();
    let diverged = compare("main...topic").await;
    assert_eq!((&diverged["status"], &diverged["behind_by"]), (&json!("diverged"), &json!(1)));
    assert_eq!(diverged["merge_base_commit"]["sha"], MAIN);
    assert_eq!(client.get("commits/heads/topic").await.json["sha"], HEAD);
    assert_eq!(client.get("commits/gone").await.status, 422);
    let plain = client.request(Method::GET, "commits/topic").header("accept", "application/vnd.github.sha");
    assert_eq!(Client::sent(plain).await.status, 200);
    github.finish().unwrap();
}

#[tokio::test]
async fn files_come_in_base64_or_as_they_are() {
    let repository = shop().file(".github/tidegate.yaml", "app: shop\n").file_at(
        HEAD,
        ".github/tidegate.yaml",
        "app: new\n",
    );
    let (github, client) = started(repository).await;
    let path = "contents/.github/tidegate.yaml";
    let file = client.get(path).await.json;
    assert_eq!((&file["encoding"], &file["content"]), (&json!("base64"), &json!("YXBwOiBzaG9wCg==\n")));
    assert_eq!(client.get(&format!("{path}?ref=topic")).await.json["content"], "YXBwOiBuZXcK\n");
    let mut raw = client.request(Method::GET, path).build().unwrap();
    raw.headers_mut().insert("accept", "application/vnd.github.raw+json".parse().unwrap());
    let http = reqwest::Client::builder().user_agent("testbed").build().unwrap();
    assert_eq!(http.execute(raw).await.unwrap().text().await.unwrap(), "app: shop\n");
    assert_eq!(client.get("contents/.github").await.json[0]["name"], "tidegate.yaml");
    assert_eq!(client.get("contents/none").await.status, 404);
    assert_eq!(client.get(&format!("{path}?ref=gone")).await.message(), "No commit found for the ref gone");
    github.finish().unwrap();
}
