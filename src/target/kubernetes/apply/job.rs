//! Jobs: what one does is fixed once it is there, so one that is to do something else takes the place of the former.

use std::time::Duration;

use kube::Error;
use kube::api::{Api, DynamicObject};
use kube::core::response::Status;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::super::manifests::{Key, Object};
use super::{Applier, place};
use crate::cluster::patiently;
use crate::target::TargetError;

/// How long a Job that runs is waited for: some are about to end.
const ENDS: Duration = Duration::from_secs(5);
/// How long a Job that is removed may take to be gone.
const GONE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);
/// The end of the name by which a Job is tried.
const FREE: &str = "-next";
/// The longest name that a Job may have: it becomes a label of its pods.
const LONGEST_NAME: usize = 63;

/// Whether an object is a Job, which is done once and not again.
pub(in super::super) fn is_job(key: &Key) -> bool {
    key.kind == "Job" && key.group() == "batch"
}

/// Whether the API server says that a field of the object cannot change any more.
pub(super) fn is_fixed(status: &Status) -> bool {
    status.code == 422 && status.message.contains("field is immutable")
}

/// The Job that has the name of this one.
///
/// # Errors
/// `job-running` while it runs: what it has begun is not to be cut off.
pub(super) async fn former(applier: &Applier, object: &Object) -> Result<Option<DynamicObject>, TargetError> {
    let end = Instant::now() + ENDS;
    loop {
        let former = applier.get(&object.key).await?;
        if former.as_ref().is_none_or(|former| has_ended(&former.data)) {
            return Ok(former);
        }
        if Instant::now() >= end {
            break;
        }
        sleep(LOOK).await;
    }
    Err(TargetError {
        code: "job-running",
        sentence: format!("{} is to do something else, and the former still runs", place(object)),
        hint: Some(format!(
            "wait until it has ended, or remove it: `kubectl delete job {}`",
            object.key.name
        )),
        fatal: true,
    })
}

/// Gives a Job a name that is free, to try whether it could be made.
pub(super) fn rename(object: &mut Object) {
    let longest = LONGEST_NAME - FREE.len();
    let cut: String = object.key.name.chars().take(longest).collect();
    object.key.name = format!("{}{FREE}", cut.trim_end_matches(['.', '-']));
    object.value["metadata"]["name"] = Value::from(object.key.name.as_str());
}

/// Removes the former Job, so that another can have its name.
///
/// # Errors
/// What the API server says.
pub(super) async fn make_room(
    applier: &Applier,
    api: &Api<DynamicObject>,
    object: &Object,
    former: DynamicObject,
) -> Result<(), TargetError> {
    applier.remove(&object.key).await?;
    let (end, same) = (Instant::now() + GONE, former.metadata.uid);
    loop {
        match patiently(|| api.get_opt(&object.key.name)).await {
            Ok(Some(left)) if left.metadata.uid == same && Instant::now() < end => sleep(LOOK).await,
            // Whatever else there is, the next call says.
            Ok(_) | Err(Error::Api(_)) => return Ok(()),
            Err(error) => {
                return Err(super::told(crate::cluster::trouble("read", &object.key.to_string(), &error)));
            }
        }
    }
}

fn has_ended(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|one| {
        matches!(one["type"].as_str(), Some("Complete" | "Failed")) && one["status"].as_str() == Some("True")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_has_ended_when_it_is_complete_or_has_failed() {
        let job = |kind: &str, value: &str| json!({ "status": { "conditions": [{ "type": kind, "status": value }] } });
        assert!(has_ended(&job("Complete", "True")) && has_ended(&job("Failed", "True")));
        assert!(!has_ended(&job("Complete", "False")) && !has_ended(&job("Suspended", "True")));
        assert!(!has_ended(&json!({ "status": { "active": 1 } })));
    }
}
