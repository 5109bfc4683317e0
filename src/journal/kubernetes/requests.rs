//! Requests of people to the run that holds the lock: keys of one ConfigMap, which the run watches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client, Error};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::{Scope, problem};
use crate::cluster::patiently;
use crate::journal::JournalError;
use crate::rollout::event::Asked;

/// How long the first look at the requests may take. After that the watch tells of every change.
const FIRST_LOOK: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Requests {
    name: String,
    labels: BTreeMap<String, String>,
    maps: Api<ConfigMap>,
    seen: OnceLock<Seen>,
}

/// What the watch has seen last.
#[derive(Debug)]
struct Seen {
    data: Arc<Mutex<BTreeMap<String, String>>>,
    first: tokio::sync::watch::Receiver<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Requests {
    pub(super) fn new(client: &Client, scope: &Scope) -> Self {
        let name = format!("{}-requests", scope.prefix());
        Self { name, labels: scope.labels("requests"), maps: scope.api(client), seen: OnceLock::new() }
    }

    /// What is asked for, oldest first. A request that cannot be read is left for a person; it must not stop the rollout.
    pub(super) async fn asked(&self) -> Result<Vec<Asked>, JournalError> {
        let seen = self.seen.get_or_init(|| self.watch());
        let mut first = seen.first.clone();
        // An API server that is away shows elsewhere; requests are then not seen, which is what not being asked looks like.
        let _ = tokio::time::timeout(FIRST_LOOK, first.wait_for(|there| *there)).await;
        let data = seen.data.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(data.values().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// Leaves a request.
    pub(super) async fn ask(&self, asked: &Asked) -> Result<(), JournalError> {
        let text = serde_json::to_string(asked).unwrap_or_default();
        let change = json!({ "data": { &asked.id: text } });
        match self.change(&change).await {
            Err(Error::Api(status)) if status.code == 404 => {
                let metadata = ObjectMeta {
                    name: Some(self.name.clone()),
                    labels: Some(self.labels.clone()),
                    ..ObjectMeta::default()
                };
                let empty = ConfigMap { metadata, ..ConfigMap::default() };
                let options = PostParams::default();
                match patiently(|| self.maps.create(&options, &empty)).await {
                    // Somebody else made it in the same moment.
                    Err(Error::Api(status)) if status.code == 409 => {}
                    Err(error) => return Err(self.told("write", &error)),
                    Ok(_) => {}
                }
                self.change(&change).await.map_err(|error| self.told("write", &error))
            }
            other => other.map_err(|error| self.told("write", &error)),
        }
    }

    /// Takes a request out.
    pub(super) async fn answered(&self, id: &str) -> Result<(), JournalError> {
        match self.change(&json!({ "data": { id: Value::Null } })).await {
            Err(Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(self.told("write", &error)),
            Ok(()) => {}
        }
        if let Some(seen) = self.seen.get() {
            seen.data.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
        Ok(())
    }

    async fn change(&self, change: &Value) -> Result<(), Error> {
        let (options, change) = (PatchParams::default(), Patch::Merge(change));
        patiently(|| self.maps.patch(&self.name, &options, &change)).await.map(drop)
    }

    fn watch(&self) -> Seen {
        let data = Arc::new(Mutex::new(BTreeMap::new()));
        let (tell, first) = tokio::sync::watch::channel(false);
        let (maps, name, noted) = (self.maps.clone(), self.name.clone(), Arc::clone(&data));
        let task = tokio::spawn(async move {
            let mut changes = std::pin::pin!(watch_object(maps, &name).default_backoff());
            while let Some(change) = changes.next().await {
                // What the stream cannot see it tries again by itself.
                let Ok(map) = change else { continue };
                let now = map.and_then(|map| map.data).unwrap_or_default();
                *noted.lock().unwrap_or_else(PoisonError::into_inner) = now;
                tell.send_replace(true);
            }
        });
        Seen { data, first, _task: AbortOnDropHandle::new(task) }
    }

    fn told(&self, tried: &str, error: &Error) -> JournalError {
        problem(tried, &format!("ConfigMap {}", self.name), error)
    }
}
