//! What a server-side apply cannot do to a Deployment: change its strategy's type, and hold it still for a moment.
//!
//! What the API server fills in for the one strategy is forbidden with the other, and an apply cannot take out what nobody
//! applied. So these few fields are patched, under a field manager of their own.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::Work;
use super::beside::deployment;
use crate::cluster::{patiently, trouble};
use crate::target::TargetError;
use crate::target::kubernetes::apply::told;
use crate::target::kubernetes::manifests::Object;

/// Who the API server is told owns these fields.
const MANAGER: &str = "tidegate-hold";

impl Work {
    /// Holds a Deployment still: it starts and ends no pod by itself.
    ///
    /// `paused` alone is not enough: with two sets it would bring their numbers in proportion. With the strategy `Recreate` it
    /// does not, as long as none of them bears the note that it was complete (kubernetes, pkg/controller/deployment/sync.go,
    /// `scale`).
    pub(super) async fn hold_still(&self, name: &str) -> Result<(), TargetError> {
        let strategy = json!({ "type": "Recreate", "rollingUpdate": Value::Null });
        self.patch_deployment(name, &json!({ "spec": { "paused": true, "strategy": strategy } })).await
    }

    /// Lets it go on, with the type of strategy that the object asks for.
    pub(super) async fn let_go(&self, object: &Object) -> Result<(), TargetError> {
        let mut spec = json!({ "paused": Value::Null });
        if object.value["spec"]["strategy"]["type"] != "Recreate" {
            spec["strategy"] = Value::Null;
        }
        self.patch_deployment(&object.key.name, &json!({ "spec": spec })).await
    }

    /// Gives the Deployments the type of strategy that the objects ask for, where they have another one.
    pub(super) async fn fit_strategies(&self, objects: &[Object]) -> Result<(), TargetError> {
        let snapshot = self.snapshot().await?;
        for object in objects.iter().filter(|object| object.key.kind == "Deployment") {
            let Some(live) = deployment(&snapshot, &object.key.name) else { continue };
            let is_recreate = strategy_of(live) == Some("Recreate");
            let is_still = live.spec.as_ref().is_some_and(|spec| spec.paused == Some(true));
            let wants_recreate = object.value["spec"]["strategy"]["type"] == "Recreate";
            if wants_recreate && !is_recreate {
                let strategy = json!({ "type": "Recreate", "rollingUpdate": Value::Null });
                self.patch_deployment(&object.key.name, &json!({ "spec": { "strategy": strategy } })).await?;
            } else if is_recreate && !wants_recreate && !is_still {
                self.patch_deployment(&object.key.name, &json!({ "spec": { "strategy": Value::Null } }))
                    .await?;
            }
        }
        Ok(())
    }

    pub(super) async fn patch_deployment(&self, name: &str, change: &Value) -> Result<(), TargetError> {
        let options = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let (api, patch) = (self.api::<Deployment>(), Patch::Merge(change));
        let patched = patiently(|| api.patch(name, &options, &patch)).await;
        patched.map(drop).map_err(|error| told(trouble("change", &format!("Deployment {name}"), &error)))
    }
}

fn strategy_of(live: &Deployment) -> Option<&str> {
    live.spec.as_ref()?.strategy.as_ref()?.type_.as_deref()
}
