//! Synthetic load: a canary that nobody visits is judged all the same.

use super::kit::{App, Config, tells};

/// A canary with a comparison, and this beside it.
fn canary(more: &str, variable: &str) -> Config {
    let strategy = format!(
        "{{ canary: {{ weights: [50], at-most: 6s, compare: {{ errors: 20%, min-requests: 20, inconclusive: fail{more} }} }} }}"
    );
    Config { strategy, ..Config::env(variable) }
}

const LOAD: &str = ", load: { rate: 100, requests: [{ get: / }, { post: /items, body: { n: 1 } }] }";

#[test]
fn a_canary_that_nobody_visits_passes_by_the_load_alone() {
    let app = App::live(&canary(LOAD, ""));
    let answer = app.json(&["deploy", "--version", "v2"]);
    assert_eq!(
        (&answer["outcome"], &answer["gates"][0]["verdict"]),
        (&"promoted".into(), &"pass".into()),
        "{answer:#}"
    );
    app.serves("v2");
    app.write(&canary("", ""));
    let silent = app.json(&["deploy", "--version", "v3"]);
    assert_eq!(
        (&silent["outcome"], &silent["reason"]),
        (&"rolled-back".into(), &"silent".into()),
        "{silent:#}"
    );
}

#[test]
fn a_bad_canary_that_nobody_visits_is_taken_back_by_the_load_alone() {
    let app = App::live(&canary(LOAD, ""));
    app.write(&canary(LOAD, "SAMPLE_FAIL: \"0.5\""));
    let answer = app.json(&["deploy", "--version", "v2"]);
    assert_eq!(
        (&answer["outcome"], &answer["reason"]),
        (&"rolled-back".into(), &"errors-worse".into()),
        "{answer:#}"
    );
    tells(
        answer["sentence"].as_str().unwrap(),
        &["requests to the candidate failed", "v1 serves all requests"],
    );
    app.serves("v1");
}
