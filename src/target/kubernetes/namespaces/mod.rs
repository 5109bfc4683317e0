//! Namespaces that Tidegate makes and takes away again: one for each preview.
//!
//! What it has not made it does not touch. A namespace is its own if the label, the record beside it and the API server's own word on who
//! wrote both (`managedFields`) say so; the deletion names the very object that was looked at, so that another one of the same name, made
//! meanwhile, stays. It is called gone when it is seen gone.

mod isolation;
mod remains;
pub mod secret;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, Error};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::apply::{MANAGER, told};
use super::names::{APP, MANAGED_BY};
use crate::cluster::{patiently, trouble};
use crate::target::TargetError;

pub use isolation::Isolation;

/// After so long a person is told that a namespace is waited for.
const TELL: Duration = Duration::from_secs(15);
/// Between two tries to watch one.
const PAUSE: Duration = Duration::from_secs(1);
/// Label of the namespace of a preview: the number of its pull request.
const PREVIEW: &str = "tidegate.dev/preview";
/// Annotation of it: what is written down of the preview.
const RECORD: &str = "tidegate.dev/preview-record";

/// The namespaces of an app's previews.
#[derive(Clone)]
pub struct Namespaces {
    client: Client,
    app: String,
}

/// A namespace that bears the label of a preview of this app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// Which object it is, whatever else has its name later.
    pub uid: String,
    /// What is written down beside it, if anything is.
    pub record: Option<String>,
    /// Whether Tidegate wrote both, by the word of the API server.
    pub is_ours: bool,
    /// It is being deleted.
    pub is_going: bool,
}

impl Namespaces {
    /// The namespaces of an app's previews in the cluster that the client reaches. It is not asked yet.
    #[must_use]
    pub fn new(client: Client, app: &str) -> Self {
        Self { client, app: app.to_owned() }
    }

    fn api(&self) -> Api<Namespace> {
        Api::all(self.client.clone())
    }

    /// All of them.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn list(&self) -> Result<Vec<Seen>, TargetError> {
        let (api, selector) = (self.api(), format!("{APP}={},{PREVIEW}", self.app));
        let options = ListParams::default().labels(&selector);
        let all = patiently(|| api.list(&options)).await;
        let all = all.map_err(|error| told(trouble("list", "the namespaces of previews", &error)))?;
        Ok(all.items.iter().map(seen).collect())
    }

    /// The one of that name, if it is there and bears the label.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn find(&self, name: &str) -> Result<Option<Seen>, TargetError> {
        Ok(self.get(name).await?.filter(|namespace| self.is_labelled(namespace)).as_ref().map(seen))
    }

    /// Whether there is any namespace of that name, whoever made it.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn is_there(&self, name: &str) -> Result<bool, TargetError> {
        Ok(self.get(name).await?.is_some())
    }

    /// Which cluster it is: the UID of `kube-system`, which each has one of.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn cluster(&self) -> Result<String, TargetError> {
        let uid = self.get("kube-system").await?.and_then(|namespace| namespace.metadata.uid);
        uid.ok_or_else(|| TargetError {
            code: "not-found",
            sentence: "the cluster has no namespace kube-system, by which it is known again".to_owned(),
            hint: None,
            fatal: true,
        })
    }

    async fn get(&self, name: &str) -> Result<Option<Namespace>, TargetError> {
        let api = self.api();
        let there = patiently(|| api.get_opt(name)).await;
        there.map_err(|error| told(trouble("read", &format!("namespace {name}"), &error)))
    }

    fn is_labelled(&self, namespace: &Namespace) -> bool {
        let labels = namespace.metadata.labels.as_ref();
        let label = |name: &str| labels.and_then(|all| all.get(name));
        label(APP) == Some(&self.app) && label(PREVIEW).is_some()
    }

    /// Makes the namespace of a preview with its record, or writes the record anew where it has been made before.
    ///
    /// # Errors
    /// `foreign-namespace` when one of that name is there that Tidegate did not make; `still-going` when it is being deleted; what the API
    /// server says.
    pub async fn make(&self, name: &str, number: u64, record: &str) -> Result<(), TargetError> {
        let labels =
            [(APP, self.app.clone()), (PREVIEW, number.to_string()), (MANAGED_BY, MANAGER.to_owned())];
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
                annotations: Some(BTreeMap::from([(RECORD.to_owned(), record.to_owned())])),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let (api, options) =
            (self.api(), PostParams { field_manager: Some(MANAGER.to_owned()), dry_run: false });
        match patiently(|| api.create(&options, &namespace)).await {
            Ok(_) => return Ok(()),
            Err(Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(told(trouble("create", &format!("namespace {name}"), &error))),
        }
        let fault = |code, sentence: String, hint: &str| {
            Err(TargetError { code, sentence, hint: Some(hint.to_owned()), fatal: true })
        };
        match self.find(name).await? {
            Some(Seen { is_going: true, .. }) => fault(
                "still-going",
                format!("namespace {name} is still being deleted: the preview that it was is not gone yet"),
                "try it again in a moment; `tidegate preview sweep` tells what it hangs on",
            ),
            Some(Seen { is_ours: true, .. }) => self.note(name, record).await,
            _ => fault(
                "foreign-namespace",
                format!(
                    "namespace {name} is there and was not made by Tidegate for a preview of {}",
                    self.app
                ),
                "give previews another `namespace`, or delete that one if nobody needs it",
            ),
        }
    }

    /// Writes the record of a preview anew.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn note(&self, name: &str, record: &str) -> Result<(), TargetError> {
        let (api, change) =
            (self.api(), Patch::Merge(json!({ "metadata": { "annotations": { RECORD: record } } })));
        let options = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let written = patiently(|| api.patch_metadata(name, &options, &change)).await;
        written.map(drop).map_err(|error| told(trouble("write", &format!("namespace {name}"), &error)))
    }

    /// Sees to what a preview may use and whom it may reach. Done before anything runs there.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn isolate(&self, name: &str, isolation: &Isolation) -> Result<(), TargetError> {
        isolation.apply(&self.client, name).await
    }

    /// Takes a namespace away with all that is in it, and waits until it is seen gone.
    ///
    /// # Errors
    /// `still-there` with what it hangs on, when it is not gone after `patience`; what the API server says.
    pub async fn remove(&self, one: &Seen, patience: Duration) -> Result<(), TargetError> {
        let (api, name) = (self.api(), one.name.as_str());
        let this = Preconditions { uid: Some(one.uid.clone()), resource_version: None };
        let options = DeleteParams { preconditions: Some(this), ..DeleteParams::foreground() };
        match patiently(|| api.delete(name, &options)).await {
            Ok(_) => {}
            // Gone, or another one has its name by now.
            Err(Error::Api(status)) if status.code == 404 || is_another(&status) => return Ok(()),
            // It is on its way already.
            Err(Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(told(trouble("delete", &format!("namespace {name}"), &error))),
        }
        let begun = Instant::now();
        let mut is_told = false;
        while begun.elapsed() < patience {
            let left = patience.saturating_sub(begun.elapsed());
            let turn = if is_told { left } else { left.min(TELL) };
            // A watch that breaks off is begun anew.
            match timeout(turn, await_condition(self.api(), name, conditions::is_deleted(&one.uid))).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(_)) => sleep(PAUSE).await,
                Err(_) if !is_told => {
                    tracing::warn!("namespace {name} is waited for until it is gone, for up to {patience:?}");
                    is_told = true;
                }
                Err(_) => {}
            }
        }
        match self.get(name).await? {
            Some(there) if there.metadata.uid.as_deref() == Some(&one.uid) => {
                Err(remains::told(&there, patience))
            }
            _ => Ok(()),
        }
    }
}

/// Whether the API server says that the object of that name is another one than was meant.
fn is_another(status: &kube::core::response::Status) -> bool {
    status.code == 409 && status.message.contains("Precondition failed: UID")
}

fn seen(namespace: &Namespace) -> Seen {
    let metadata = &namespace.metadata;
    let record = metadata.annotations.as_ref().and_then(|all| all.get(RECORD));
    Seen {
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        record: record.cloned(),
        is_ours: wrote(namespace, "f:labels", PREVIEW) && wrote(namespace, "f:annotations", RECORD),
        is_going: metadata.deletion_timestamp.is_some(),
    }
}

/// Whether Tidegate wrote that label or annotation, and nobody else did.
fn wrote(namespace: &Namespace, kind: &str, name: &str) -> bool {
    let fields = namespace.metadata.managed_fields.iter().flatten();
    let mut writers = fields.filter(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.is_some_and(|fields| fields["f:metadata"][kind].get(format!("f:{name}")).is_some())
    });
    let first = writers.next();
    first.is_some_and(|entry| entry.manager.as_deref() == Some(MANAGER))
        && writers.all(|entry| entry.manager.as_deref() == Some(MANAGER))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn namespace(managers: &[(&str, Value)]) -> Namespace {
        let fields: Vec<Value> = managers
            .iter()
            .map(|(manager, fields)| json!({ "manager": manager, "fieldsV1": { "f:metadata": fields } }))
            .collect();
        serde_json::from_value(json!({ "metadata": {
            "name": "shop-preview-7", "uid": "u", "managedFields": fields,
            "labels": { "tidegate.dev/app": "shop", "tidegate.dev/preview": "7" },
            "annotations": { "tidegate.dev/preview-record": "{}" } } }))
        .unwrap()
    }

    #[test]
    fn only_what_tidegate_itself_wrote_makes_a_namespace_its_own() {
        let label = json!({ "f:labels": { "f:tidegate.dev/preview": {} } });
        let record = json!({ "f:annotations": { "f:tidegate.dev/preview-record": {} } });
        let both = json!({ "f:labels": { "f:tidegate.dev/preview": {} }, "f:annotations": { "f:tidegate.dev/preview-record": {} } });
        let is_ours = |managers: &[(&str, Value)]| seen(&namespace(managers)).is_ours;
        assert!(is_ours(&[("tidegate", both.clone())]));
        assert!(is_ours(&[("tidegate", label.clone()), ("tidegate", record.clone())]));
        assert!(!is_ours(&[("kubectl", both.clone())]));
        assert!(!is_ours(&[("tidegate", record.clone()), ("kubectl-label", label)]));
        assert!(!is_ours(&[("tidegate", both), ("kubectl-annotate", record)]));
        assert!(!is_ours(&[]));
    }
}
