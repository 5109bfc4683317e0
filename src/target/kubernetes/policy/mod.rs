//! What manifests lack: findings of rules that a cluster does not enforce, each at its place. Pure.
//!
//! A rule is about what is written. What an admission webhook or a default of the namespace would add is not known here, and so
//! every rule can be turned off.

mod container;
mod rule;
mod selector;
#[cfg(test)]
mod tests;
mod workload;

pub use rule::{Level, Policy, Rule};
pub(super) use selector::{labels, matches};

use super::manifests::{Key, Object, Source};

/// Something that a rule does not like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFinding {
    /// Which rule.
    pub rule: Rule,
    /// Where the object stands that it is about.
    pub source: Source,
    /// The object.
    pub object: Key,
    /// One sentence that names the object, the container where it is about one, and what is wrong.
    pub sentence: String,
    /// What to write.
    pub hint: &'static str,
}

/// What the rules find in the objects of one release, whatever the policy says of them: in the order of the objects, and for each
/// in the order of [`Rule::ALL`].
///
/// An object that names no namespace counts as being in the same one as every other.
#[must_use]
pub fn check(objects: &[Object]) -> Vec<PolicyFinding> {
    let mut found = Vec::new();
    for object in objects {
        let Some(template) = object.pod_template() else { continue };
        let begin = found.len();
        container::check(object, template, &mut found);
        workload::check(object, template, objects, &mut found);
        found[begin..].sort_by_key(|finding| finding.rule);
    }
    found
}

fn finding(rule: Rule, object: &Object, sentence: String, hint: &'static str) -> PolicyFinding {
    PolicyFinding { rule, source: object.source.clone(), object: object.key.clone(), sentence, hint }
}
