//! Whose a field is, by the API server's own record of it (`metadata.managedFields`).
//!
//! The record is a tree for each manager: `f:NAME` is a field, `k:{…}` an item of a list by its keys, and where nothing stands
//! below, the manager owns all that is there.

use serde_json::Value;

use crate::target::kubernetes::apply::MANAGER;

/// Who owns what stands at a path of [`super::Difference`], other than Tidegate itself.
pub(super) fn owner(managed: &Value, path: &str) -> Option<String> {
    let others = managed.as_array()?.iter().filter(|one| {
        // The status has a record of its own.
        one["manager"] != MANAGER && one.get("subresource").is_none()
    });
    let mut owners = others.filter(|one| owns(&one["fieldsV1"], path));
    Some(owners.next()?["manager"].as_str()?.to_owned())
}

/// Whether the way through the tree goes as far as the path. Names may hold dots, so each that fits is tried.
fn owns(tree: &Value, path: &str) -> bool {
    if path.is_empty() {
        return true;
    }
    let Some(fields) = tree.as_object() else { return false };
    if fields.keys().all(|key| key == ".") {
        // Owned as a whole.
        return !fields.is_empty();
    }
    if let Some((item, rest)) = path.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        let Some(name) = item.strip_prefix("name=") else { return false };
        return fields.iter().any(|(key, inner)| is_item(key, name) && owns(inner, rest));
    }
    fields.iter().any(|(key, inner)| {
        let rest = key.strip_prefix("f:").and_then(|name| path.strip_prefix(name));
        rest.is_some_and(|rest| match rest.as_bytes().first() {
            None => true,
            Some(b'.') => inner_owns(inner, &rest[1..]),
            Some(b'[') => inner_owns(inner, rest),
            Some(_) => false,
        })
    })
}

/// As [`owns`]; a field with nothing below is owned with all that stands in it.
fn inner_owns(inner: &Value, rest: &str) -> bool {
    inner.as_object().is_some_and(serde_json::Map::is_empty) || owns(inner, rest)
}

fn is_item(key: &str, name: &str) -> bool {
    let keys: Option<Value> = key.strip_prefix("k:").and_then(|text| serde_json::from_str(text).ok());
    keys.is_some_and(|keys| keys["name"] == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_owner_is_found_by_the_way_to_the_field() {
        let managed = json!([
            { "manager": "tidegate", "fieldsV1": { "f:spec": { "f:paused": {} } } },
            { "manager": "kubelet", "subresource": "status", "fieldsV1": { "f:data": { "f:app.conf": {} } } },
            { "manager": "kubectl-set", "fieldsV1": { "f:spec": { "f:template": { "f:spec": {
                "f:containers": { "k:{\"name\":\"app\"}": { ".": {}, "f:image": {} } }, "f:args": {} } } } } },
            { "manager": "helm", "fieldsV1": { "f:data": { "f:app.conf": {} }, "f:metadata": { "f:annotations": {
                "f:a.dev/x": {} } } } },
        ]);
        for (path, by) in [
            ("spec.template.spec.containers[name=app].image", Some("kubectl-set")),
            ("spec.template.spec.containers[name=side].image", None),
            ("spec.template.spec.containers[name=app].command", None),
            ("spec.template.spec.args[0]", Some("kubectl-set")),
            ("data.app.conf", Some("helm")),
            ("data.app", None),
            ("metadata.annotations.a.dev/x", Some("helm")),
            ("spec.paused", None),
            ("spec", Some("kubectl-set")),
        ] {
            assert_eq!(owner(&managed, path).as_deref(), by, "{path}");
        }
        assert_eq!(owner(&Value::Null, "spec"), None);
    }
}
