//! What ran before Tidegate came: it, too, must be there to go back to.

use futures_util::{StreamExt, TryStreamExt, stream};
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use super::objects::AT_ONCE;
use super::{Work, now};
use crate::rollout::Release;
use crate::target::TargetError;
use crate::target::kubernetes::bundle::Bundle;

/// Fields of metadata that the API server keeps.
const KEPT_BY_SERVER: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "deletionTimestamp",
];
/// Annotations that controllers and kubectl keep for themselves.
const NOTES: [&str; 2] =
    ["kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision"];

impl Work {
    /// What runs in place of the bundle's workloads, as a release with its objects. Nothing is written.
    pub(in super::super) async fn baseline(
        &self,
        bundle: &Bundle,
    ) -> Result<Option<(Release, Bundle)>, TargetError> {
        let there: Vec<_> = bundle.objects().iter().map(|object| self.there(object)).collect();
        let found: Vec<DynamicObject> = stream::iter(there)
            .buffered(AT_ONCE)
            .try_filter_map(|found| async { Ok(found) })
            .try_collect()
            .await?;
        let runs = |object: &DynamicObject| {
            let kind = object.types.as_ref().map_or("", |types| types.kind.as_str());
            bundle
                .shape()
                .carriers
                .iter()
                .any(|workload| workload.kind == kind && workload.name == object.name_any())
        };
        if !found.iter().any(runs) {
            return Ok(None);
        }
        let values = found.into_iter().map(as_written).collect();
        let was = Bundle::found(values, bundle);
        let mut spec = was.spec();
        spec["baseline"] = Value::Bool(true);
        let release =
            Release::new(&self.config.app, "before-tidegate", None, was.artifacts(None), spec, now());
        Ok(Some((release, was)))
    }

    /// Keeps what was there before Tidegate, so that any machine can go back to it.
    pub(in super::super) async fn keep_found(
        &self,
        release: &Release,
        was: &Bundle,
    ) -> Result<(), TargetError> {
        self.store.keep(&release.id, was).await?;
        self.remember(&release.id, was.clone());
        Ok(())
    }

    /// The object as it is in the cluster; nothing where its kind or namespace is not there yet.
    pub(super) async fn there(
        &self,
        object: &crate::target::kubernetes::manifests::Object,
    ) -> Result<Option<DynamicObject>, TargetError> {
        match self.applier.get(&object.key).await {
            Err(error) if error.code == "unknown-kind" || error.code == "not-found" => Ok(None),
            other => other,
        }
    }
}

/// A live object as somebody would have written it.
fn as_written(object: DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.shift_remove("status");
    }
    if let Some(metadata) = value["metadata"].as_object_mut() {
        for field in KEPT_BY_SERVER {
            metadata.shift_remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            for note in NOTES {
                annotations.shift_remove(note);
            }
        }
    }
    value
}
