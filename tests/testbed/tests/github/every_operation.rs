//! Every operation that is acted out gives an answer of success that is as the description says.

use std::collections::BTreeSet;

use serde_json::json;
use testbed::github::{
    CheckRun, CommitStatus, Deployment, Environment, GitHub, Issue, Pull, Release, Repository, Token,
    WorkflowRun, World,
};

use crate::client::{Client, HEAD, MAIN, SHOP, WORKFLOW, shop, workflow};

/// A repository in which there is one of everything.
fn full() -> Repository {
    let pull = Pull::new(("topic", HEAD), ("main", MAIN))
        .file("a.rs", "added", Some("@@ -0,0 +1 @@\n+a"))
        .file("logo.png", "renamed", None)
        .review("monalisa", "APPROVED", "ship it");
    let run = CheckRun::new("github-actions", "build", MAIN).concluded("success");
    shop()
        .tag("v1", MAIN)
        .protect("main")
        .file("docs/a b.md", "text")
        .issue(Issue::new(3, "Question").body("why?").label("help wanted").comment("hubot", "because"))
        .issue(Issue::new(7, "Faster").pull(pull).comment("monalisa", "/deploy"))
        .check_run(run)
        .status(CommitStatus::new(MAIN, "ci", "success"))
        .deployment(Deployment::new(MAIN, "pre view/1").status("success"))
        .environment(Environment::new("production").reviewer("monalisa"))
        .run(WorkflowRun::new(42, "main", MAIN))
        .release(Release::new("v1"))
}

async fn reads(client: &Client, seen: &Repository) {
    let (check, deployment) = (&seen.check_runs[0], &seen.deployments[0]);
    let status = &deployment.statuses[0];
    let comment = &seen.issues[&7].comments[0];
    let paths = [
        String::new(),
        "/rate_limit".into(),
        format!("check-runs/{}", check.id),
        format!("check-runs/{}/annotations", check.id),
        "commits/main/check-runs".into(),
        "commits/main/check-suites".into(),
        format!("check-suites/{}", check.suite),
        format!("check-suites/{}/check-runs", check.suite),
        "commits/main/status".into(),
        "commits/main/statuses".into(),
        "deployments".into(),
        format!("deployments/{}", deployment.id),
        format!("deployments/{}/statuses", deployment.id),
        format!("deployments/{}/statuses/{}", deployment.id, status.id),
        "environments".into(),
        "environments/pre%20view%2F1".into(),
        "issues/3".into(),
        "issues/7".into(),
        "issues/3/comments".into(),
        "issues/comments".into(),
        format!("issues/comments/{}", comment.id),
        format!("issues/comments/{}/reactions", comment.id),
        "issues/3/reactions".into(),
        "issues/3/labels".into(),
        "pulls".into(),
        "pulls/7".into(),
        "pulls/7/files".into(),
        "pulls/7/commits".into(),
        "pulls/7/reviews".into(),
        format!("commits/{HEAD}/pulls"),
        "git/ref/heads/main".into(),
        "git/matching-refs/heads/".into(),
        "tags".into(),
        "branches".into(),
        "branches/main".into(),
        "activity".into(),
        "activity?ref=refs/heads/main&direction=asc".into(),
        "commits".into(),
        "commits/v1".into(),
        "compare/main...topic".into(),
        "contents/docs/a%20b.md".into(),
        "contents/docs".into(),
        "collaborators".into(),
        "collaborators/monalisa".into(),
        "collaborators/monalisa/permission".into(),
        "actions/runs/42".into(),
        "releases".into(),
        "releases/latest".into(),
        "releases/tags/v1".into(),
        format!("releases/{}", seen.releases[0].id),
    ];
    for path in paths {
        let answer = client.get(&path).await;
        assert!(matches!(answer.status, 200 | 204), "{path}: {answer:?}");
    }
}

async fn writes(client: &Client, seen: &Repository) {
    let (check, deployment) = (seen.check_runs[0].id, seen.deployments[0].id);
    let comment = seen.issues[&7].comments[0].id;
    let posts = [
        (
            "check-runs".to_owned(),
            json!({"name": "gate", "head_sha": MAIN, "conclusion": "neutral", "details_url": "https://a.example",
                "output": {"title": "t", "summary": "s", "images": [{"alt": "a", "image_url": "https://i.example"}]}}),
        ),
        (format!("check-runs/{check}/rerequest"), json!({})),
        (format!("statuses/{MAIN}"), json!({"state": "pending", "target_url": null, "description": "d"})),
        (
            "deployments".to_owned(),
            json!({"ref": "main", "required_contexts": [], "payload": {"a": 1}, "description": "d", "task": "deploy:x"}),
        ),
        (
            format!("deployments/{deployment}/statuses"),
            json!({"state": "inactive", "log_url": "https://l.example/1", "environment_url": "https://e.example"}),
        ),
        ("issues/3/comments".to_owned(), json!({"body": "hello"})),
        (format!("issues/comments/{comment}/reactions"), json!({"content": "rocket"})),
        ("issues/3/reactions".to_owned(), json!({"content": "+1"})),
        ("issues/3/labels".to_owned(), json!({"labels": ["x"]})),
        ("git/refs".to_owned(), json!({"ref": "refs/heads/new/one", "sha": MAIN})),
        ("releases".to_owned(), json!({"tag_name": "v2", "body": "notes", "draft": false})),
    ];
    for (path, body) in posts {
        let answer = client.post(&path, body).await;
        assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
    }
    let patches = [
        (format!("check-runs/{check}"), json!({"conclusion": "failure"})),
        (format!("issues/comments/{comment}"), json!({"body": "changed"})),
        ("git/refs/heads/new/one".to_owned(), json!({"sha": HEAD})),
    ];
    for (path, body) in patches {
        assert_eq!(client.patch(&path, body).await.status, 200, "{path}");
    }
    assert_eq!(client.put("issues/3/labels", json!({"labels": ["x", "y"]})).await.status, 200);
}

async fn removals(client: &Client, seen: &Repository) {
    let comment = &seen.issues[&7].comments[0];
    assert_eq!(client.delete("issues/3/labels/x").await.status, 200);
    let paths = [
        "issues/3/labels".to_owned(),
        format!("issues/comments/{}/reactions/{}", comment.id, comment.reactions[0].id),
        format!("issues/3/reactions/{}", seen.issues[&3].reactions[0].id),
        format!("issues/comments/{}", comment.id),
        format!("deployments/{}", seen.deployments[0].id),
        "git/refs/heads/new/one".to_owned(),
    ];
    for path in paths {
        assert_eq!(client.delete(&path).await.status, 204, "{path}");
    }
}

/// What needs more than a workflow's token.
async fn by_person(client: &Client) {
    assert_eq!(client.get("/user").await.json["login"], "monalisa");
    let reviewer = client.get("collaborators").await.json[0]["id"].clone();
    let body = json!({"wait_timer": 5, "reviewers": [{"type": "User", "id": reviewer}],
        "deployment_branch_policy": {"protected_branches": true, "custom_branch_policies": false}});
    let put = client.put("environments/qa", body).await;
    assert_eq!((put.status, put.json["protection_rules"].as_array().unwrap().len()), (200, 3));
    assert_eq!(client.delete("environments/qa").await.status, 204);
}

#[tokio::test]
async fn every_operation_that_is_acted_out_answers_as_described() {
    let world =
        World::new().repository(full()).token(workflow()).token(Token::person("ghp_admin", "monalisa"));
    let github = GitHub::start(world).await.unwrap();
    let client = Client::new(&github, WORKFLOW);
    let seen = || github.repository(SHOP).unwrap();
    reads(&client, &seen()).await;
    writes(&client, &seen()).await;
    reads(&client, &seen()).await;
    removals(&client, &seen()).await;
    by_person(&Client::new(&github, "ghp_admin")).await;
    let succeeded: BTreeSet<String> = github
        .log()
        .into_iter()
        .filter(|it| it.status.is_some_and(|status| status < 300))
        .filter_map(|it| it.operation)
        .collect();
    let missing: Vec<&str> = GitHub::operations().into_iter().filter(|id| !succeeded.contains(*id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    github.finish().unwrap();
}
