//! Which labels a selector selects, as the API server reads it.

use serde_json::{Map, Value};

/// The labels of an object or a pod template.
pub(in super::super) fn labels(value: &Value) -> Option<&Map<String, Value>> {
    value.pointer("/metadata/labels")?.as_object()
}

/// Whether all of the wanted labels are there: the selector of a Service, and `matchLabels`. Without any, it selects everything.
pub(in super::super) fn matches(wanted: &Map<String, Value>, labels: Option<&Map<String, Value>>) -> bool {
    wanted.iter().all(|(name, value)| labels.and_then(|labels| labels.get(name)) == Some(value))
}

/// Whether a label selector (`matchLabels` and `matchExpressions`) selects. An empty one selects everything.
pub(super) fn selects(selector: &Value, labels: Option<&Map<String, Value>>) -> bool {
    let by_label = selector["matchLabels"].as_object().is_none_or(|wanted| matches(wanted, labels));
    let expressions = selector["matchExpressions"].as_array();
    by_label && expressions.into_iter().flatten().all(|one| holds(one, labels))
}

/// Whether one expression holds. An operator that does not exist holds never: the API server refuses it.
fn holds(expression: &Value, labels: Option<&Map<String, Value>>) -> bool {
    let key = expression["key"].as_str().unwrap_or_default();
    let value = labels.and_then(|labels| labels.get(key));
    let among =
        || value.is_some_and(|value| expression["values"].as_array().is_some_and(|all| all.contains(value)));
    match expression["operator"].as_str().unwrap_or_default() {
        "In" => among(),
        "NotIn" => !among(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}
