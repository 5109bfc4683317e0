//! Server-side apply: each object as the user wrote it, under a field manager of our own.

mod diff;
pub(super) mod job;
pub(super) mod kinds;

use kube::api::{DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, ValidationDirective};
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
/// Who owns the few fields that are patched for the time of a rollout, and what the API server fills in after that.
pub(super) const HOLDER: &str = "tidegate-hold";

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
    /// `unknown-kind`, `conflict` with every field and its owner, `job-running` for a Job that is to change and has not ended,
    /// `invalid` in the API server's words, or what [`trouble`] tells.
    pub async fn apply(&self, object: &Object, force: bool) -> Result<DynamicObject, TargetError> {
        self.send(object, force, false).await
    }

    /// Applies a Job in place of the one that has its name and cannot change. Without a change it is tried by another name.
    async fn replace(
        &self,
        object: &Object,
        force: bool,
        dry_run: bool,
    ) -> Result<DynamicObject, TargetError> {
        let api = self.api(&object.key).await?;
        let former = job::former(self, object).await?;
        let mut next = object.clone();
        if dry_run {
            job::rename(&mut next);
        } else if let Some(former) = former {
            job::make_room(self, &api, object, former).await?;
        }
        let parameters = parameters(force, dry_run);
        let patch = Patch::Apply(&next.value);
        let sent = patiently(|| api.patch(&next.key.name, &parameters, &patch)).await;
        let name = Some(object.key.name.clone());
        let sent = sent.map(|sent| DynamicObject { metadata: ObjectMeta { name, ..sent.metadata }, ..sent });
        sent.map_err(|error| refused(object, &error))
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
        let parameters = parameters(force, dry_run);
        let patch = Patch::Apply(&object.value);
        let mut sent = patiently(|| api.patch(&object.key.name, &parameters, &patch)).await;
        if matches!(&sent, Err(Error::Api(status)) if status.code == 409 && is_with_ourselves(status)) {
            let forced = PatchParams { force: true, ..parameters };
            sent = patiently(|| api.patch(&object.key.name, &forced, &patch)).await;
        }
        if let Err(Error::Api(status)) = &sent
            && job::is_job(&object.key)
            && job::is_fixed(status)
        {
            return self.replace(object, force, dry_run).await;
        }
        sent.map_err(|error| refused(object, &error))
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

fn parameters(force: bool, dry_run: bool) -> PatchParams {
    PatchParams {
        dry_run,
        force,
        field_manager: Some(MANAGER.to_owned()),
        field_validation: Some(ValidationDirective::Strict),
    }
}

/// Why an object was not applied.
fn refused(object: &Object, error: &Error) -> TargetError {
    match error {
        Error::Api(status) if status.code == 409 => conflict(object, status),
        Error::Api(status) if is_invalid(status) => invalid(object, status),
        _ => told(trouble("apply", &place(object), error)),
    }
}

/// The object and where it was written.
fn place(object: &Object) -> String {
    format!("{} ({})", object.key, object.source)
}

/// Whether all fields that stand in the way are our own, by our other name.
fn is_with_ourselves(status: &Status) -> bool {
    let mut owners = conflicts(status).peekable();
    owners.peek().is_some() && owners.all(|(_, owner)| owner == HOLDER)
}

/// Each field that somebody owns, with its owner.
fn conflicts(status: &Status) -> impl Iterator<Item = (&str, &str)> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.map(|cause| (cause.field.as_str(), cause.message.split('"').nth(1).unwrap_or(&cause.message)))
}

fn conflict(object: &Object, status: &Status) -> TargetError {
    let fields: Vec<String> =
        conflicts(status).map(|(field, owner)| format!("`{field}` by {owner}")).collect();
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
    // Of a value of another type the API server tells the value.
    let is_secret = object.key.kind == "Secret" && object.key.group().is_empty();
    let told = status.message.split_once(", got ").filter(|_| is_secret).map(|(told, _)| told);
    let message = told.unwrap_or(&status.message);
    TargetError {
        code: "invalid",
        sentence: format!("{} is refused by the API server: {message}", place(object)),
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
