//! Which resource of the API stands for a kind, and whether it lives in namespaces: asked once a group and version.

use std::collections::HashMap;

use kube::core::discovery::{ApiCapabilities, ApiResource, Scope};
use kube::core::gvk::GroupVersion;
use kube::error::DiscoveryError;
use kube::{Client, Error, discovery};
use tokio::sync::Mutex;

use super::told;
use crate::cluster::{patiently, trouble};
use crate::target::TargetError;
use crate::target::kubernetes::manifests::Key;

type Known = Vec<(ApiResource, ApiCapabilities)>;

pub(in super::super) struct Kinds {
    client: Client,
    known: Mutex<HashMap<String, Known>>,
}

impl Kinds {
    pub(in super::super) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// The resource of an object's kind, and whether it is namespaced.
    ///
    /// A kind that is not there is asked for again: an object just before may have defined it.
    pub(in super::super) async fn find(&self, key: &Key) -> Result<(ApiResource, bool), TargetError> {
        let mut known = self.known.lock().await;
        if let Some(found) = known.get(&key.api_version).and_then(|kinds| pick(kinds, key)) {
            return Ok(found);
        }
        let kinds = self.ask(key).await?;
        let found = pick(&kinds, key).ok_or_else(|| unknown(key, &kinds));
        known.insert(key.api_version.clone(), kinds);
        found
    }

    async fn ask(&self, key: &Key) -> Result<Known, TargetError> {
        let version: GroupVersion = key.api_version.parse().map_err(|_| unknown(key, &[]))?;
        match patiently(|| discovery::pinned_group(&self.client, &version)).await {
            Ok(group) => Ok(group.versioned_resources(&version.version)),
            Err(Error::Api(status)) if status.code == 404 => Err(unknown(key, &[])),
            Err(Error::Discovery(DiscoveryError::MissingApiGroup(_))) => Err(unknown(key, &[])),
            Err(error) => Err(told(trouble("find the kind of", &key.to_string(), &error))),
        }
    }
}

fn pick(kinds: &Known, key: &Key) -> Option<(ApiResource, bool)> {
    let (resource, capabilities) = kinds.iter().find(|(resource, _)| resource.kind == key.kind)?;
    Some((resource.clone(), capabilities.scope == Scope::Namespaced))
}

fn unknown(key: &Key, kinds: &[(ApiResource, ApiCapabilities)]) -> TargetError {
    let there: Vec<&str> = kinds.iter().map(|(resource, _)| resource.kind.as_str()).collect();
    let hint = match crate::yaml::words::nearest(&key.kind, there.into_iter()) {
        Some(kind) => format!("did you mean `{kind}`?"),
        None => "its definition (a CustomResourceDefinition) must be in the cluster first".to_owned(),
    };
    TargetError {
        code: "unknown-kind",
        sentence: format!(
            "the cluster has no kind {} in {}, which {} needs",
            key.kind, key.api_version, key.name
        ),
        hint: Some(hint),
        fatal: true,
    }
}
