//! What the payload does not tell is asked of GitHub's API, and goes without where that does not answer.

use serde_json::json;

use super::step::{Step, server};
use crate::commands::kit::tells;

#[test]
fn the_api_tells_of_the_repository_where_the_payload_does_not() {
    let api = server(|head| {
        if !head.starts_with("get /repos/acme/shop ") || !head.contains("authorization: bearer t0ken") {
            return ("404 Not Found".to_owned(), format!("{head:?}"));
        }
        let repository = json!({ "name": "shop", "description": "By the API.", "default_branch": "trunk", "license": null });
        ("200 OK".to_owned(), repository.to_string())
    });
    let mut step = Step::on("schedule", "refs/heads/trunk");
    step.payload(&json!({ "schedule": "0 0 * * *" }));
    step.set("GITHUB_API_URL", &format!("http://{api}"));
    step.set("INPUT_GITHUB-TOKEN", "t0ken");
    let answer = step.json(&["--tags", "type=edge", "--tags", "type=schedule"]);
    assert_eq!(answer["tag-names"], json!(["nightly", "edge"]));
    assert_eq!(answer["labels"]["org.opencontainers.image.description"], "By the API.");
}

#[test]
fn without_an_answer_there_is_the_name_alone() {
    let mut step = Step::on("schedule", "refs/heads/main");
    step.payload(&json!({ "schedule": "0 0 * * *" }));
    step.set("GITHUB_TOKEN", "t0ken");
    let said = step.run(&["--tags", "type=edge"]).exits(0);
    tells(
        &said.out,
        &[
            "version: edge",
            "image.title=shop",
            "image.url=https://git.test/acme/shop",
            "image.description=\n",
        ],
    );
    tells(
        &said.err,
        &["GitHub's API at http://127.0.0.1:1 does not tell of it", "labels have its name alone"],
    );
    assert!(!said.err.contains("t0ken"), "{}", said.err);
}
