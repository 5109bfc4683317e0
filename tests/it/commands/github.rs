//! `--report-github`: the command tells GitHub as the step of a workflow, and writes the job summary.

use std::fs;

use serde_json::json;
use testbed::github::{Area, Commit, GitHub, Issue, Pull, Repository, Token, World};

use super::kit::{App, Config, tells};
use crate::tiers::wanted;

const MAIN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const HEAD: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

async fn github() -> GitHub {
    let shop = Repository::new("acme/shop")
        .commit(Commit::new(MAIN, "main"))
        .commit(Commit::new(HEAD, "topic").after(MAIN))
        .branch("main", MAIN)
        .issue(Issue::new(7, "Faster").pull(Pull::new(("topic", HEAD), ("main", MAIN))));
    let token =
        Token::workflow("ghs_secret").write(Area::Checks).write(Area::Deployments).write(Area::PullRequests);
    GitHub::start(World::new().repository(shop).token(token)).await.unwrap()
}

/// The variables of a step on pull request 7.
fn step(app: &mut App, api: &str, token: &str) {
    let own = json!({ "full_name": "acme/shop", "id": 1 });
    let pull = json!({ "number": 7, "head": { "sha": HEAD, "ref": "topic", "repo": own }, "base": { "ref": "main", "repo": own } });
    let payload = json!({ "number": 7, "action": "synchronize", "repository": own, "pull_request": pull });
    fs::write(app.path("event.json"), payload.to_string()).unwrap();
    let [event, summary] = ["event.json", "summary.md"].map(|name| app.path(name).display().to_string());
    for (name, value) in [
        ("GITHUB_API_URL", api),
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_EVENT_PATH", &event),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_RUN_ID", "42"),
        ("GITHUB_SHA", MAIN),
        ("GITHUB_STEP_SUMMARY", &summary),
        ("INPUT_GITHUB-TOKEN", token),
        ("TIDEGATE_REPORT_GITHUB", "true"),
    ] {
        app.variable(name, value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_and_a_rollback_tell_github_and_write_the_summary() {
    if !wanted("testbed", "--report-github") {
        return;
    }
    let github = github().await;
    let mut app = App::new(&Config::default());
    step(&mut app, &github.url(), "ghs_secret");
    for version in ["v1", "v2"] {
        let answer = app.json(&["deploy", "--version", version]);
        let shop = github.repository("acme/shop").unwrap();
        let run = shop.check_runs.last().unwrap();
        assert_eq!(
            (run.conclusion.as_deref(), run.title.as_deref()),
            (Some("success"), answer["sentence"].as_str())
        );
        assert_eq!((run.name.as_str(), run.head_sha.as_str()), ("tidegate / shop / dev", HEAD));
        let summary = fs::read_to_string(app.path("summary.md")).unwrap();
        tells(&summary, &[&format!("shop {version} → dev"), answer["sentence"].as_str().unwrap()]);
    }
    app.run(&["rollback"]).exits(0);
    let shop = github.repository("acme/shop").unwrap();
    let states: Vec<&str> = shop.deployments.iter().map(|deployment| deployment.state()).collect();
    assert_eq!(states, ["inactive", "inactive", "success"]);
    let comments = &shop.issues[&7].comments;
    assert_eq!(comments.len(), 1, "{comments:#?}");
    tells(&comments[0].body, &["shop v1 → dev", "Earlier rollouts", "| v2 |"]);
    let refused = app.run(&["rollback", "--to", "v9"]);
    refused.exits(2);
    let run = github.repository("acme/shop").unwrap().check_runs.last().unwrap().clone();
    assert_eq!(run.conclusion.as_deref(), Some("failure"));
    assert!(run.title.unwrap().contains("has no release `v9`"));
    github.finish().unwrap();
}

#[test]
fn a_github_that_is_not_there_fails_no_deploy() {
    // It waits its twenty seconds.
    if !wanted("local", "a GitHub that is not there") {
        return;
    }
    let mut app = App::new(&Config::default());
    step(&mut app, "http://127.0.0.1:1", "ghs_secret");
    let said = app.run(&["deploy", "--version", "v1"]).exits(0);
    tells(&said.err, &["GitHub could not be told everything", "check run"]);
    let summary = fs::read_to_string(app.path("summary.md")).unwrap();
    tells(&summary, &["shop v1 → dev", "⚠️ GitHub could not be told everything"]);
    assert!(!said.err.contains("ghs_secret") && !summary.contains("ghs_secret"));
}

#[test]
fn without_a_token_the_summary_tells_it_all() {
    let mut app = App::new(&Config::default());
    step(&mut app, "http://127.0.0.1:1", "");
    let said = app.run(&["deploy", "--version", "v1"]).exits(0);
    tells(&said.err, &["only the job summary tells this: there is no token"]);
    let summary = fs::read_to_string(app.path("summary.md")).unwrap();
    tells(&summary, &["✅ shop v1 → dev", "only the job summary tells this"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_action_runs_tells_github_by_the_token_of_its_step() {
    if !wanted("testbed", "the action's reports") {
        return;
    }
    let github = github().await;
    let mut app = App::new(&Config::default());
    step(&mut app, &github.url(), "ghs_secret");
    app.variable("GITHUB_ACTIONS", "true");
    let said = app.run(&["run", "--command", "deploy", "--version", "v1"]).exits(0);
    let unmasked = said.err.replace("::add-mask::ghs_secret\n", "");
    assert!(
        unmasked.len() < said.err.len() && !(unmasked + &said.out).contains("ghs_secret"),
        "{}",
        said.err
    );
    app.run(&["run", "--command", "deploy", "--version", "v2"]).exits(0);
    app.run(&["run", "--command", "rollback"]).exits(0);
    let shop = github.repository("acme/shop").unwrap();
    let ended: Vec<_> = shop.check_runs.iter().filter_map(|run| run.conclusion.as_deref()).collect();
    assert_eq!(ended, ["success"; 3]);
    let states: Vec<&str> = shop.deployments.iter().map(|deployment| deployment.state()).collect();
    assert_eq!(states, ["inactive", "inactive", "success"]);
    assert_eq!(shop.issues[&7].comments.len(), 1);
    let summary = fs::read_to_string(app.path("summary.md")).unwrap();
    assert_eq!(summary.matches("## ✅ shop v2 → dev").count(), 1, "told once: {summary}");
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_a_check_run_of_their_own_at_their_lines() {
    if !wanted("testbed", "mistakes in a check run") {
        return;
    }
    let github = github().await;
    let mut app =
        App::new(&Config { more: "    on: { psh: main }\n    strat: x\n".to_owned(), ..Config::default() });
    step(&mut app, &github.url(), "ghs_secret");
    app.variable("GITHUB_ACTIONS", "true");
    let said = app.run(&["run"]).exits(2);
    assert!(!said.err.contains("file=tidegate.yaml"), "said twice: {}", said.err);
    let run = github.repository("acme/shop").unwrap().check_runs.last().unwrap().clone();
    assert_eq!((run.name.as_str(), run.conclusion.as_deref()), ("tidegate / configuration", Some("failure")));
    assert_eq!((run.head_sha.as_str(), run.title.as_deref()), (HEAD, Some("2 things are wrong")));
    let text = fs::read_to_string(app.path("tidegate.yaml")).unwrap();
    let line = |part: &str| 1 + text.lines().position(|line| line.contains(part)).unwrap();
    let told: Vec<_> =
        run.annotations.iter().map(|one| (one["path"].clone(), one["start_line"].clone())).collect();
    assert_eq!(told, ["psh:", "strat:"].map(|key| (json!("tidegate.yaml"), json!(line(key)))));
    tells(&run.summary.unwrap(), &["unknown key `psh`"]);

    // An input that cannot be, at the line of the workflow that gives it.
    app.write(&Config::default());
    let workflow = "jobs:\n  ship:\n    steps:\n      - uses: tidegate/tidegate@v1\n        with:\n          if-busy: maybe\n";
    fs::create_dir_all(app.path(".github/workflows")).unwrap();
    fs::write(app.path(".github/workflows/ship.yml"), workflow).unwrap();
    let root = app.path("").display().to_string();
    for (name, value) in [
        ("GITHUB_WORKSPACE", root.as_str()),
        ("GITHUB_WORKFLOW_REF", "acme/shop/.github/workflows/ship.yml@refs/pull/7/merge"),
        ("GITHUB_JOB", "ship"),
        ("GITHUB_ACTION_REPOSITORY", "tidegate/tidegate"),
        ("INPUT_IF-BUSY", "maybe"),
    ] {
        app.variable(name, value);
    }
    app.run(&["run"]).exits(2);
    let run = github.repository("acme/shop").unwrap().check_runs.last().unwrap().clone();
    let [only] = &run.annotations[..] else { panic!("{:?}", run.annotations) };
    assert_eq!((&only["path"], &only["start_line"]), (&json!(".github/workflows/ship.yml"), &json!(6)));
    tells(
        only["message"].as_str().unwrap(),
        &["if-busy: `maybe` is nothing that it can be", "it is `supersede`"],
    );
    // Without a check run the step itself has them.
    app.variable("INPUT_GITHUB-TOKEN", "");
    let said = app.run(&["run"]).exits(2);
    tells(&said.err, &["::error file=.github/workflows/ship.yml,line=6,title=if-busy::if-busy"]);
    github.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_command_goes_on_with_is_told_too() {
    if !wanted("testbed", "a promotion told to GitHub") {
        return;
    }
    let github = github().await;
    let pausing = Config {
        strategy: "{ canary: { weights: [{ weight: 20, confirm: true }], compare: false, at-most: 100ms } }"
            .to_owned(),
        ..Config::default()
    };
    let mut app = App::new(&pausing);
    step(&mut app, &github.url(), "ghs_secret");
    app.run(&["deploy", "--version", "v1"]).exits(0);
    for (version, command, outcome) in [("v2", "promote", "promoted"), ("v3", "abort", "rolled-back")] {
        app.run(&["deploy", "--version", version]).exits(6);
        let states = |app: &str| {
            let shop = github.repository(app).unwrap();
            (shop.deployments.last().unwrap().state().to_owned(), shop.check_runs.last().unwrap().clone())
        };
        assert_eq!(states("acme/shop").0, "pending");
        let report = app.path("report.md").display().to_string();
        let answer = app.json(&[command, "--report", &report]);
        assert_eq!(answer["outcome"], outcome);
        let (state, run) = states("acme/shop");
        assert_eq!(state, if outcome == "promoted" { "success" } else { "inactive" });
        assert_eq!((run.status.as_str(), run.title.as_deref()), ("completed", answer["sentence"].as_str()));
        tells(&fs::read_to_string(report).unwrap(), &[&format!("shop {version} → dev")]);
    }
    github.finish().unwrap();
}
