//! `run`, as the action calls it: events, inputs, and what the runner is told.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::kit::{App, Config, Said, TIDEGATE, tells};

/// A workflow's step in an app's folder.
struct Step {
    app: App,
}

impl Step {
    /// Of an event, with what the runner gives.
    fn new(config: &Config, event: &str, payload: &Value) -> Self {
        let mut app = App::new(config);
        for (name, value) in [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_ACTOR", "ada"),
            ("GITHUB_RUN_ID", "42"),
            ("GITHUB_EVENT_PATH", "event.json"),
            ("GITHUB_OUTPUT", "output"),
            ("GITHUB_STATE", "state"),
            ("GITHUB_STEP_SUMMARY", "summary.md"),
        ] {
            app.variable(name, value);
        }
        app.variable("GITHUB_EVENT_NAME", event);
        let step = Self { app };
        step.payload(payload);
        step
    }

    fn payload(&self, payload: &Value) {
        fs::write(self.app.path("event.json"), payload.to_string()).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Said {
        for file in ["output", "state", "summary.md"] {
            let _ = fs::remove_file(self.app.path(file));
        }
        self.app.run(&[&["run"], arguments].concat())
    }

    /// Entries of a file of the runner's, as it reads them.
    fn entries(&self, file: &str) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.app.path(file)).unwrap_or_default();
        let mut lines = text.lines();
        let mut all = Vec::new();
        while let Some(line) = lines.next() {
            let (name, end) = line.split_once("<<").unwrap_or_else(|| panic!("{line} in {text}"));
            let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
            all.push((name.to_owned(), value.join("\n")));
        }
        all
    }

    #[track_caller]
    fn output(&self, name: &str) -> String {
        let all = self.entries("output");
        let found = all.iter().find(|(key, _)| key == name);
        found.unwrap_or_else(|| panic!("no output {name} in {all:?}")).1.clone()
    }

    fn summary(&self) -> String {
        fs::read_to_string(self.app.path("summary.md")).unwrap_or_default()
    }
}

fn push(reference: &str) -> Value {
    json!({ "ref": reference, "after": "ab12".repeat(10), "deleted": false,
        "head_commit": { "message": "Sells ::add-path::/tmp/evil" } })
}

fn on(rule: &str) -> Config {
    Config { more: format!("    on: {rule}\n"), ..Config::default() }
}

#[test]
fn a_push_that_the_rules_take_is_deployed_and_told() {
    let step = Step::new(&on("{ push: develop, tag: \"v*\" }"), "push", &push("refs/heads/develop"));
    step.run(&[]).exits(0);
    step.app.serves("ab12ab12ab12");
    let url = format!("http://127.0.0.1:{}", step.app.port);
    for (name, value) in [
        ("outcome", "promoted"),
        ("reason", "promoted"),
        ("environment", "dev"),
        ("url", &url),
        ("version", "ab12ab12ab12"),
        ("previous-version", ""),
        // The program is the machine's own: it was named by an absolute path.
        ("digest", ""),
    ] {
        assert_eq!(step.output(name), value, "{name}");
    }
    let report: Value = serde_json::from_str(&step.output("report")).unwrap();
    assert_eq!(report["rollout_id"], step.output("rollout-id"));
    tells(&step.summary(), &["## ✅ shop ab12ab12ab12 → dev", "What happened"]);
    let names = step.entries("output").into_iter().map(|(name, _)| name).collect();
    assert_eq!(crate::action::names("outputs"), names);
    let state: BTreeMap<String, String> = step.entries("state").into_iter().collect();
    assert_eq!((state["environment"].as_str(), state["ended"].as_str()), ("dev", "true"));
    let (id, random) = state["process"].split_once('-').unwrap();
    assert!(id.parse::<u32>().is_ok() && random.len() == 16, "{state:?}");

    step.payload(&push("refs/tags/v2"));
    step.run(&[]).exits(0);
    step.app.serves("v2");
    assert_eq!(
        (step.output("version"), step.output("previous-version")),
        ("v2".into(), "ab12ab12ab12".into())
    );
}

#[test]
fn an_event_that_asks_for_nothing_says_why_and_is_well() {
    let step = Step::new(&on("{ push: develop }"), "push", &push("refs/heads/main"));
    let said = step.run(&[]).exits(0);
    tells(&said.out, &["nothing to do: no environment takes branch `main`"]);
    assert_eq!((step.output("outcome"), step.output("reason")), ("nothing".into(), "nothing-asked".into()));
    tells(&step.summary(), &["no environment takes branch `main`"]);
    assert!(step.entries("state").iter().all(|(name, _)| name == "ended"));
    step.app.is_silent();
}

#[test]
fn a_dry_run_shows_the_intent_and_changes_nothing() {
    let step = Step::new(&on("{ push: develop }"), "push", &push("refs/heads/develop"));
    let said = step.run(&["--dry-run", "--output", "json"]).exits(0);
    let answer = said.json();
    super::output::fits(&answer);
    assert_eq!(answer["intent"]["intent"], "deploy");
    assert_eq!(answer["intent"]["source"]["commit"], "ab12".repeat(10));
    assert_eq!(step.output("reason"), "dry-run");
    step.app.is_silent();
}

#[test]
fn what_cannot_be_done_is_an_annotation_an_output_and_the_same_exit_code() {
    let step = Step::new(
        &on("{ tag: \"v*\" }"),
        "workflow_dispatch",
        &json!({ "ref": "refs/heads/x", "inputs": null }),
    );
    let said = step.run(&[]).exits(3);
    tells(&said.err, &["\n::error title=not-by-rule::dev takes tags `v*`, and not branch `x`%0Ahelp: "]);
    assert_eq!((step.output("outcome"), step.output("reason")), ("refused".into(), "not-by-rule".into()));
    tells(&step.summary(), &["error[not-by-rule]"]);
    // Whatever else is said stands where the runner takes nothing for a command.
    let (mut stopped, mut outside) = (None, Vec::new());
    for line in said.err.lines() {
        match (&stopped, line.strip_prefix("::stop-commands::")) {
            (None, Some(token)) => stopped = Some(format!("::{token}::")),
            (None, None) => outside.push(line),
            (Some(end), _) if line == end => stopped = None,
            (Some(_), _) => {}
        }
    }
    assert!(stopped.is_none() && outside.iter().all(|line| line.starts_with("::error ")), "{outside:?}");
}

#[test]
fn what_is_wrong_in_the_configuration_is_told_at_its_line() {
    let step = Step::new(&on("{ psh: develop }"), "push", &push("refs/heads/develop"));
    let said = step.run(&[]).exits(2);
    tells(
        &said.err,
        &["::error file=tidegate.yaml,line=", "title=environments.dev.on.psh::unknown key `psh`"],
    );
    assert_eq!(step.output("reason"), "configuration");
}

#[test]
fn secrets_are_masked_before_anything_else_is_said() {
    let config =
        Config { more: "    on: { push: develop }\n".to_owned(), ..Config::env("TOKEN: $SHOP_TOKEN") };
    let mut step = Step::new(&config, "push", &push("refs/heads/develop"));
    step.app.variable("SHOP_TOKEN", "moon\nlight-4711");
    step.app.variable("GITHUB_TOKEN", "ghs_12345");
    let said = step.run(&[]).exits(0);
    let first: Vec<_> = said.err.lines().take(5).collect();
    assert_eq!(first[0], "::add-mask::ghs_12345", "{}", said.err);
    assert!(first.contains(&"::add-mask::moon") && first.contains(&"::add-mask::light-4711"), "{first:?}");
    let rest = said.err.lines().filter(|line| !line.starts_with("::add-mask::")).collect::<String>();
    assert!(!rest.contains("light-4711") && !rest.contains("ghs_"), "{rest}");
    let written = fs::read_to_string(step.app.path("output")).unwrap() + &step.summary();
    assert!(!written.contains("light-4711") && !written.contains("ghs_"));
}

#[test]
fn a_bad_release_is_taken_back_with_its_code_and_evidence() {
    let step = Step::new(&on("{ tag: \"v*\" }"), "push", &push("refs/tags/v1"));
    step.run(&[]).exits(0);
    step.app.write(&Config {
        more: "    on: { tag: \"v*\" }\n".to_owned(),
        start_within: "2s".to_owned(),
        ..Config::env("SAMPLE_NEVER_READY: \"1\"")
    });
    step.payload(&push("refs/tags/v2"));
    let said = step.run(&[]).exits(4);
    step.app.serves("v1");
    tells(&said.err, &["::error title=shop dev%3A "]);
    assert_eq!(
        (step.output("outcome"), step.output("previous-version")),
        ("rolled-back".into(), "v1".into())
    );
    tells(&step.summary(), &["## ↩️ shop v2 → dev"]);
}

#[test]
fn what_a_killed_step_left_is_taken_back_by_its_post() {
    let canary = Config { more: "    on: { tag: \"v*\" }\n".to_owned(), ..Config::canary("60s") };
    let mut step = Step::new(&canary, "push", &push("refs/tags/v1"));
    step.run(&[]).exits(0);
    step.payload(&push("refs/tags/v2"));
    let running = step.app.start(&["run"]);
    running.until("v2 gets 20 %");
    running.signal(Signal::KILL);
    running.end();
    assert_eq!(step.app.json(&["status"])["rollout"]["phase"], "forward");
    // The runner gives what the step has saved to its post.
    assert!(step.entries("state").contains(&("environment".to_owned(), "dev".to_owned())));
    step.app.variable("STATE_environment", "dev");
    let said = step.run(&["--post"]).exits(0);
    tells(&said.out, &["rolled-back"]);
    assert_eq!(step.app.history(), ["v2 rolled-back", "v1 promoted"]);
    step.app.serves("v1");
    let again = step.run(&["--post"]).exits(0);
    tells(&again.out, &["no rollout of dev is left to finish"]);
    step.app.variable("STATE_ended", "true");
    tells(&step.run(&["--post"]).exits(0).out, &["left nothing to finish"]);
}

#[test]
fn an_environment_comes_after_another_and_not_in_a_freeze() {
    let step =
        Step::new(&Config::default(), "workflow_dispatch", &json!({ "inputs": { "environment": "prod" } }));
    let port = step.app.port;
    let program = format!("#!/bin/sh\nexec {TIDEGATE:?} sample-app\n");
    fs::write(step.app.path("sample"), program).unwrap();
    fs::set_permissions(step.app.path("sample"), fs::Permissions::from_mode(0o755)).unwrap();
    let command = "[./sample]";
    let text = |freeze: &str| {
        format!(
            "app: shop
environments:
  dev:
    target: {{ local: {{ command: {command}, listen: \"127.0.0.1:{port}\" }} }}
  prod:
    after: dev
    freeze: {freeze}
    target: {{ local: {{ command: {command}, listen: \"127.0.0.2:{port}\" }} }}
"
        )
    };
    step.app.write_text(&text("[{ from: 2001-01-01, to: 2001-01-02, reason: past }]"));
    let said = step.run(&["--version", "v1"]).exits(3);
    tells(
        &said.err,
        &["error[not-after]: prod comes after dev, where what v1 is made of has not succeeded yet"],
    );
    step.app.run(&["deploy", "dev", "--version", "rc1"]).exits(0);
    step.run(&["--version", "v1"]).exits(0);
    step.app.write_text(&text("[{ from: 2020-01-01, to: 2120-01-01, reason: the holidays }]"));
    let said = step.app.run(&["deploy", "prod", "--version", "v2"]).exits(3);
    tells(said.error("frozen"), &["until 2120-01-01 00:00:00 UTC: the holidays"]);
    step.app.run(&["local", "stop", "prod"]).exits(0);
    step.app.run(&["local", "stop", "dev"]).exits(0);
}

#[test]
fn inputs_are_a_configuration_only_where_there_is_none() {
    let step = Step::new(&Config::default(), "push", &push("refs/heads/main"));
    let said = step.run(&["--manifests", "deploy/"]).exits(2);
    tells(&said.err, &["error[bad-input]: `manifests` has no effect beside ", "tidegate.yaml"]);
    fs::remove_file(step.app.path("tidegate.yaml")).unwrap();
    let said = step.run(&["--manifests", "deploy/", "--strategy", "canry", "--namespace", "Shop"]).exits(2);
    tells(&said.err, &["input `namespace`: ", "input `strategy`: `canry` is no strategy"]);
    let said = step.run(&["--manifests", "deploy/", "--dry-run"]).exits(0);
    tells(&said.out, &["would deploy commit ab12", "as ab12ab12ab12 to production"]);
}

#[test]
fn a_comment_is_not_obeyed_where_nobody_can_be_asked_whether_it_may_be() {
    let comment = json!({ "action": "created", "issue": { "number": 7, "pull_request": {} },
        "comment": { "id": 9, "body": "/lock dev", "user": { "login": "eve", "type": "User" } } });
    let step = Step::new(&Config::default(), "issue_comment", &comment);
    let said = step.run(&[]).exits(3);
    tells(&said.err, &["error[no-token]: whether somebody may give commands has to be asked of GitHub"]);
    assert_eq!(step.app.json(&["status"])["closed"], Value::Null);
}
