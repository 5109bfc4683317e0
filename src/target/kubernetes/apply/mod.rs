//! Server-side apply: each object as the user wrote it, under a field manager of our own.

mod diff;
pub(super) mod kinds;

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::response::Status;
use kube::{Api, Client, Error};
use serde_json::Value;

pub use diff::{Difference, differences};
use kinds::Kinds;

use super::manifests::{Key, Object};
use crate::cluster::{Trouble, is_invalid, patiently, trouble};
use crate::target::TargetError;

/// Who the API server is told owns the fields that we apply.
pub const MANAGER: &str = "tidegate";

/// Applies objects to one namespace of a cluster, and those without a namespace to the cluster.
pub struct Applier {
    client: Client,
    namespace: String,
    kinds: Kinds,
}

impl Applier {
    /// For objects that name no namespace of their own, `namespace` is meant.
    #[must_use]
    pub fn new(client: Client, namespace: impl Into<String>) -> Self {
        Self { kinds: Kinds::new(client.clone()), client, namespace: namespace.into() }
    }

    /// Applies an object. A field that is misspelled is refused, and so is one that somebody else owns, unless `force` says to
    /// take it over.
    ///
    /// # Errors
    /// `unknown-kind`, `conflict` with every field and its owner, `invalid` in the API server's words, or what [`trouble`] tells.
    pub async fn apply(&self, object: &Object, force: bool) -> Result<DynamicObject, TargetError> {
        self.send(object, force, false).await
    }

    /// What [`Applier::apply`] would leave, by the API server's own word; nothing is changed.
    ///
    /// # Errors
    /// As [`Applier::apply`].
    pub async fn rehearse(&self, object: &Object, force: bool) -> Result<DynamicObject, TargetError> {
        self.send(object, force, true).await
    }

    /// What [`Applier::apply`] would change, by the API server's own word; nothing is changed. Secret values are not told.
    ///
    /// # Errors
    /// As [`Applier::apply`].
    pub async fn preview(&self, object: &Object, force: bool) -> Result<Vec<Difference>, TargetError> {
        let before = self.get(&object.key).await?.map_or(Value::Null, json);
        let after = json(self.send(object, force, true).await?);
        Ok(differences(&object.key.kind, &before, &after))
    }

    /// The object as it is in the cluster, if it is there.
    ///
    /// # Errors
    /// `unknown-kind`, or what [`trouble`] tells.
    pub async fn get(&self, key: &Key) -> Result<Option<DynamicObject>, TargetError> {
        let api = self.api(key).await?;
        let found = patiently(|| api.get_opt(&key.name)).await;
        found.map_err(|error| told(trouble("read", &key.to_string(), &error)))
    }

    /// Removes an object, with what it owns in the background; whether it was there.
    ///
    /// # Errors
    /// As [`Applier::get`].
    pub async fn remove(&self, key: &Key) -> Result<bool, TargetError> {
        let api = self.api(key).await?;
        let parameters = DeleteParams::background();
        match patiently(|| api.delete(&key.name, &parameters)).await {
            Ok(_) => Ok(true),
            Err(Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(told(trouble("remove", &key.to_string(), &error))),
        }
    }

    /// Changes an object that is there, by a merge patch.
    ///
    /// # Errors
    /// As [`Applier::get`].
    pub async fn change(&self, key: &Key, change: &Value) -> Result<(), TargetError> {
        let api = self.api(key).await?;
        let options = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(change);
        let patched = patiently(|| api.patch(&key.name, &options, &patch)).await;
        patched.map(drop).map_err(|error| told(trouble("change", &key.to_string(), &error)))
    }

    async fn send(&self, object: &Object, force: bool, dry_run: bool) -> Result<DynamicObject, TargetError> {
        let api = self.api(&object.key).await.map_err(|error| match error.code {
            "unknown-kind" => {
                TargetError { sentence: format!("{} ({})", error.sentence, object.source), ..error }
            }
            _ => error,
        })?;
        let parameters = PatchParams {
            dry_run,
            force,
            field_manager: Some(MANAGER.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
        };
        let patch = Patch::Apply(&object.value);
        let sent = patiently(|| api.patch(&object.key.name, &parameters, &patch)).await;
        sent.map_err(|error| match &error {
            Error::Api(status) if status.code == 409 => conflict(object, status),
            Error::Api(status) if is_invalid(status) => invalid(object, status),
            _ => told(trouble("apply", &place(object), &error)),
        })
    }

    async fn api(&self, key: &Key) -> Result<Api<DynamicObject>, TargetError> {
        let (resource, namespaced) = self.kinds.find(key).await?;
        let namespace = key.namespace.as_deref().unwrap_or(&self.namespace);
        Ok(match namespaced {
            true => Api::namespaced_with(self.client.clone(), namespace, &resource),
            false => Api::all_with(self.client.clone(), &resource),
        })
    }
}

/// The object and where it was written.
fn place(object: &Object) -> String {
    format!("{} ({})", object.key, object.source)
}

fn conflict(object: &Object, status: &Status) -> TargetError {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let owner = |message: &str| message.split('"').nth(1).unwrap_or(message).to_owned();
    let fields: Vec<String> =
        causes.map(|cause| format!("`{}` by {}", cause.field, owner(&cause.message))).collect();
    let owned = if fields.is_empty() { status.message.clone() } else { fields.join(", ") };
    TargetError {
        code: "conflict",
        sentence: format!("{} has fields that others own: {owned}", place(object)),
        hint: Some(
            "take those fields out of the manifest, or say `take-over: true` to own them from now on"
                .to_owned(),
        ),
        fatal: true,
    }
}

fn invalid(object: &Object, status: &Status) -> TargetError {
    TargetError {
        code: "invalid",
        sentence: format!("{} is refused by the API server: {}", place(object), status.message),
        hint: None,
        fatal: true,
    }
}

pub(super) fn told(trouble: Trouble) -> TargetError {
    TargetError {
        code: trouble.code,
        sentence: trouble.sentence,
        hint: trouble.hint,
        fatal: !trouble.passing,
    }
}

fn json(object: DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}
