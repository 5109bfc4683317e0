//! Pull requests.

use serde_json::Value;
use testbed::github::{Issue, Pull};

use crate::client::{HEAD, MAIN, ROOT, shop, started};

fn more() -> testbed::github::Repository {
    let fork = Pull::new(("topic", ROOT), ("main", ROOT)).from_fork("mallory/shop").draft();
    let merged = Pull::new(("done", HEAD), ("release/1", ROOT)).merged(MAIN);
    shop()
        .issue(Issue::new(8, "From a fork").by("mallory").pull(fork))
        .issue(Issue::new(9, "Done").pull(merged).closed())
        .issue(Issue::new(10, "No pull request"))
}

#[tokio::test]
async fn a_list_is_filtered_and_sorted() {
    let (github, client) = started(more()).await;
    let numbers = async |path: &str| {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let list = answer.json.as_array().unwrap().clone();
        list.iter().map(|it| it["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers("pulls").await, [8, 7]);
    assert_eq!(numbers("pulls?direction=asc&state=all").await, [7, 8, 9]);
    assert_eq!(numbers("pulls?state=closed").await, [9]);
    assert_eq!(numbers("pulls?head=acme:topic").await, [7]);
    assert_eq!(numbers("pulls?head=mallory:topic").await, [8]);
    assert_eq!(numbers("pulls?base=release/1&state=all").await, [9]);
    assert_eq!(numbers("pulls?per_page=1&page=2&sort=updated").await, [8]);
    assert_eq!(numbers(&format!("commits/{MAIN}/pulls")).await, [9]);
    assert_eq!(numbers(&format!("commits/{HEAD}/pulls")).await, [9, 7]);
    github.finish().unwrap();
}

#[tokio::test]
async fn a_pull_request_tells_its_files_commits_and_where_it_comes_from() {
    let (github, client) = started(more()).await;
    let pull = client.get("pulls/7").await.json;
    assert_eq!((&pull["head"]["sha"], &pull["base"]["ref"]), (&Value::from(HEAD), &Value::from("main")));
    assert_eq!((&pull["additions"], &pull["deletions"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(pull["labels"][0]["name"], "deploy");
    let fork = client.get("pulls/8").await.json;
    assert_eq!(fork["head"]["repo"]["full_name"], "mallory/shop");
    assert_eq!((&fork["head"]["repo"]["fork"], &fork["draft"]), (&Value::from(true), &Value::from(true)));
    let merged = client.get("pulls/9").await.json;
    assert_eq!((&merged["state"], &merged["merge_commit_sha"]), (&Value::from("closed"), &Value::from(MAIN)));
    assert_eq!(client.get("pulls/7/files").await.json[0]["filename"], "src/a.rs");
    let commits = client.get("pulls/7/commits").await.json;
    assert_eq!((commits.as_array().unwrap().len(), &commits[0]["sha"]), (1, &Value::from(HEAD)));
    assert_eq!(client.get("pulls/10").await.status, 404);
    assert!(client.get("issues/10").await.json.get("pull_request").is_none());
    github.finish().unwrap();
}
