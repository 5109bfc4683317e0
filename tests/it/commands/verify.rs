//! Declared requests as users meet them: headers, bodies and redirects, and secrets that go nowhere else.

use super::kit::{App, Config, tells};

fn verifying(checks: &str) -> Config {
    Config { strategy: format!("{{ blue-green: {{ before: {checks} }} }}"), ..Config::default() }
}

#[test]
fn the_version_that_answers_must_be_the_one_that_is_rolled_out() {
    let check = "[{ get: /health, expect: { json: { version: \"{{version}}\" }, headers: { x-sample-version: \"{{version}}\" } } }]";
    let app = App::live(&verifying(check));
    app.run(&["deploy", "--version", "v2"]).exits(0);
    app.write(&verifying("[{ get: /, expect: { headers: { x-sample-version: \"not-{{version}}\" } } }]"));
    let answer = app.json(&["deploy", "--version", "v3"]);
    assert_eq!(answer["outcome"], "rolled-back", "{answer:#}");
    tells(answer["sentence"].as_str().unwrap(), &["is `v3`, expected `not-v3`"]);
    app.serves("v2");
}

#[test]
fn headers_and_bodies_are_sent_and_expected() {
    let mut app = App::live(&verifying("[]"));
    app.variable("SHOP_TOKEN", "tok-4711-secret");
    app.write(&verifying(
        "[{ post: /, body: { name: x }, headers: { authorization: $SHOP_TOKEN }, \
           expect: { headers: { x-sample-version: \"v*\" } } }]",
    ));
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    tells(&said.err, &["pass: the request got the expected answer"]);
    assert!(!said.err.contains("4711"), "{}", said.err);
    let kept = super::kit::files(&app.state()).into_iter().map(|file| std::fs::read(file).unwrap());
    assert!(
        kept.into_iter().all(|text| !String::from_utf8_lossy(&text).contains("4711")),
        "a secret was kept"
    );
    app.write(&verifying("[{ get: /, expect: { headers: { x-sample-version: v1 } } }]"));
    let answer = app.json(&["deploy", "--version", "v3"]);
    assert_eq!(
        (&answer["outcome"], &answer["reason"]),
        (&"rolled-back".into(), &"wrong-answer".into()),
        "{answer:#}"
    );
    tells(
        answer["sentence"].as_str().unwrap(),
        &["GET /: the answer's x-sample-version is `v3`, expected `v1`"],
    );
    app.serves("v2");
    app.variable("SHOP_TOKEN", "with\nbreak");
    app.write(&verifying("[{ get: /, headers: { authorization: $SHOP_TOKEN } }]"));
    let answer = app.json(&["deploy", "--version", "v4"]);
    tells(answer["sentence"].as_str().unwrap(), &["a header holds what no header may"]);
}
