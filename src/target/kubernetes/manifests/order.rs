//! The order in which objects are applied: what others stand on comes first.

use super::Object;

/// Kinds that others need, in their order; between the last two lists stands every kind that is named in neither.
const FIRST: [&str; 16] = [
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "StorageClass",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "PersistentVolume",
    "PersistentVolumeClaim",
];
/// Kinds that need others.
const LAST: [&str; 18] = [
    "Service",
    "PodDisruptionBudget",
    "DaemonSet",
    "Pod",
    "ReplicaSet",
    "Deployment",
    "StatefulSet",
    "Job",
    "CronJob",
    "HorizontalPodAutoscaler",
    "Ingress",
    "HTTPRoute",
    "TraefikService",
    "IngressRoute",
    "VirtualService",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// The place of a kind in the order: the lower, the earlier.
#[must_use]
pub fn rank(kind: &str) -> usize {
    let first = FIRST.iter().position(|one| *one == kind);
    let last = LAST.iter().position(|one| *one == kind).map(|place| FIRST.len() + 1 + place);
    first.or(last).unwrap_or(FIRST.len())
}

/// Puts objects in the order of applying. Those of one kind keep the order in which they were written.
pub fn in_order(objects: &mut [Object]) {
    objects.sort_by_key(|object| rank(&object.key.kind));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_stand_on_comes_first_and_unknown_kinds_in_the_middle() {
        let mut kinds =
            ["Ingress", "Deployment", "Service", "Certificate", "Secret", "ConfigMap", "Namespace"];
        kinds.sort_by_key(|kind| rank(kind));
        assert_eq!(
            kinds,
            ["Namespace", "ConfigMap", "Secret", "Certificate", "Service", "Deployment", "Ingress"]
        );
    }
}
