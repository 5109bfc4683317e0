//! What `--output json` prints, held against the schema that documents it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use tidegate::run::answer::schema;

use super::kit::{App, Config};

/// The schema, made strict: a key that it does not document is an error here, though readers must bear new ones.
static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let mut strict = schema();
    for form in strict["$defs"].as_object_mut().unwrap().values_mut() {
        if form.get("properties").is_some() {
            form["additionalProperties"] = false.into();
        }
    }
    jsonschema::draft202012::new(&strict).unwrap()
});

/// Checks an answer.
#[track_caller]
pub(crate) fn fits(answer: &Value) {
    if let Err(error) = VALIDATOR.validate(answer) {
        panic!("{error}\n{answer:#}");
    }
}

#[test]
fn the_kept_schema_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/output.schema.json");
    let wanted = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("TIDEGATE_UPDATE").is_some() {
        fs::write(&file, &wanted).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == wanted, "schema/output.schema.json is not current: run this test with TIDEGATE_UPDATE=1");
    let app = App::new(&Config::default());
    assert_eq!(app.run(&["schema", "output"]).exits(0).out, wanted);
}

#[test]
fn the_schema_tells_answers_from_other_things() {
    for other in [serde_json::json!({}), serde_json::json!({ "error": {} }), serde_json::json!("done")] {
        assert!(!VALIDATOR.is_valid(&other), "{other}");
    }
}

/// `App::json` checks each answer; here are the commands that no other test asks for json.
#[test]
fn every_command_answers_by_the_schema() {
    let app = App::new(&Config::canary("300ms"));
    app.json(&["validate"]);
    app.json(&["plan", "--version", "v1"]);
    app.json(&["history"]);
    app.json(&["status"]);
    app.json(&["local", "status"]);
    app.json(&["local", "stop"]);
    app.json(&["deploy", "--version", "v1"]);
    app.json(&["deploy", "--version", "v2"]);
    app.json(&["history", "--events"]);
    app.json(&["rollback"]);
    app.json(&["lock", "--reason", "x"]);
    app.json(&["status"]);
    app.json(&["unlock"]);
    app.json(&["gate", "simulate", "--trials", "5"]);
    app.json(&["gate", "simulate", "--trials", "5", "--stable-error", "7"]);
    app.json(&["local", "stop"]);
    app.json(&["init", "--force"]);
    app.write(&Config::canary("20s"));
    let deploy = app.start(&["deploy", "--version", "v3"]);
    deploy.until("v3 gets 20 %");
    app.json(&["status"]);
    app.json(&["pause"]);
    deploy.end().exits(6);
    app.json(&["status"]);
    app.json(&["abort"]);
}

#[test]
fn the_answer_of_the_demo_fits_too() {
    let answer = tidegate::run::demo::DemoAnswer {
        requests: 10,
        lost: 0,
        errors_by_version: BTreeMap::from([("v1".to_owned(), 0)]),
        requests_by_version: BTreeMap::from([("v1".to_owned(), 10)]),
        promoted: vec!["v1".to_owned()],
        rolled_back: Vec::new(),
        seconds: 0.5,
        back_within_ms: Some(-3),
        rollouts: Vec::new(),
        losses: BTreeMap::new(),
    };
    fits(&serde_json::to_value(answer).unwrap());
}
