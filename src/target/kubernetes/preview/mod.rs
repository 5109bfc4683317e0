//! What a rollout would change in the cluster, and what is no longer as one has left it. Pure: from two states of an object, one
//! of them by the API server's own word.

mod owner;

use std::borrow::Cow;

use serde_json::{Value, json};

use super::TargetError;
use super::apply::{Difference, differences};
use super::manifests::{APP, ENVIRONMENT, Key, Object, RELEASE};
use super::names::{ROLLOUT, SPLIT};
use owner::owner;

/// What stands for a mapping that held nothing but marks, until it is taken out.
const TAKEN: &str = "\u{0}taken";
/// What Tidegate puts on objects for itself: it is another with every release, and tells nothing about what the user wrote.
const MARKS: [&str; 5] = [APP, ENVIRONMENT, RELEASE, ROLLOUT, SPLIT];
/// What an autoscaler or a person decides on, and Tidegate leaves as it is.
const REPLICAS: &str = "spec.replicas";
const STRATEGY: &str = "spec.strategy";
/// The type of strategy that a Deployment has without a word.
const ROLLING: &str = "RollingUpdate";

/// An object that a rollout would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which.
    pub object: Key,
    /// How.
    pub kind: ChangeKind,
    /// What would be different, where it is there already.
    pub differences: Vec<Difference>,
}

/// How an object would be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is not there yet.
    Create,
    /// It is there.
    Update,
    /// The release has no use for it.
    Remove,
}

/// What a rollout would change, as far as it could be asked.
#[derive(Debug, Default)]
pub struct Forecast {
    /// The objects, in the order of applying; those that would be removed come last.
    pub changes: Vec<Change>,
    /// What the API server would refuse.
    pub problems: Vec<TargetError>,
    /// What could not be asked, and would not keep the rollout from being begun.
    pub warnings: Vec<TargetError>,
}

/// An object that is no longer as it was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// Which.
    pub object: Key,
    /// It is not there.
    pub missing: bool,
    /// What it is (`before`) and what was applied (`after`), with who owns the former, where that is somebody else.
    pub differences: Vec<(Difference, Option<String>)>,
}

/// What applying an object would change, by its states before and after; nothing where that is nothing.
pub(super) fn change(object: &Object, before: Option<&Value>, after: &Value) -> Option<Change> {
    let (kind, differences) = match before {
        None => (ChangeKind::Create, Vec::new()),
        Some(before) => (ChangeKind::Update, unmarked(&object.key.kind, before, after)),
    };
    let is_any = kind == ChangeKind::Create || !differences.is_empty();
    is_any.then(|| Change { object: object.key.clone(), kind, differences })
}

/// What has drifted, by the state of an object and the one that applying it again would give; nothing where that is the same.
/// A strategy that the user did not write (`own` says whether) is Tidegate's own matter.
pub(super) fn drift(object: &Object, own: bool, now: Option<&Value>, applied: &Value) -> Option<Drift> {
    let Some(now) = now else {
        return Some(Drift { object: object.key.clone(), missing: true, differences: Vec::new() });
    };
    let counts = |one: &Difference| one.path != REPLICAS && (own || !one.path.starts_with(STRATEGY));
    let found = unmarked(&object.key.kind, now, applied).into_iter().filter(counts);
    let owned = found.map(|one| {
        let by = owner(&now["metadata"]["managedFields"], &one.path);
        (one, by)
    });
    let differences: Vec<_> = owned.collect();
    (!differences.is_empty()).then(|| Drift { object: object.key.clone(), missing: false, differences })
}

/// An object as it can be applied on trial, and the strategy that it has in the end where the trial cannot tell: an apply alone
/// cannot change the type of a Deployment's strategy, so that is done beside it. `live` is the type that it has now.
pub(super) fn trial<'a>(object: &'a Object, live: Option<&str>) -> (Cow<'a, Object>, Option<Value>) {
    let is_deployment = object.key.kind == "Deployment" && object.key.group() == "apps";
    let written = &object.value["spec"]["strategy"];
    let wanted = written["type"].as_str().unwrap_or(ROLLING);
    if !is_deployment || live.is_none_or(|live| live == wanted) {
        return (Cow::Borrowed(object), None);
    }
    let mut strategy = if written.is_object() { written.clone() } else { json!({}) };
    strategy["type"] = Value::from(wanted);
    if wanted == ROLLING && strategy["rollingUpdate"].is_null() {
        strategy["rollingUpdate"] = json!({ "maxSurge": "25%", "maxUnavailable": "25%" });
    }
    let mut object = object.clone();
    if let Some(spec) = object.value["spec"].as_object_mut() {
        spec.shift_remove("strategy");
    }
    (Cow::Owned(object), Some(strategy))
}

/// The differences without what Tidegate has put there itself.
fn unmarked(kind: &str, before: &Value, after: &Value) -> Vec<Difference> {
    let mut states = [before.clone(), after.clone()];
    states.iter_mut().for_each(strip);
    differences(kind, &states[0], &states[1])
}

/// Takes the marks out, wherever they stand, and what has nothing in it without them.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let had = fields.len();
            for mark in MARKS {
                fields.shift_remove(mark);
            }
            fields.values_mut().for_each(strip);
            fields.retain(|_, inner| inner != TAKEN);
            if had > 0 && fields.is_empty() {
                *value = Value::String(TAKEN.to_owned());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::kubernetes::manifests::parse;

    fn object(kind: &str) -> Object {
        let text = format!("apiVersion: apps/v1\nkind: {kind}\nmetadata: {{ name: web }}\n");
        parse(Path::new("x.yaml"), &text).unwrap().remove(0)
    }

    fn told(differences: &[Difference]) -> Vec<String> {
        differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn our_own_marks_are_no_change_even_where_nothing_else_stands() {
        let before = json!({ "metadata": { "name": "web", "labels": { "a": "b" } },
            "spec": { "selector": { RELEASE: "old", "app": "web" }, "image": "a" } });
        let after = json!({ "metadata": { "name": "web", "labels": { "a": "b", RELEASE: "new", APP: "shop" },
            "annotations": { ROLLOUT: "r2" } }, "spec": { "selector": { "app": "web" }, "image": "a" } });
        assert_eq!(change(&object("Service"), Some(&before), &after), None);
        let mut other = after.clone();
        other["spec"]["image"] = json!("b");
        let found = change(&object("Service"), Some(&before), &other).unwrap();
        assert_eq!(
            (found.kind, told(&found.differences)),
            (ChangeKind::Update, vec!["~ spec.image: \"a\" → \"b\"".into()])
        );
        let made = change(&object("Service"), None, &after).unwrap();
        assert_eq!((made.kind, made.differences), (ChangeKind::Create, vec![]));
    }

    #[test]
    fn an_empty_mapping_of_the_user_stays() {
        let before = json!({ "spec": { "emptyDir": {} } });
        let found = change(&object("Deployment"), Some(&before), &json!({ "spec": {} })).unwrap();
        assert_eq!(told(&found.differences), ["- spec.emptyDir: {}"]);
    }

    #[test]
    fn replicas_are_no_drift_and_what_is_gone_is_missing() {
        let applied = json!({ "metadata": { "name": "web" }, "spec": { "replicas": 2, "paused": false } });
        let mut now = applied.clone();
        now["spec"]["replicas"] = json!(7);
        assert_eq!(drift(&object("StatefulSet"), false, Some(&now), &applied), None);
        now["spec"]["paused"] = json!(true);
        now["metadata"]["managedFields"] =
            json!([{ "manager": "kubectl-patch", "fieldsV1": { "f:spec": { "f:paused": {} } } }]);
        let found = drift(&object("StatefulSet"), false, Some(&now), &applied).unwrap();
        let (difference, by) = &found.differences[0];
        assert_eq!(difference.to_string(), "~ spec.paused: true → false");
        assert_eq!((found.differences.len(), by.as_deref()), (1, Some("kubectl-patch")));
        assert!(drift(&object("StatefulSet"), false, None, &applied).unwrap().missing);
        let held = json!({ "metadata": { "name": "web" }, "spec": { "replicas": 2, "paused": false, "strategy": { "type": "Recreate" } } });
        assert_eq!(drift(&object("Deployment"), false, Some(&held), &applied), None);
        assert!(drift(&object("Deployment"), true, Some(&held), &applied).is_some());
    }

    #[test]
    fn a_change_of_strategy_is_left_out_of_the_trial_and_put_in_after_it() {
        let with = |strategy: Value| {
            let mut object = object("Deployment");
            object.value["spec"] = json!({ "paused": false, "strategy": strategy });
            object
        };
        let plain = object("Deployment");
        for live in [None, Some("RollingUpdate")] {
            assert_eq!(trial(&plain, live), (Cow::Borrowed(&plain), None));
        }
        let recreate = with(json!({ "type": "Recreate" }));
        assert_eq!(trial(&recreate, None).1, None);
        let (tried, strategy) = trial(&recreate, Some("RollingUpdate"));
        assert_eq!(
            (&tried.value["spec"], strategy),
            (&json!({ "paused": false }), Some(json!({ "type": "Recreate" })))
        );
        let surging = with(json!({ "rollingUpdate": { "maxSurge": 1 } }));
        let expected = json!({ "rollingUpdate": { "maxSurge": 1 }, "type": "RollingUpdate" });
        assert_eq!(trial(&surging, Some("Recreate")).1, Some(expected));
        let other = object("StatefulSet");
        assert_eq!(trial(&other, Some("Recreate")).1, None);
    }
}
