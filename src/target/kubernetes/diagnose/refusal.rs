//! A ReplicaSet that may not make its pods.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;

use super::{Cause, Graces, Gravity, over};

pub(super) fn cause(set: &ReplicaSet, graces: &Graces, now: Timestamp) -> Option<Cause> {
    let conditions = set.status.as_ref()?.conditions.as_ref()?;
    let failure = conditions.iter().find(|one| one.type_ == "ReplicaFailure" && one.status == "True")?;
    let since = failure.last_transition_time.as_ref().map(|time| time.0);
    if !over(since, graces.refusal, now) {
        return None;
    }
    let name = set.metadata.name.as_deref().unwrap_or_default();
    let words = failure.message.as_deref().unwrap_or("the API server gives no reason");
    let (code, hint) = match words {
        words if words.contains("exceeded quota") => {
            ("quota", "raise the quota, or lower what the pods request")
        }
        words if words.contains("violates PodSecurity") => {
            ("pod-security", "make the pod's securityContext fit the namespace's level")
        }
        _ => ("pods-refused", "the API server's words say what it does not allow"),
    };
    Some(Cause {
        code,
        sentence: format!("ReplicaSet {name} may not make pods: {words}"),
        hint: Some(hint),
        gravity: Gravity::Fatal,
        log: None,
    })
}
