//! What is not as the description says is refused, found and not forgotten.

use reqwest::Method;
use serde_json::json;
use testbed::github::{Fault, GitHubError, Matcher, Part, Side};

use crate::client::{Client, HEAD, MAIN, SHOP, shop, started};

const SCHEMA: &str =
    "#/paths/~1repos~1{owner}~1{repo}~1check-runs/post/requestBody/content/application~1json/schema";

#[tokio::test]
async fn a_wrong_github_request_is_refused_by_the_schema() {
    let (github, client) = started(shop()).await;
    let wrong = [
        (json!({"name": "gate", "head_sha": HEAD, "detailsurl": "x"}), "/detailsurl", "/properties"),
        (json!({"name": 1, "head_sha": HEAD}), "/name", "/properties/name/type"),
        (json!({"name": "gate"}), "", "/required"),
        (json!({"name": "gate", "head_sha": HEAD, "status": "done"}), "/status", "/properties/status/enum"),
        (
            json!({"name": "gate", "head_sha": HEAD, "started_at": "now"}),
            "/started_at",
            "/properties/started_at/format",
        ),
        (
            json!({"name": "gate", "head_sha": HEAD, "output": {"title": "t", "summary": "s", "anotations": []}}),
            "/output/anotations",
            "/properties/output/properties",
        ),
    ];
    for (body, instance, schema) in wrong {
        let answer = client.post("check-runs", body.clone()).await;
        assert_eq!(answer.status, 422, "{body}");
        let found = github.take_findings();
        assert_eq!(found.len(), 1, "{found:?}");
        let pointer = format!("{SCHEMA}{schema}");
        assert_eq!((found[0].instance.as_str(), &found[0].schema), (instance, &pointer));
        assert_eq!((found[0].side, found[0].part), (Side::Request, Part::Body));
        assert_eq!(found[0].operation, "checks/create");
        assert!(answer.message().ends_with(&format!("[{pointer}]")), "{}", answer.message());
    }
    assert_eq!(github.repository(SHOP).unwrap().check_runs, [], "what is refused changes nothing");
    let right = client.post("check-runs", json!({"name": "gate", "head_sha": HEAD})).await;
    assert_eq!(right.status, 201);
    github.finish().unwrap();
}

#[tokio::test]
async fn wrong_queries_paths_and_bodies_are_found() {
    let (github, client) = started(shop()).await;
    let found = async |method, path: &str, body: &'static str| {
        let answer = Client::sent(client.request(method, path).body(body)).await;
        let found = github.take_findings();
        assert_eq!(found.len(), 1, "{path}: {found:?}");
        (answer.status, found[0].part, found[0].instance.clone(), found[0].schema.clone())
    };
    let pulls = "#/paths/~1repos~1{owner}~1{repo}~1pulls/get/parameters";
    let (status, part, instance, schema) = found(Method::GET, "pulls?stat=open", "").await;
    assert_eq!((status, part, instance.as_str(), schema.as_str()), (422, Part::Query, "stat", pulls));
    let (status, part, instance, schema) = found(Method::GET, "pulls?state=opened", "").await;
    assert_eq!((status, part, instance.as_str()), (422, Part::Query, "state"));
    assert_eq!(schema, format!("{pulls}/2/schema/enum"));
    let (status, part, instance, schema) = found(Method::GET, "check-runs/seven", "").await;
    assert_eq!((status, part, instance.as_str()), (404, Part::Path, "check_run_id"));
    assert_eq!(schema, "#/components/parameters/check-run-id/schema/type");
    let (status, part, ..) = found(Method::POST, "check-runs", "{\"name\":").await;
    assert_eq!((status, part), (400, Part::Body));
    let (status, part, _, schema) = found(Method::POST, "check-runs", "").await;
    assert_eq!((status, part), (422, Part::Body));
    assert!(schema.ends_with("/post/requestBody/required"), "{schema}");
    let (status, part, ..) = found(Method::GET, "check_runs", "").await;
    assert_eq!((status, part), (404, Part::Operation));
    let (status, part, _, schema) = found(Method::GET, "stargazers", "").await;
    assert_eq!((status, part), (501, Part::Operation));
    assert_eq!(schema, "#/paths/~1repos~1{owner}~1{repo}~1stargazers/get");
    let (status, part, ..) = found(Method::GET, &format!("commits/{MAIN}/status"), "{\"a\":1}").await;
    assert_eq!((status, part), (422, Part::Body));
    github.finish().unwrap();
}

#[tokio::test]
async fn a_wrong_answer_is_found() {
    let (github, client) = started(shop()).await;
    let scripted = async |status, body| {
        github.fault(Matcher::operation("git/get-ref"), Fault::Answer { status, body }, 1);
        let answer = client.get("git/ref/heads/main").await;
        assert_eq!(answer.status, status);
        let found = github.take_findings();
        assert!(found.iter().all(|it| it.side == Side::Answer && it.operation == "git/get-ref"), "{found:?}");
        found.into_iter().map(|it| (it.part, it.instance, it.schema)).collect::<Vec<_>>()
    };
    let good = client.get("git/ref/heads/main").await;
    assert_eq!(scripted(200, good.json.clone()).await, []);
    let mut short = good.json.clone();
    short["object"]["sha"] = "abc".into();
    let schema = "#/components/schemas/git-ref/properties/object/properties/sha/minLength".to_owned();
    assert_eq!(scripted(200, short).await, [(Part::Body, "/object/sha".to_owned(), schema)]);
    let mut more = good.json.clone();
    more["shaa"] = "abc".into();
    let schema = "#/components/schemas/git-ref/properties".to_owned();
    assert_eq!(scripted(200, more).await, [(Part::Body, "/shaa".to_owned(), schema)]);
    let responses = "#/paths/~1repos~1{owner}~1{repo}~1git~1ref~1{ref}/get/responses".to_owned();
    assert_eq!(scripted(206, good.json).await, [(Part::Status, String::new(), responses)]);
    github.finish().unwrap();
}

#[tokio::test]
async fn findings_fail_the_end_of_a_test_in_words() {
    let (github, client) = started(shop()).await;
    client.post("git/refs", json!({"ref": "refs/heads/x"})).await;
    assert!(matches!(github.check(), Err(GitHubError::Mismatch(found)) if found.len() == 1));
    let words = github.finish().unwrap_err().to_string();
    assert!(words.contains("git/create-ref: request, body"), "{words}");
    assert!(words.contains("\"sha\" wasn't supplied."), "{words}");
    assert!(words.contains("~1git~1refs/post/requestBody/"), "{words}");
}

#[tokio::test]
async fn findings_that_nobody_saw_panic() {
    let (github, client) = started(shop()).await;
    client.get("nowhere").await;
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(github)));
    let said = *dropped.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("GET /repos/acme/shop/nowhere"), "{said}");
    let (github, client) = started(shop()).await;
    client.get("nowhere").await;
    assert_eq!(github.findings().len(), 1);
    drop(github);
    let (github, client) = started(shop()).await;
    assert_eq!(github.findings(), []);
    client.get("nowhere").await;
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(github)));
    assert!(dropped.is_err(), "a finding after the last look is not seen");
}

#[tokio::test]
async fn headers_that_github_insists_on_are_insisted_on() {
    let (github, client) = started(shop()).await;
    let bare = reqwest::Client::new();
    let answer = bare.get(format!("{}/rate_limit", github.url())).bearer_auth("x").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 403);
    let with = async |name: &'static str, value: &'static str| {
        let mut request = client.request(Method::GET, "branches").build().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        let bare = reqwest::Client::builder().user_agent("testbed").build().unwrap();
        bare.execute(request).await.unwrap().status().as_u16()
    };
    assert_eq!(with("accept", "text/plain").await, 415);
    assert_eq!(with("accept", "text/html, */*;q=0.5").await, 200);
    assert_eq!(with("x-github-api-version", "2020-01-01").await, 400);
    assert_eq!(with("x-github-api-version", "2022-11-28").await, 200);
    github.finish().unwrap();
}
