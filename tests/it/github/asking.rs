//! Who may what, and whether a pull request may be deployed, by GitHub's own word.

use serde_json::{Value, json};
use testbed::github::{CheckRun, CommitStatus, Fault, Matcher, Repository, Review, Role};
use tidegate::github::people::{self, Permission};
use tidegate::github::pulls;

use super::kit::*;
use crate::tiers::wanted;

#[tokio::test(flavor = "multi_thread")]
async fn who_may_push_may_deploy_and_nobody_else() {
    if !wanted("testbed", "permissions of people") {
        return;
    }
    let shop = shop().private().collaborator("ada", Role::Write).collaborator("root", Role::Admin);
    let github = started(shop, token()).await;
    let client = client(&github);
    let cases = [
        ("monalisa", Permission::Maintain),
        ("ada", Permission::Write),
        ("root", Permission::Admin),
        ("tessa", Permission::Triage),
        ("mallory", Permission::None),
        ("dependabot[bot]", Permission::None),
        ("../../orgs/acme", Permission::None),
    ];
    for (login, permission) in cases {
        let told = people::permission(&client, login).await.unwrap();
        assert_eq!((told, told.may_deploy()), (permission, permission >= Permission::Write), "{login}");
    }
    github.finish().unwrap();
}

/// The base branch with checks that it requires, as GitHub would tell of it.
async fn branch(github: &testbed::github::GitHub) -> Value {
    let url = format!("{}/repos/{SHOP}/branches/main", github.url());
    let request = reqwest::Client::new().get(url).bearer_auth(SECRET).header("user-agent", "a test");
    let mut branch: Value = request.send().await.unwrap().json().await.unwrap();
    branch["protection"]["required_status_checks"] = json!({"enforcement_level": "everyone", "contexts": ["ci", "lint", "tidegate / shop / test"], "checks": []});
    branch
}

fn reviewed(mut shop: Repository, reviews: &[(&str, &str, &str)]) -> Repository {
    let pull = shop.issues.get_mut(&7).unwrap().pull.as_mut().unwrap();
    for (number, (user, state, sha)) in (1..).zip(reviews) {
        pull.reviews.push(Review {
            id: number,
            user: (*user).to_owned(),
            state: (*state).to_owned(),
            body: String::new(),
            sha: (*sha).to_owned(),
            submitted: "2026-01-01T00:00:00Z".parse().unwrap(),
        });
    }
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_looked_at_as_it_is_at_its_last_commit() {
    if !wanted("testbed", "readiness of a pull request") {
        return;
    }
    let approved = [("monalisa", "CHANGES_REQUESTED", MAIN), ("monalisa", "APPROVED", HEAD)];
    let shop = reviewed(shop(), &approved)
        .check_run(CheckRun::new("ci", "ci", HEAD).concluded("success"))
        .status(CommitStatus::new(HEAD, "lint", "pending"));
    let github = started(shop, token()).await;
    let client = client(&github);
    let look = async || pulls::readiness(&client, 7, "tidegate / ").await.unwrap();
    let found = look().await;
    assert_eq!((found.head.as_str(), found.is_fork, found.objection()), (HEAD, false, None));
    let branch = branch(&github).await;
    for _ in 0..2 {
        github.fault(
            Matcher::operation("repos/get-branch"),
            Fault::Answer { status: 200, body: branch.clone() },
            1,
        );
    }
    let objection = look().await.objection().unwrap();
    assert_eq!(objection, "required checks are not successful at bbbbbbb: lint (pending)");
    github.change(SHOP, |shop| shop.statuses.push(CommitStatus::new(HEAD, "lint", "success"))).unwrap();
    assert_eq!(look().await.objection(), None);
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_an_earlier_commit_is_none_of_the_last() {
    if !wanted("testbed", "a stale approval") {
        return;
    }
    let github = started(reviewed(shop(), &[("monalisa", "APPROVED", MAIN)]), token()).await;
    let found = pulls::readiness(&client(&github), 7, "tidegate / ").await.unwrap();
    let why = found.objection().unwrap();
    assert!(why.starts_with("monalisa approved an earlier commit"), "{why}");
    github.finish().unwrap();
}
