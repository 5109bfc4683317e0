//! The JSON Schema, for editors and for the reference.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::file::File;

/// The JSON Schema (draft 2020-12) of `tidegate.yaml`, made from the types that read it. It accepts every file that
/// Tidegate accepts; checks that need more than one value are Tidegate's alone.
#[must_use]
pub fn schema() -> Value {
    let mut value = schemars::schema_for!(File).to_value();
    without_null(&mut value);
    one_line(&mut value);
    value
}

/// Line breaks of the source have no meaning in a description.
fn one_line(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(one_line),
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            object.values_mut().for_each(one_line);
        }
        _ => {}
    }
}

/// A key without a value is a fault, so no optional key may be null.
fn without_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(forms)) = object.get_mut("anyOf") {
                forms.retain(|form| form.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = forms.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

/// Where a key belongs that is known elsewhere, in words; `None` when it is known nowhere or in many places.
pub(super) fn home(key: &str) -> Option<String> {
    static HOMES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        let schema = schema();
        let mut homes = Vec::new();
        collect(&schema, &schema, "", 0, &mut homes);
        homes
    });
    let mut places = HOMES.iter().filter(|(name, _)| name == key).map(|(_, place)| place.as_str());
    match (places.next(), places.next()) {
        (Some(""), None) => Some("at the top level of the file".to_owned()),
        (Some(place), None) => Some(format!("in `{place}`")),
        _ => None,
    }
}

/// The keys below `node` with the way to what holds them; a name that the user chooses is `NAME`.
fn collect(root: &Value, node: &Value, way: &str, depth: usize, homes: &mut Vec<(String, String)>) {
    // The schema of today is eight levels deep; the limit is against a type that would hold itself one day.
    if depth > 16 {
        return;
    }
    let below = |key: &str| if way.is_empty() { key.to_owned() } else { format!("{way}.{key}") };
    let target =
        node.get("$ref").and_then(Value::as_str).and_then(|name| root.pointer(name.trim_start_matches('#')));
    if let Some(target) = target {
        collect(root, target, way, depth + 1, homes);
    }
    for (key, value) in node.get("properties").and_then(Value::as_object).unwrap_or(&Map::new()) {
        homes.push((key.clone(), way.to_owned()));
        collect(root, value, &below(key), depth + 1, homes);
    }
    if let Some(named) = node.get("additionalProperties") {
        collect(root, named, &below("NAME"), depth + 1, homes);
    }
    if let Some(item) = node.get("items") {
        collect(root, item, &format!("{way}[]"), depth + 1, homes);
    }
    for forms in ["oneOf", "anyOf"] {
        for form in node.get(forms).and_then(Value::as_array).into_iter().flatten() {
            collect(root, form, way, depth + 1, homes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::home;

    #[test]
    fn knows_where_a_key_belongs() {
        assert_eq!(home("stop-grace").as_deref(), Some("in `environments.NAME.target.local`"));
        assert_eq!(home("app").as_deref(), Some("at the top level of the file"));
        assert_eq!(home("within"), None, "it is known in several places");
        assert_eq!(home("nonsense"), None);
    }
}
