//! The names that Tidegate gives to things in a cluster.

use std::collections::BTreeMap;

use crate::rollout::ReleaseId;

pub(super) use super::manifests::{APP, ENVIRONMENT, RELEASE};

/// Label of a ReplicaSet that stands beside its Deployment: the Deployment's name.
pub(super) const BESIDE: &str = "tidegate.dev/beside";
/// Annotation of a ReplicaSet that stands beside its Deployment: `WANTED/ALL` in the plan's instances.
pub(super) const SHARE: &str = "tidegate.dev/share";
/// Annotation of a ReplicaSet that is kept for an instant way back: when it goes.
pub(super) const RETIRE_AT: &str = "tidegate.dev/retire-at";
/// Annotation of every object: the rollout that applied it last.
pub(super) const ROLLOUT: &str = "tidegate.dev/rollout";
/// Annotation of a Service: the shares that are brought about by numbers of instances, `RELEASE=BASISPOINTS,…`.
pub(super) const SPLIT: &str = "tidegate.dev/split";
/// Label of what keeps a release's objects: the release.
pub(super) const KEPT: &str = "tidegate.dev/kept-release";
/// Label of what is made for the time of a rollout only.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// An app's environment in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) app: String,
    pub(super) environment: String,
}

impl Home {
    /// The labels that tell what belongs to the environment.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let pairs = [(APP, &self.app), (ENVIRONMENT, &self.environment)];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }

    /// The same as a selector.
    pub(super) fn selector(&self) -> String {
        format!("{APP}={},{ENVIRONMENT}={}", self.app, self.environment)
    }
}

/// A name made of two parts, at most `most` characters: the first part gives way.
pub(super) fn joined(first: &str, second: &str, most: usize) -> String {
    let room = most.saturating_sub(second.len() + 1);
    let first = first.get(..room.min(first.len())).unwrap_or(first).trim_end_matches(['-', '.']);
    format!("{first}-{second}")
}

/// The longest name of a Service (RFC 1035 label).
const LABEL: usize = 63;

/// The name of the Service that a release has for itself for the time of a rollout, beside that of the manifests.
pub(super) fn service_of(service: &str, release: &ReleaseId) -> String {
    joined(service, release.as_str(), LABEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_gives_way_to_what_tells_it_from_others() {
        assert_eq!(joined("shop", "abc", 63), "shop-abc");
        assert_eq!(joined("a-very-long-name", "abc", 10), "a-very-abc");
        assert_eq!(joined("a-very-long-name", "abc", 11), "a-very-abc");
    }
}
