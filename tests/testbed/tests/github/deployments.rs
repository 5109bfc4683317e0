//! Deployments, their statuses and environments.

use serde_json::{Value, json};
use testbed::github::{CheckRun, CommitStatus, Deployment};

use crate::client::{Client, HEAD, MAIN, ROOT, SHOP, shop, started};

/// A deployment that asks for no contexts.
async fn deployed(client: &Client, environment: &str) -> u64 {
    let body = json!({"ref": MAIN, "environment": environment, "required_contexts": []});
    let made = client.post("deployments", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.id()
}

async fn status(client: &Client, id: u64, body: Value) -> u16 {
    client.post(&format!("deployments/{id}/statuses"), body).await.status
}

#[tokio::test]
async fn a_success_makes_the_earlier_ones_of_its_environment_inactive() {
    let (github, client) = started(shop()).await;
    let first = deployed(&client, "staging").await;
    let other = deployed(&client, "qa").await;
    let second = deployed(&client, "staging").await;
    for id in [first, other] {
        assert_eq!(status(&client, id, json!({"state": "success"})).await, 201);
    }
    assert_eq!(status(&client, second, json!({"state": "in_progress"})).await, 201);
    let seen = github.repository(SHOP).unwrap();
    assert_eq!(seen.deployment_by_id(first).unwrap().state(), "success");
    assert_eq!(status(&client, second, json!({"state": "success"})).await, 201);
    let seen = github.repository(SHOP).unwrap();
    let states = |id| -> Vec<String> {
        seen.deployment_by_id(id).unwrap().statuses.iter().map(|status| status.state.clone()).collect()
    };
    assert_eq!(states(first), ["success", "inactive"]);
    assert_eq!(states(second), ["in_progress", "success"]);
    assert_eq!(states(other), ["success"]);
    let third = deployed(&client, "staging").await;
    assert_eq!(status(&client, third, json!({"state": "success", "auto_inactive": false})).await, 201);
    assert_eq!(github.repository(SHOP).unwrap().deployment_by_id(second).unwrap().state(), "success");
    let listed = client.get(&format!("deployments/{first}/statuses")).await;
    assert_eq!(listed.json[0]["state"], "inactive", "the newest first");
    github.finish().unwrap();
}

#[tokio::test]
async fn production_stays_active_and_environments_come_with_deployments() {
    let (github, client) = started(shop()).await;
    let (first, second) = (deployed(&client, "production").await, deployed(&client, "production").await);
    for id in [first, second] {
        assert_eq!(status(&client, id, json!({"state": "success"})).await, 201);
    }
    let seen = github.repository(SHOP).unwrap();
    assert_eq!(seen.deployment_by_id(first).unwrap().state(), "success");
    assert!(seen.deployment_by_id(first).unwrap().production);
    assert_eq!(seen.environments.keys().collect::<Vec<_>>(), ["production"]);
    assert_eq!(client.get("environments").await.json["environments"][0]["name"], "production");
    github.finish().unwrap();
}

#[tokio::test]
async fn a_list_is_filtered_and_an_active_one_is_not_deleted() {
    let (github, client) = started(shop()).await;
    let (first, second) = (deployed(&client, "a/b").await, deployed(&client, "qa").await);
    let ids = async |query: &str| {
        let answer = client.get(&format!("deployments?{query}")).await;
        let list = answer.json.as_array().unwrap().clone();
        list.iter().map(|it| it["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, [second, first]);
    assert_eq!(ids("environment=a%2Fb").await, [first]);
    assert_eq!(ids(&format!("sha={MAIN}&task=deploy")).await, [second, first]);
    assert_eq!(ids(&format!("sha={HEAD}")).await, [0_u64; 0]);
    assert_eq!(client.get("environments/a%2Fb").await.json["name"], "a/b");
    status(&client, first, json!({"state": "success"})).await;
    let refused = client.delete(&format!("deployments/{first}")).await;
    assert_eq!(refused.status, 422);
    assert!(refused.message().starts_with("We cannot delete an active deployment"));
    status(&client, first, json!({"state": "inactive"})).await;
    assert_eq!(client.delete(&format!("deployments/{first}")).await.status, 204);
    assert_eq!(client.get(&format!("deployments/{first}")).await.status, 404);
    github.finish().unwrap();
}

#[tokio::test]
async fn contexts_must_be_in_success() {
    let repository = shop().status(CommitStatus::new(MAIN, "ci", "success")).check_run(CheckRun::new(
        "github-actions",
        "deploy",
        MAIN,
    ));
    let (github, client) = started(repository).await;
    let create = async |body: Value| client.post("deployments", body).await;
    // The run that deploys is itself a check that has not ended.
    let refused = create(json!({"ref": "main"})).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.message(), "Conflict: Commit status checks failed for main.");
    assert_eq!(refused.json["errors"][0]["contexts"][1], json!({"context": "deploy", "state": "pending"}));
    assert_eq!(create(json!({"ref": "main", "required_contexts": ["ci", "lint"]})).await.status, 409);
    assert_eq!(create(json!({"ref": "main", "required_contexts": ["ci"]})).await.status, 201);
    github.finish().unwrap();
}

#[tokio::test]
async fn what_is_behind_the_default_branch_is_merged_or_refused() {
    let (github, client) = started(shop().branch("old", ROOT)).await;
    let create = async |git_ref: &str, auto_merge: bool| {
        let body = json!({"ref": git_ref, "auto_merge": auto_merge, "required_contexts": []});
        client.post("deployments", body).await
    };
    let refused = create(ROOT, true).await;
    assert_eq!(
        (refused.status, refused.message()),
        (409, format!("Conflict merging main into {ROOT}.").as_str())
    );
    assert_eq!(create(ROOT, false).await.status, 201);
    assert_eq!(create("topic", true).await.status, 201, "it has all of the default branch");
    let merged = create("old", true).await;
    assert_eq!((merged.status, merged.message()), (202, "Auto-merged main into old on deployment."));
    assert_ne!(github.repository(SHOP).unwrap().refs["refs/heads/old"], ROOT);
    assert_eq!(create("old", true).await.status, 201);
    github.finish().unwrap();
}

#[tokio::test]
async fn a_description_has_140_characters_and_a_ref_exists() {
    let seeded = Deployment::new(MAIN, "qa").status("success");
    let id = seeded.id;
    let (github, client) = started(shop().deployment(seeded)).await;
    let (longest, longer) = ("ü".repeat(140), "ü".repeat(141));
    assert_eq!(status(&client, id, json!({"state": "failure", "description": longest})).await, 201);
    let refused = client
        .post(&format!("deployments/{id}/statuses"), json!({"state": "failure", "description": longer}))
        .await;
    assert_eq!(refused.status, 422);
    let said = &refused.json["errors"][0]["message"];
    assert_eq!(said, "description is too long (maximum is 140 characters)");
    assert_eq!(status(&client, id, json!({"state": "failure", "log_url": "log"})).await, 422);
    let unknown = client.post("deployments", json!({"ref": "gone"})).await;
    assert_eq!((unknown.status, unknown.message()), (422, "No ref found for: gone"));
    github.finish().unwrap();
}
