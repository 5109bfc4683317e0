//! What keeps a namespace from going, in words.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;

use crate::target::TargetError;

/// The conditions by which the namespace controller tells why a namespace does not go:
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/>.
const TELLING: [&str; 5] = [
    "NamespaceFinalizersRemaining",
    "NamespaceContentRemaining",
    "NamespaceDeletionContentFailure",
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
];

/// That a namespace is still there, with what it hangs on.
pub(super) fn told(namespace: &Namespace, patience: Duration) -> TargetError {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let status = namespace.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let find = |kind: &str| conditions.iter().find(|one| one.type_ == kind && one.status == "True");
    let mut words: Vec<&str> = TELLING
        .iter()
        .filter_map(|kind| find(kind))
        .filter_map(|one| one.message.as_deref())
        .map(|message| message.trim_end_matches([',', ' ', '.']))
        .collect();
    words.dedup();
    let finalizers = namespace.metadata.finalizers.as_deref().unwrap_or_default();
    let cause = match (words.is_empty(), finalizers.is_empty()) {
        (false, _) => words.join("; "),
        (true, false) => format!("it has the finalizer {}", finalizers.join(", ")),
        (true, true) => "the cluster does not say why".to_owned(),
    };
    TargetError {
        code: "still-there",
        sentence: format!("namespace {name} is still there after {}s: {cause}", patience.as_secs()),
        hint: Some(
            "have whoever set the finalizer finish its work, or take the finalizer away; the next sweep tries it again".to_owned(),
        ),
        fatal: true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_namespace_hangs_on_is_named() {
        let namespace = serde_json::from_value(json!({
            "metadata": { "name": "shop-preview-7" },
            "status": { "conditions": [
                { "type": "NamespaceDeletionContentFailure", "status": "False", "message": "All content successfully deleted" },
                { "type": "NamespaceContentRemaining", "status": "True",
                  "message": "Some resources are remaining: configmaps. has 1 resource instances" },
                { "type": "NamespaceFinalizersRemaining", "status": "True",
                  "message": "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances" } ] } }))
        .unwrap();
        let error = told(&namespace, Duration::from_secs(60));
        assert_eq!(
            error.sentence,
            "namespace shop-preview-7 is still there after 60s: Some content in the namespace has finalizers remaining: \
             example.com/hold in 1 resource instances; Some resources are remaining: configmaps. has 1 resource instances"
        );
        let silent =
            serde_json::from_value(json!({ "metadata": { "name": "x", "finalizers": ["a/b"] } })).unwrap();
        assert!(told(&silent, Duration::from_secs(1)).sentence.ends_with("it has the finalizer a/b"));
    }
}
