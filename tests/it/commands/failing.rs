//! Releases that do not come up: taken away again, or back to the one before, with the cause in words.

use serde_json::Value;

use super::kit::{App, Config, tells};

/// Deploys `config` as the first release and as the second: both answers.
fn fails(config: &Config, reason: &str) -> (Value, Value) {
    let app = App::new(config);
    let first = app.json(&["deploy", "--version", "v2"]);
    assert_eq!((&first["outcome"], &first["reason"]), (&"failed".into(), &reason.into()), "{first:#}");
    assert_eq!(first["exit_code"], 1);
    app.is_silent();
    assert_eq!(app.history(), ["v2 failed"]);
    app.write(&Config::default());
    app.run(&["deploy", "--version", "v1"]).exits(0);
    let before = app.facts();
    app.write(config);
    let second = app.json(&["deploy", "--version", "v2"]);
    assert_eq!(
        (&second["outcome"], &second["reason"]),
        (&"rolled-back".into(), &reason.into()),
        "{second:#}"
    );
    assert_eq!(second["exit_code"], 4);
    assert_eq!(app.facts(), before);
    app.serves("v1");
    (first, second)
}

fn sentence(answer: &Value) -> &str {
    answer["sentence"].as_str().unwrap()
}

#[test]
fn an_instance_that_never_gets_healthy() {
    let mut config = Config::env("SAMPLE_NEVER_READY: \"1\"");
    config.start_within = "1s".to_owned();
    let (first, second) = fails(&config, "not-ready");
    tells(sentence(&first), &["v2 was taken away again", "/health", "503", "1s", "nothing is left changed"]);
    tells(sentence(&second), &["v2 was taken back", "/health", "503", "v1 serves all requests"]);
}

#[test]
fn an_instance_that_dies_at_once() {
    let config =
        Config { command: "[sh, -c, 'echo cannot find the moon; exit 7']".to_owned(), ..Config::default() };
    let (first, second) = fails(&config, "exited");
    tells(
        sentence(&first),
        &["v2 was taken away again: instance 1 of 1", "exited with code 7", "cannot find the moon"],
    );
    tells(&first["log_tail"].to_string(), &["cannot find the moon"]);
    tells(&second["log_tail"].to_string(), &["cannot find the moon"]);
}

#[test]
fn the_log_of_an_instance_that_dies_is_shown() {
    let config = Config {
        command: "[sh, -c, 'printf \"\\\\033[31mno moon\\\\n\"; exit 7']".to_owned(),
        ..Config::default()
    };
    let said = App::new(&config).run(&["deploy", "--version", "v1"]).exits(1);
    tells(&said.out, &["failed: v1 was taken away again", "\n  | [31mno moon\n"]);
    let odd = |c: char| c.is_control() && c != '\n';
    assert!(!said.out.contains(odd) && !said.err.contains(odd), "{said:?}");
}

#[test]
fn a_wrong_version_in_the_health_answer() {
    let mut config = Config::env("SAMPLE_HEALTH_VERSION: v0");
    config.start_within = "1s".to_owned();
    let (first, _) = fails(&config, "wrong-version");
    tells(sentence(&first), &["v0", "v2"]);
}

#[test]
fn a_verification_that_gets_another_answer() {
    let config =
        Config { more: "    budgets: { step: 20s }\n".to_owned(), ..Config::env("SAMPLE_FAIL: \"1\"") };
    let app = App::live(&Config::default());
    app.write(&config);
    let text = std::fs::read_to_string(app.path("tidegate.yaml")).unwrap();
    app.write_text(
        &text.replace("get: /health, expect: { status: 200, json: { status: healthy } }", "get: /"),
    );
    let answer = app.json(&["deploy", "--version", "v2"]);
    assert_eq!(answer["exit_code"], 4, "{answer:#}");
    tells(sentence(&answer), &["v2 was taken back", "500", "v1 serves all requests"]);
    app.serves("v1");
}
