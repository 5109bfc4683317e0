//! Comments, labels and reactions.

use serde_json::{Value, json};

use crate::client::{SHOP, shop, started};

#[tokio::test]
async fn a_body_has_65536_characters_and_is_not_blank() {
    let (github, client) = started(shop()).await;
    let say = async |body: &str| client.post("issues/7/comments", json!({"body": body})).await;
    let longest = "ß".repeat(65_536);
    let made = say(&longest).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("location"), made.json["url"].as_str().unwrap());
    let refused = say(&format!("{longest}!")).await;
    assert_eq!((refused.status, refused.message()), (422, "Validation Failed"));
    let error = &refused.json["errors"][0];
    assert_eq!(error["message"], "Body is too long (maximum is 65536 characters)");
    assert_eq!((&error["resource"], &error["field"]), (&json!("IssueComment"), &json!("data")));
    let blank = say(" \n").await;
    assert_eq!((blank.status, &blank.json["errors"][0]["message"]), (422, &json!("Body cannot be blank")));
    let path = format!("issues/comments/{}", made.id());
    assert_eq!(client.patch(&path, json!({"body": format!("{longest}!")})).await.status, 422);
    assert_eq!(client.patch(&path, json!({"body": "short"})).await.json["body"], "short");
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.status, 404);
    assert_eq!(client.post("issues/8/comments", json!({"body": "x"})).await.status, 404);
    assert_eq!(github.repository(SHOP).unwrap().issues[&7].comments, []);
    github.finish().unwrap();
}

#[tokio::test]
async fn pages_are_linked() {
    let (github, client) = started(shop()).await;
    github
        .change(SHOP, |it| {
            let issue = it.issues.get_mut(&7).unwrap();
            for number in 0..65 {
                issue.add_comment("monalisa", &number.to_string());
            }
        })
        .unwrap();
    let mut next = "issues/7/comments?per_page=30".to_owned();
    let mut bodies = Vec::new();
    for page in 1..=3 {
        let answer = client.get(&next).await;
        let list = answer.json.as_array().unwrap();
        bodies.extend(list.iter().map(|comment| comment["body"].as_str().unwrap().to_owned()));
        let to = |relation: &str| {
            let links = answer.header("link").split(", ");
            let wanted = format!("; rel=\"{relation}\"");
            links
                .filter_map(|link| link.strip_suffix(&wanted))
                .map(|it| it.trim_matches(['<', '>']).to_owned())
                .next()
        };
        assert_eq!(to("prev").is_some(), page > 1);
        assert_eq!(to("first").is_some(), page > 1);
        assert_eq!(to("last").is_some(), page < 3);
        match to("next") {
            Some(url) => next = url.strip_prefix(&github.url()).unwrap().to_owned(),
            None => assert_eq!(page, 3),
        }
    }
    assert_eq!(bodies, (0..65).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(client.get("issues/7/comments?per_page=1000").await.json.as_array().unwrap().len(), 65);
    github.finish().unwrap();
}

#[tokio::test]
async fn since_leaves_out_what_is_older() {
    let (github, client) = started(shop()).await;
    let old = github
        .change(SHOP, |it| {
            let issue = it.issues.get_mut(&7).unwrap();
            issue.add_comment("monalisa", "old");
            issue.add_comment("monalisa", "new");
            let first = &mut issue.comments[0];
            first.updated = "2020-01-01T00:00:00Z".parse().unwrap();
            first.id
        })
        .unwrap();
    let bodies = async |path: &str| {
        let answer = client.get(path).await;
        let list = answer.json.as_array().unwrap().clone();
        list.iter().map(|comment| comment["body"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(bodies("issues/7/comments?since=2021-01-01T00:00:00Z").await, ["new"]);
    assert_eq!(bodies("issues/comments?since=2021-01-01T00:00:00Z").await, ["new"]);
    assert_eq!(bodies("issues/comments?sort=updated&direction=desc").await, ["new", "old"]);
    client.patch(&format!("issues/comments/{old}"), json!({"body": "old, changed"})).await;
    assert_eq!(bodies("issues/7/comments?since=2021-01-01T00:00:00Z").await, ["old, changed", "new"]);
    github.finish().unwrap();
}

#[tokio::test]
async fn a_second_reaction_of_the_same_kind_is_the_first() {
    let (github, client) = started(shop()).await;
    let id =
        github.change(SHOP, |it| it.issues.get_mut(&7).unwrap().add_comment("monalisa", "/deploy")).unwrap();
    let path = format!("issues/comments/{id}/reactions");
    let first = client.post(&path, json!({"content": "eyes"})).await;
    let second = client.post(&path, json!({"content": "eyes"})).await;
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!(first.id(), second.id());
    assert_eq!(first.json["user"]["login"], "github-actions[bot]");
    assert_eq!(client.get(&format!("issues/comments/{id}")).await.json["reactions"]["eyes"], 1);
    assert_eq!(client.delete(&format!("{path}/{}", first.id())).await.status, 204);
    assert_eq!(client.get(&path).await.json, json!([]));
    assert_eq!(client.delete(&format!("{path}/{}", first.id())).await.status, 404);
    github.finish().unwrap();
}

#[tokio::test]
async fn labels_come_go_and_are_replaced() {
    let (github, client) = started(shop()).await;
    let labels = || github.repository(SHOP).unwrap().issues[&7].labels.clone();
    client.post("issues/7/labels", json!({"labels": ["a b", {"name": "c"}]})).await;
    assert_eq!(labels(), ["deploy", "a b", "c"]);
    assert_eq!(client.delete("issues/7/labels/a%20b").await.json.as_array().unwrap().len(), 2);
    let missing = client.delete("issues/7/labels/a%20b").await;
    assert_eq!((missing.status, missing.message()), (404, "Label does not exist"));
    client.put("issues/7/labels", json!({"labels": ["only"]})).await;
    assert_eq!(labels(), ["only"]);
    github.finish().unwrap();
}
