//! Whatever a payload holds, the answer is an intent: nothing panics, and what is said of it is harmless.

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate::trigger::{Intent, Wish};

use super::{asks, environments, payload};

const EVENTS: [(&str, &str); 12] = [
    ("push", "push-branch"),
    ("push", "push-tag"),
    ("pull_request", "pull-request"),
    ("pull_request_target", "pull-request"),
    ("issue_comment", "comment"),
    ("workflow_dispatch", "workflow-dispatch"),
    ("repository_dispatch", "repository-dispatch"),
    ("workflow_run", "workflow-run"),
    ("merge_group", "merge-group"),
    ("schedule", "push-branch"),
    ("release", "push-tag"),
    ("push", "comment"),
];

/// Another value for any place.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!({ "full_name": 1 })),
        ".{0,30}".prop_map(Value::from),
        "refs/(heads|tags)/.{0,20}".prop_map(Value::from),
        "/(deploy|rollback|lock|status|plan|deplyo|help)( (testing|lab|--ref|.{0,8})){0,4}"
            .prop_map(Value::from),
        "[0-9a-f]{40}".prop_map(Value::from),
    ]
}

/// Ways to all places of a payload.
fn places(value: &Value, way: &str, found: &mut Vec<String>) {
    found.push(way.to_owned());
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, inner)| places(inner, &format!("{way}/{key}"), found))
        }
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(at, inner)| places(inner, &format!("{way}/{at}"), found));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_payload_has_an_intent(
        event in proptest::sample::select(&EVENTS[..]),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), value()), 1..4),
    ) {
        let (name, fixture) = event;
        let mut payload = payload(fixture);
        for (index, value) in changes {
            let mut ways = Vec::new();
            places(&payload, "", &mut ways);
            *payload.pointer_mut(index.get(ways.as_slice()).as_str()).unwrap() = value;
        }
        let intent = asks(name, &payload, &Wish::default());
        if let Some(environment) = intent.environment() {
            prop_assert!(environments().iter().any(|one| one.name == environment));
        }
        match intent {
            Intent::Nothing { why } | Intent::Refused { why, .. } => {
                prop_assert!(!why.contains(char::is_control) && why.len() < 1000, "{why:?}");
            }
            Intent::Lock(order) => {
                prop_assert!(order.reason.is_none_or(|reason| !reason.contains(char::is_control)));
            }
            _ => {}
        }
    }
}
