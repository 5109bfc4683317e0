//! Check runs and commit statuses.

use serde_json::{Value, json};
use testbed::github::{CheckRun, Token};

use crate::client::{Client, HEAD, MAIN, SHOP, shop, started};

fn annotations(count: usize) -> Vec<Value> {
    let one = |line| json!({"path": "a.rs", "start_line": line, "end_line": line, "annotation_level": "notice", "message": "m"});
    (1..=count).map(one).collect()
}

fn output(count: usize) -> Value {
    json!({"output": {"title": "t", "summary": "s", "annotations": annotations(count)}})
}

#[tokio::test]
async fn fifty_annotations_a_request_and_more_by_appending() {
    let (github, client) = started(shop()).await;
    let made = client.post("check-runs", json!({"name": "gate", "head_sha": HEAD})).await;
    let run = format!("check-runs/{}", made.id());
    let refused = client.patch(&run, output(51)).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.message().starts_with(
            "Invalid request.\n\nNo more than 50 items are allowed; 51 were supplied. [#/paths/"
        )
    );
    let found = github.take_findings();
    assert_eq!(found.len(), 1);
    assert!(found[0].schema.ends_with("/properties/output/properties/annotations/maxItems"), "{found:?}");
    for (sent, total) in [(50, 50), (50, 100), (20, 120)] {
        let answer = client.patch(&run, output(sent)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json["output"]["annotations_count"], total);
    }
    let page = client.get(&format!("{run}/annotations?per_page=100&page=2")).await;
    assert_eq!(page.json.as_array().unwrap().len(), 20);
    assert_eq!(page.json[19]["start_line"], 20);
    let seen = github.repository(SHOP).unwrap();
    assert_eq!(seen.check_run_by_id(made.id()).unwrap().annotations.len(), 120);
    github.finish().unwrap();
}

#[tokio::test]
async fn texts_buttons_and_their_lengths_are_limited() {
    let (github, client) = started(shop()).await;
    let base = json!({"name": "gate", "head_sha": HEAD});
    let with = |name: &str, value: Value| {
        let mut body = base.clone();
        body[name] = value;
        body
    };
    let action = |label: usize, description: usize, identifier: usize| {
        let text = |length: usize| "x".repeat(length);
        json!({"label": text(label), "description": text(description), "identifier": text(identifier)})
    };
    let longest = "ä".repeat(65535);
    let text = |text: &str| json!({"title": "t", "summary": "s", "text": text});
    for (body, status) in [
        (with("output", text(&longest)), 201),
        (with("output", text(&format!("{longest}ä"))), 422),
        (with("actions", json!(vec![action(20, 40, 20); 3])), 201),
        (with("actions", json!(vec![action(20, 40, 20); 4])), 422),
        (with("actions", json!([action(21, 40, 20)])), 422),
        (with("actions", json!([action(20, 41, 20)])), 422),
        (with("actions", json!([action(20, 40, 21)])), 422),
    ] {
        assert_eq!(client.post("check-runs", body).await.status, status);
        assert_eq!(github.take_findings().len(), usize::from(status == 422));
    }
    github.finish().unwrap();
}

#[tokio::test]
async fn what_the_description_says_in_prose_is_refused_too() {
    let (github, client) = started(shop()).await;
    let annotated = |name: &str, length: usize| {
        let mut body = output(1);
        body["output"]["annotations"][0][name] = "x".repeat(length).into();
        body
    };
    let statuses = [
        (json!({"conclusion": "stale"}), 422),
        (json!({"details_url": "ftp://a.example"}), 422),
        (json!({"details_url": "https://a.example"}), 200),
        (annotated("title", 255), 200),
        (annotated("title", 256), 422),
        (annotated("message", 65_536), 200),
        (annotated("raw_details", 65_537), 422),
    ];
    let made = client.post("check-runs", json!({"name": "gate", "head_sha": HEAD})).await;
    for (body, status) in statuses {
        assert_eq!(client.patch(&format!("check-runs/{}", made.id()), body).await.status, status);
    }
    github.finish().unwrap();
}

#[tokio::test]
async fn a_conclusion_completes_a_run_and_completing_needs_one() {
    let (github, client) = started(shop()).await;
    let refused =
        client.post("check-runs", json!({"name": "g", "head_sha": HEAD, "status": "completed"})).await;
    assert_eq!(refused.status, 422);
    let unknown = "dddddddddddddddddddddddddddddddddddddddd";
    let refused = client.post("check-runs", json!({"name": "g", "head_sha": unknown})).await;
    assert_eq!(
        (refused.status, refused.message()),
        (422, format!("No commit found for SHA: {unknown}").as_str())
    );
    let made =
        client.post("check-runs", json!({"name": "g", "head_sha": HEAD, "status": "in_progress"})).await;
    let path = format!("check-runs/{}", made.id());
    assert_eq!(made.json["pull_requests"][0]["number"], 7);
    let done = client.patch(&path, json!({"conclusion": "success"})).await;
    assert_eq!(done.json["status"], "completed");
    assert!(done.json["completed_at"].is_string());
    github.check().unwrap();
    // This one the description itself refuses.
    assert_eq!(client.patch(&path, json!({"status": "completed"})).await.status, 422);
    assert!(
        github.take_findings()[0]
            .schema
            .ends_with("/patch/requestBody/content/application~1json/schema/anyOf")
    );
    github.finish().unwrap();
}

#[tokio::test]
async fn only_its_app_changes_a_run_and_no_person_makes_one() {
    let other = CheckRun::new("codecov", "coverage", HEAD).concluded("success");
    let id = other.id;
    let (github, client) = started(shop().check_run(other)).await;
    let refused = client.patch(&format!("check-runs/{id}"), json!({"name": "mine"})).await;
    assert_eq!(refused.status, 403);
    assert!(refused.message().contains("can only be modified by the GitHub App that created it"));
    github.grant(Token::person("ghp_person", "monalisa"));
    let person = Client::new(&github, "ghp_person");
    let refused = person.post("check-runs", json!({"name": "g", "head_sha": HEAD})).await;
    assert_eq!((refused.status, refused.message()), (403, "You must authenticate via a GitHub App."));
    github.finish().unwrap();
}

#[tokio::test]
async fn the_latest_run_of_a_name_is_listed_and_all_on_demand() {
    let (github, client) = started(shop()).await;
    for name in ["a", "b", "a"] {
        client.post("check-runs", json!({"name": name, "head_sha": HEAD})).await;
    }
    let names = async |query: &str| {
        let answer = client.get(&format!("commits/topic/check-runs{query}")).await;
        let runs = answer.json["check_runs"].as_array().unwrap();
        assert_eq!(answer.json["total_count"], runs.len());
        runs.iter().map(|run| run["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["a", "b"]);
    assert_eq!(names("?filter=all").await, ["a", "b", "a"]);
    assert_eq!(names("?filter=all&check_name=a").await, ["a", "a"]);
    assert_eq!(names("?status=completed").await, [""; 0]);
    assert_eq!(names("?app_id=15368").await, ["a", "b"]);
    assert_eq!(names("?app_id=1").await, [""; 0]);
    github.finish().unwrap();
}

#[tokio::test]
async fn the_combined_status_counts_the_newest_of_each_context() {
    let (github, client) = started(shop()).await;
    let combined = async || client.get("commits/main/status").await.json["state"].clone();
    assert_eq!(combined().await, "pending");
    for (context, state, expected) in
        [("ci", "pending", "pending"), ("ci", "success", "success"), ("lint", "error", "failure")]
    {
        let answer =
            client.post(&format!("statuses/{MAIN}"), json!({"state": state, "context": context})).await;
        assert_eq!(answer.status, 201);
        assert_eq!(combined().await, expected);
    }
    assert_eq!(client.get("commits/main/statuses").await.json.as_array().unwrap().len(), 3);
    assert_eq!(client.get("commits/main/status").await.json["total_count"], 2);
    let refused =
        client.post(&format!("statuses/{MAIN}"), json!({"state": "error", "target_url": "logs"})).await;
    let said = &refused.json["errors"][0]["message"];
    assert_eq!((refused.status, said), (422, &json!("target_url must use http(s) scheme")));
    github.finish().unwrap();
}
