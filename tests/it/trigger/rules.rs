//! Each event by itself, with the rules that hold for it.

use serde_json::{Value, json};
use tidegate::trigger::{Command, Intent, Occasion, Source, Wish, intent};

use super::{asks, environments, payload};

fn asked(name: &str, payload: &Value) -> Value {
    serde_json::to_value(asks(name, payload, &Wish::default())).unwrap()
}

/// The fixture with one value changed.
fn changed(fixture: &str, pointer: &str, value: Value) -> Value {
    let mut payload = payload(fixture);
    *payload.pointer_mut(pointer).unwrap_or_else(|| panic!("{fixture} has no {pointer}")) = value;
    payload
}

#[track_caller]
fn nothing(intent: &Value, why: &str) {
    assert_eq!(intent["intent"], "nothing", "{intent}");
    assert!(intent["why"].as_str().unwrap().contains(why), "{intent}");
}

#[track_caller]
fn refused(intent: &Value, code: &str, why: &str) {
    assert_eq!((&intent["intent"], &intent["code"]), (&"refused".into(), &code.into()), "{intent}");
    assert!(intent["why"].as_str().unwrap().contains(why), "{intent}");
}

#[test]
fn a_push_goes_to_the_environment_whose_rules_take_it() {
    let wanted = json!({ "intent": "deploy", "environment": "staging", "version": "222222222222",
        "source": { "commit": "2".repeat(40) } });
    assert_eq!(asked("push", &payload("push-branch")), wanted);
    let to =
        |branch: &str| asked("push", &changed("push-branch", "/ref", format!("refs/heads/{branch}").into()));
    assert_eq!(to("release/2/b")["environment"], "staging");
    nothing(&to("release/2-alpha"), "no environment takes branch `release/2-alpha`");
    nothing(&to("main"), "no environment takes branch `main`");
    nothing(&to("v1"), "no environment takes branch `v1`");
}

#[test]
fn a_tag_is_a_version_and_its_push_says_that_it_is_meant() {
    let intent = asked("push", &payload("push-tag"));
    let wanted = json!({ "intent": "deploy", "environment": "production", "version": "v1.4.0",
        "source": { "commit": "3".repeat(40) } });
    assert_eq!(intent, wanted);
    nothing(&asked("push", &changed("push-tag", "/ref", "refs/tags/develop".into())), "tag `develop`");
}

#[test]
fn a_push_that_deletes_or_says_so_deploys_nothing() {
    nothing(&asked("push", &changed("push-branch", "/deleted", true.into())), "was deleted");
    nothing(&asked("push", &changed("push-branch", "/after", "0".repeat(40).into())), "names no commit");
    nothing(
        &asked("push", &changed("push-branch", "/ref", "refs/notes/x".into())),
        "neither to a branch nor",
    );
    let message = "Docs only [Skip Deploy]".into();
    nothing(&asked("push", &changed("push-branch", "/head_commit/message", message)), "`[skip deploy]`");
}

#[test]
fn a_step_that_names_an_environment_keeps_to_its_rules() {
    let to = |environment: &str, fixture: &str| {
        let wish = Wish { environment: Some(environment.to_owned()), ..Wish::default() };
        serde_json::to_value(asks("push", &payload(fixture), &wish)).unwrap()
    };
    assert_eq!(to("testing", "push-branch")["environment"], "testing");
    assert_eq!(to("production", "push-tag")["environment"], "production");
    nothing(&to("production", "push-branch"), "production takes tags `v*`, and not branch `develop`");
    nothing(&to("lab", "push-branch"), "lab takes what is deployed by hand");
    refused(&to("stagin", "push-branch"), "unknown-environment", "there is no environment `stagin`");
}

#[test]
fn a_pull_request_shows_what_its_merge_would_deploy() {
    let intent = asked("pull_request", &payload("pull-request"));
    let wanted = json!({ "intent": "plan", "environment": "staging", "version": "444444444444",
        "source": { "commit": "4".repeat(40) } });
    assert_eq!(intent, wanted);
    let with = |pointer: &str, value: Value| asked("pull_request", &changed("pull-request", pointer, value));
    nothing(&with("/action", "labeled".into()), "pull request 7 is labeled");
    nothing(&with("/action", "closed".into()), "was closed");
    nothing(&with("/pull_request/draft", true.into()), "is a draft");
    nothing(&with("/pull_request/head/repo/full_name", "eve/shop".into()), "comes from a fork");
    nothing(&with("/pull_request/head/repo", Value::Null), "comes from a fork");
    nothing(&with("/pull_request/base/ref", "main".into()), "no environment takes branch `main`");
    nothing(&with("/sender/login", "dependabot[bot]".into()), "Dependabot");
    nothing(&asked("pull_request_target", &payload("pull-request")), "has this repository's secrets");
}

#[test]
fn a_pull_request_of_a_fork_changes_nothing_whatever_the_step_wants() {
    let fork = changed("pull-request", "/pull_request/head/repo/full_name", "eve/shop".into());
    for name in ["pull_request", "pull_request_target", "pull_request_review", "check_run"] {
        for command in [Command::Deploy, Command::Rollback, Command::Promote, Command::Unlock, Command::Sweep]
        {
            let wish =
                Wish { command: Some(command), environment: Some("testing".to_owned()), ..Wish::default() };
            refused(&serde_json::to_value(asks(name, &fork, &wish)).unwrap(), "from-fork", "from a fork");
        }
    }
}

#[test]
fn a_dispatch_says_what_and_where() {
    let intent = asked("workflow_dispatch", &payload("workflow-dispatch"));
    let wanted = json!({ "intent": "deploy", "environment": "testing", "version": "2026-11-02",
        "source": "checked-out" });
    assert_eq!(intent, wanted);
    let back = asked("repository_dispatch", &payload("repository-dispatch"));
    assert_eq!(back, json!({ "intent": "rollback", "environment": "production", "to": "v1.3.0" }));
    let with = |inputs: Value| asked("workflow_dispatch", &changed("workflow-dispatch", "/inputs", inputs));
    refused(&with(json!({ "command": "deplyo" })), "unknown-command", "there is no command `deplyo`");
    refused(&with(Value::Null), "which-environment", "there are 4 environments");
    assert_eq!(with(json!({ "environment": "lab", "command": "lock", "reason": "x" }))["reason"], "x");
}

#[test]
fn by_hand_too_only_that_is_deployed_which_the_rules_take() {
    let wish = Wish { environment: Some("production".to_owned()), ..Wish::default() };
    let from = |reference: &str| {
        let (payload, sha) = (json!({ "inputs": null }), "a".repeat(40));
        let occasion = Occasion {
            name: "workflow_dispatch",
            reference,
            sha: &sha,
            actor: "ada",
            payload: &payload,
            wish: &wish,
            previews: None,
        };
        serde_json::to_value(intent(&occasion, environments())).unwrap()
    };
    assert_eq!(from("refs/tags/v2")["version"], "v2");
    refused(&from("refs/heads/main"), "not-by-rule", "production takes tags `v*`, and not branch `main`");
    refused(&from("refs/heads/v2"), "not-by-rule", "branch `v2`");
}

#[test]
fn another_workflow_counts_only_when_it_ran_for_a_push_to_this_repository() {
    let intent = asked("workflow_run", &payload("workflow-run"));
    let wanted = json!({ "intent": "deploy", "environment": "staging", "version": "555555555555",
        "source": { "tip": { "branch": "develop", "commit": "5".repeat(40) } } });
    assert_eq!(intent, wanted);
    let with = |pointer: &str, value: Value| asked("workflow_run", &changed("workflow-run", pointer, value));
    nothing(&with("/workflow_run/event", "pull_request".into()), "started by `pull_request`");
    nothing(&with("/workflow_run/head_repository/full_name", "eve/shop".into()), "from `eve/shop`");
    nothing(&with("/workflow_run/head_repository", Value::Null), "only what was pushed");
    nothing(&with("/workflow_run/conclusion", "failure".into()), "ended with `failure`");
    nothing(&with("/action", "requested".into()), "has not completed");
    // The name of a tag stands in the same field: what it is, GitHub has to say before anything is done.
    let tagged = with("/workflow_run/head_branch", "v1.4.0".into());
    assert_eq!((&tagged["environment"], &tagged["version"]), (&"production".into(), &"v1.4.0".into()));
    assert_eq!(tagged["source"], json!({ "tagged": { "tag": "v1.4.0", "commit": "5".repeat(40) } }));
    nothing(&with("/workflow_run/head_branch", "other".into()), "no environment takes branch `other`");
}

#[test]
fn a_queue_of_merges_is_shown_and_a_schedule_ends_what_is_left() {
    let intent = asked("merge_group", &payload("merge-group"));
    assert_eq!((&intent["intent"], &intent["environment"]), (&"plan".into(), &"staging".into()));
    nothing(&asked("merge_group", &changed("merge-group", "/action", "destroyed".into())), "destroyed");
    assert_eq!(asked("schedule", &json!({ "schedule": "0 * * * *" })), json!({ "intent": "sweep" }));
    nothing(&asked("release", &json!({})), "the push of the branch or tag does");
    nothing(&asked("", &Value::Null), "GITHUB_EVENT_NAME");
    nothing(&asked("wat\u{1b}[2J", &Value::Null), "the event `wat\u{fffd}[2J`");
}

#[test]
fn a_comment_carries_who_asked_and_what_he_needs() {
    let intent = asked("issue_comment", &payload("comment"));
    let wanted = json!({ "intent": "rollback", "environment": "production",
        "asked": { "by": "ada", "needs": "write", "pull": 7, "comment": 99 } });
    assert_eq!(intent, wanted);
    let with = |pointer: &str, value: Value| asked("issue_comment", &changed("comment", pointer, value));
    nothing(&with("/action", "edited".into()), "was edited");
    nothing(&with("/action", "deleted".into()), "was deleted");
    nothing(&with("/comment/user/type", "Bot".into()), "not a person's");
    nothing(&with("/issue/pull_request", Value::Null), "at an issue");
    nothing(&with("/comment/id", "99".into()), "whose comment");
    let says = |body: &str| with("/comment/body", body.into());
    nothing(&says("> /deploy"), "does not begin");
    refused(&says("/deplyo"), "unknown-command", "`/deplyo`");
    refused(&says("/status"), "which-environment", "4 environments");
    refused(&says("/rollback prod"), "unknown-environment", "`prod`");
    assert_eq!(says("/deplyo")["asked"]["by"], "ada");
    assert_eq!(says("/help")["intent"], "help");
}

#[test]
fn a_comment_deploys_what_the_rules_take_and_calls_it_what_they_call_it() {
    let says = |body: &str| asked("issue_comment", &changed("comment", "/comment/body", body.into()));
    assert_eq!(says("/deploy testing")["source"], json!({ "pull": 7 }));
    assert_eq!(says("/deploy lab --ref main")["source"], json!({ "named": "main" }));
    // A branch of that name is not what the rule means.
    assert_eq!(says("/deploy production --ref v2")["source"], json!({ "tag": "v2" }));
    assert_eq!(says("/deploy staging --ref develop")["source"], json!({ "branch": "develop" }));
    let commit = "c".repeat(40);
    refused(&says(&format!("/deploy staging --ref {commit}")), "not-by-rule", "branches `develop`");
    refused(&says("/deploy production --ref refs/heads/v2"), "not-by-rule", "branch `v2`");
    refused(&says("/deploy production"), "not-by-rule", "pull request 7");
    assert_eq!(says("/plan production")["source"], json!({ "pull": 7 }));
}

#[test]
fn a_reason_may_name_the_environment_first_or_not() {
    let says = |body: &str| asked("issue_comment", &changed("comment", "/comment/body", body.into()));
    let lock = says("/lock production the  sale");
    assert_eq!((&lock["environment"], &lock["reason"]), (&"production".into(), &"the sale".into()));
    refused(&says("/lock the sale"), "which-environment", "4 environments");
    assert_eq!(says("/lock staging").get("reason"), None);
}

#[test]
fn an_order_of_the_step_goes_before_the_event() {
    let wish = Wish {
        command: Some(Command::Promote),
        environment: Some("staging".to_owned()),
        reason: Some("looks\tgood".to_owned()),
        ..Wish::default()
    };
    match asks("push", &payload("push-tag"), &wish) {
        Intent::Promote(order) => assert_eq!(order.reason.as_deref(), Some("looks good")),
        other => panic!("{other:?}"),
    }
    let wish = Wish { command: Some(Command::Deploy), ..wish };
    match asks("push", &payload("push-branch"), &wish) {
        Intent::Deploy(deploy) => assert_eq!(deploy.source, Source::Commit("2".repeat(40))),
        other => panic!("{other:?}"),
    }
}
