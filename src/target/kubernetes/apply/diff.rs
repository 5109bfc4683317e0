//! What differs between two states of an object.

use std::fmt;

use serde_json::Value;

/// What the API server and kubectl keep for themselves: it tells nothing about what the user wrote, and kubectl's annotation
/// tells all of a Secret.
const OWN: [&str; 7] = [
    "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
    "/metadata/creationTimestamp",
    "/metadata/generation",
    "/metadata/managedFields",
    "/metadata/resourceVersion",
    "/metadata/uid",
    "/status",
];

/// One value that is, or would be, another.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The way to it, such as `spec.template.spec.containers[name=app].image`.
    pub path: String,
    /// What it was; nothing where it was not there.
    pub before: Option<Value>,
    /// What it is; nothing where it is gone.
    pub after: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(f, "+ {}: {after}", self.path),
            (Some(before), None) => write!(f, "- {}: {before}", self.path),
            (Some(before), Some(after)) => write!(f, "~ {}: {before} → {after}", self.path),
            (None, None) => f.write_str(&self.path),
        }
    }
}

/// The differences between two states of an object of that kind, in the order of their ways. Of a Secret, values are told only
/// as there or not there.
#[must_use]
pub fn differences(kind: &str, before: &Value, after: &Value) -> Vec<Difference> {
    let mut states = [before.clone(), after.clone()];
    for state in &mut states {
        if state.is_null() {
            // What is not there yet has no entry.
            *state = Value::Object(serde_json::Map::new());
        }
        OWN.into_iter().for_each(|path| remove(state, path));
    }
    let mut found = Vec::new();
    compare("", &states[0], &states[1], &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    if kind == "Secret" {
        found
            .iter_mut()
            .filter(|one| one.path.starts_with("data") || one.path.starts_with("stringData"))
            .for_each(hide);
    }
    found
}

fn hide(difference: &mut Difference) {
    for value in [&mut difference.before, &mut difference.after].into_iter().flatten() {
        *value = Value::String("(secret)".to_owned());
    }
}

fn remove(value: &mut Value, path: &str) {
    if let Some((parent, key)) = path.rsplit_once('/')
        && let Some(Value::Object(entries)) = value.pointer_mut(parent)
    {
        entries.shift_remove(&key.replace("~1", "/"));
    }
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
            for key in keys {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                side_by_side(&inner, old.get(key), new.get(key), found);
            }
        }
        (Value::Array(old), Value::Array(new)) => lists(path, old, new, found),
        _ if before == after => {}
        _ => side_by_side(path, Some(before), Some(after), found),
    }
}

fn side_by_side(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(old @ (Value::Object(_) | Value::Array(_))), Some(new))
            if std::mem::discriminant(old) == std::mem::discriminant(new) =>
        {
            return compare(path, old, new, found);
        }
        (Some(old), Some(new)) if old == new => return,
        _ => {}
    }
    found.push(Difference { path: path.to_owned(), before: before.cloned(), after: after.cloned() });
}

/// Items with a name are told by it, as the API server tells them apart; others by their place.
fn lists(path: &str, old: &[Value], new: &[Value], found: &mut Vec<Difference>) {
    let name = |item: &Value| item.get("name").and_then(Value::as_str).map(str::to_owned);
    if old.iter().chain(new).all(|item| name(item).is_some()) {
        let with = |list: &[Value], wanted: &str| {
            list.iter().find(|item| name(item).as_deref() == Some(wanted)).cloned()
        };
        let mut names: Vec<String> = old.iter().chain(new).filter_map(name).collect();
        names.sort();
        names.dedup();
        for one in names {
            side_by_side(
                &format!("{path}[name={one}]"),
                with(old, &one).as_ref(),
                with(new, &one).as_ref(),
                found,
            );
        }
        return;
    }
    for place in 0..old.len().max(new.len()) {
        side_by_side(&format!("{path}[{place}]"), old.get(place), new.get(place), found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: &str, before: &Value, after: &Value) -> Vec<String> {
        differences(kind, before, after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn items_are_told_by_name_and_the_servers_own_is_left_out() {
        let before = json!({ "metadata": { "name": "web", "resourceVersion": "1", "generation": 1 }, "status": { "a": 1 },
            "spec": { "replicas": 2, "containers": [{ "name": "app", "image": "a:1" }, { "name": "old", "image": "b" }],
                      "args": ["x", "y"] } });
        let after = json!({ "metadata": { "name": "web", "resourceVersion": "2", "generation": 2, "labels": { "a": "b" } },
            "spec": { "replicas": 2, "containers": [{ "name": "new", "image": "c" }, { "name": "app", "image": "a:2" }],
                      "args": ["x"] } });
        let expected = [
            "+ metadata.labels: {\"a\":\"b\"}",
            "- spec.args[1]: \"y\"",
            "~ spec.containers[name=app].image: \"a:1\" → \"a:2\"",
            "+ spec.containers[name=new]: {\"name\":\"new\",\"image\":\"c\"}",
            "- spec.containers[name=old]: {\"name\":\"old\",\"image\":\"b\"}",
        ];
        assert_eq!(told("Deployment", &before, &after), expected);
        assert_eq!(told("Deployment", &before, &before), Vec::<String>::new());
    }

    #[test]
    fn values_of_secrets_are_not_told() {
        let before = json!({ "data": { "key": "b2xk", "gone": "eA==" }, "type": "Opaque" });
        let after = json!({ "data": { "key": "bmV3" }, "type": "Opaque" });
        assert_eq!(
            told("Secret", &before, &after),
            ["- data.gone: \"(secret)\"", "~ data.key: \"(secret)\" → \"(secret)\""]
        );
        let kubectls = json!({ "kubectl.kubernetes.io/last-applied-configuration": "{bmV3}", "own": "b" });
        let first = json!({ "metadata": { "annotations": kubectls }, "data": { "key": "bmV3" } });
        let expected = ["+ data: \"(secret)\"", "+ metadata: {\"annotations\":{\"own\":\"b\"}}"];
        assert_eq!(told("Secret", &Value::Null, &first), expected);
    }
}
