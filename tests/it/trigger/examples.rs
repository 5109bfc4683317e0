//! Every example of a payload that @octokit/webhooks-examples has.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use testbed::Home;
use tidegate::trigger::{Intent, Wish};

use super::asks;
use crate::tiers::wanted;

#[test]
fn every_example_asks_for_something_or_says_why_not() {
    if !wanted("testbed", "payloads of @octokit/webhooks-examples") {
        return;
    }
    let file = Home::of_user().unwrap().path().join("npm/webhooks/api.github.com/index.json");
    let all: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut told = String::new();
    let mut count = 0;
    for event in all.as_array().unwrap() {
        let name = event["name"].as_str().unwrap();
        let mut last = String::new();
        for example in event["examples"].as_array().unwrap() {
            count += 1;
            let intent = asks(name, example, &Wish::default());
            let said = match &intent {
                Intent::Nothing { why } => format!("nothing: {why}"),
                other => serde_json::to_string(other).unwrap(),
            };
            let action = example["action"].as_str().unwrap_or("-");
            let line = format!("{name} {action}: {said}\n");
            // Examples of one kind that say the same say it once.
            if line != last {
                write!(told, "{line}").unwrap();
            }
            last = line;
        }
    }
    assert!(count > 300, "only {count} examples were read");
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../snapshots" }, {
        insta::assert_snapshot!("webhooks_examples", told);
    });
}
