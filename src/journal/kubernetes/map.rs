//! Histories in ConfigMaps.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, Error};
use tokio::sync::Mutex;

use super::requests::Requests;
use super::{Scope, problem};
use crate::cluster::patiently;
use crate::journal::format::{self, History};
use crate::journal::{Journal, JournalError, LockProof};
use crate::rollout::event::Asked;
use crate::rollout::{Event, RolloutId};

/// Which rollout a ConfigMap is of, as its label tells it.
const ROLLOUT: &str = "tidegate.dev/rollout";
/// Its place among those of the same rollout, from 0.
const PART: &str = "tidegate.dev/part";
/// The key under which the text stands.
const EVENTS: &str = "events";
/// The most bytes of text in one ConfigMap. The API server takes a MiB of all keys together, and etcd 1.5 MiB a request.
const MOST: usize = 900_000;

/// The journal of one environment in a cluster.
#[derive(Debug)]
pub struct MapJournal {
    scope: Scope,
    maps: Api<ConfigMap>,
    requests: Requests,
    most: usize,
    writing: Mutex<Option<Writing>>,
}

/// Where the next event of a rollout goes.
#[derive(Debug, Clone)]
struct Writing {
    rollout: RolloutId,
    part: usize,
    /// The object as it was last seen, its version included.
    map: ConfigMap,
    chain: String,
}

impl MapJournal {
    /// The journal of that environment. Nothing is read or written yet.
    #[must_use]
    pub fn new(client: &Client, scope: Scope) -> Self {
        let (maps, requests) = (scope.api(client), Requests::new(client, &scope));
        Self { scope, maps, requests, most: MOST, writing: Mutex::default() }
    }

    /// As [`MapJournal::new`], with so many bytes in a ConfigMap at most, to see what happens at the bound.
    #[must_use]
    pub fn with_parts_of(client: &Client, scope: Scope, most: usize) -> Self {
        Self { most, ..Self::new(client, scope) }
    }

    /// The namespace that it lives in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.scope.namespace
    }

    fn name(&self, rollout: &RolloutId, part: usize) -> String {
        // Names of objects are in lower case; the label keeps the rollout's own.
        let name = format!("{}-{}", self.scope.prefix(), rollout.as_str().to_lowercase());
        if part == 0 { name } else { format!("{name}-{part}") }
    }

    fn place(&self, rollout: &str) -> String {
        format!("the journal of {rollout} in namespace {}", self.scope.namespace)
    }

    /// The ConfigMaps of every rollout, or of one, in their order.
    async fn parts(
        &self,
        rollout: Option<&RolloutId>,
    ) -> Result<BTreeMap<String, Vec<ConfigMap>>, JournalError> {
        let mut selector = self.scope.selector("rollout");
        if let Some(rollout) = rollout {
            selector = format!("{selector},{ROLLOUT}={rollout}");
        }
        let wanted = ListParams::default().labels(&selector);
        let list = patiently(|| self.maps.list(&wanted)).await;
        let list = list.map_err(|error| problem("list", "the journal's ConfigMaps", &error))?;
        let mut all: BTreeMap<String, Vec<(usize, ConfigMap)>> = BTreeMap::new();
        for map in list.items {
            let label =
                |name: &str| map.metadata.labels.as_ref().and_then(|labels| labels.get(name)).cloned();
            let Some(rollout) = label(ROLLOUT) else { continue };
            let part = label(PART).and_then(|part| part.parse().ok()).unwrap_or_default();
            all.entry(rollout).or_default().push((part, map));
        }
        let ordered = all.into_iter().map(|(rollout, mut parts)| {
            parts.sort_by_key(|(part, _)| *part);
            (rollout, parts.into_iter().map(|(_, map)| map).collect())
        });
        Ok(ordered.collect())
    }

    fn history(&self, rollout: &str, parts: &[ConfigMap]) -> Result<History, JournalError> {
        let place = self.place(rollout);
        parts.iter().try_fold(History::default(), |history, map| history.on(&place, text(map)))
    }

    /// Where the next event of this rollout goes; nothing when it has none yet.
    async fn resume(&self, rollout: &RolloutId) -> Result<Option<Writing>, JournalError> {
        let Some(parts) = self.parts(Some(rollout)).await?.remove(rollout.as_str()) else { return Ok(None) };
        let history = self.history(rollout.as_str(), &parts)?;
        let part = parts.len() - 1;
        let last = parts.into_iter().next_back();
        Ok(last.map(|map| Writing { rollout: rollout.clone(), part, map, chain: history.chain }))
    }

    async fn write(&self, event: &Event) -> Result<(), JournalError> {
        let mut writing = self.writing.lock().await;
        let known = writing.take().filter(|known| known.rollout == event.rollout);
        let now = match known {
            Some(known) => Some(known),
            None => self.resume(&event.rollout).await?,
        };
        let next = self.next(now, event);
        let stored = self.store(&next).await?;
        *writing = Some(Writing { map: stored, ..next });
        Ok(())
    }

    /// What is to be stored so that the event stands after what is there.
    fn next(&self, now: Option<Writing>, event: &Event) -> Writing {
        if let Some(now) = &now {
            let (line, chain) = format::line(&now.chain, event);
            if text(&now.map).len() + line.len() <= self.most {
                let mut map = now.map.clone();
                map.data.get_or_insert_default().entry(EVENTS.to_owned()).or_default().push_str(&line);
                return Writing { map, chain, ..now.clone() };
            }
        }
        let (part, before) = now.map_or((0, String::new()), |now| (now.part + 1, now.chain));
        let (header, chain) = format::header(&before);
        let (line, chain) = format::line(&chain, event);
        let mut labels = self.scope.labels("rollout");
        labels.insert(ROLLOUT.to_owned(), event.rollout.to_string());
        labels.insert(PART.to_owned(), part.to_string());
        let name = Some(self.name(&event.rollout, part));
        let metadata = ObjectMeta { name, labels: Some(labels), ..ObjectMeta::default() };
        let data = Some(BTreeMap::from([(EVENTS.to_owned(), header + &line)]));
        let map = ConfigMap { metadata, data, ..ConfigMap::default() };
        Writing { rollout: event.rollout.clone(), part, map, chain }
    }

    /// Stores an object against the version that it stands on. When an answer was lost, the object may already be as wanted.
    async fn store(&self, next: &Writing) -> Result<ConfigMap, JournalError> {
        let name = self.name(&next.rollout, next.part);
        let object = format!("ConfigMap {}/{name}", self.scope.namespace);
        let options = PostParams::default();
        let stored = patiently(|| async {
            match &next.map.metadata.resource_version {
                Some(_) => self.maps.replace(&name, &options, &next.map).await,
                None => self.maps.create(&options, &next.map).await,
            }
        });
        let error = match stored.await {
            Ok(stored) => return Ok(stored),
            Err(error) => error,
        };
        if !matches!(&error, Error::Api(status) if status.code == 409) {
            return Err(problem("write", &object, &error));
        }
        let there = patiently(|| self.maps.get_opt(&name)).await;
        match there.map_err(|error| problem("read", &object, &error))? {
            Some(there) if text(&there) == text(&next.map) => Ok(there),
            _ => Err(JournalError {
                code: "taken-over",
                sentence: format!("{object} was changed by another run in the meantime; nothing was written"),
                hint: Some("run `tidegate status` to see who works on the environment".to_owned()),
            }),
        }
    }

    /// Removes the oldest rollouts until `keep` are left; those in `needed` (whose release may be wanted again) stay.
    ///
    /// # Errors
    /// When one cannot be listed or removed.
    pub async fn prune(
        &self,
        _proof: &LockProof<'_>,
        keep: usize,
        needed: &[RolloutId],
    ) -> Result<usize, JournalError> {
        let all = self.parts(None).await?;
        let surplus = all.len().saturating_sub(keep.max(1));
        let old = all.into_iter().take(surplus);
        let mut removed = 0;
        for (_, parts) in old.filter(|(rollout, _)| !needed.iter().any(|id| id.as_str() == rollout)) {
            // The first part goes last: what a kill leaves then still begins at its beginning, and is read as cut short.
            for map in parts.iter().rev() {
                let name = map.metadata.name.as_deref().unwrap_or_default();
                let options = DeleteParams::default();
                match patiently(|| self.maps.delete(name, &options)).await {
                    Err(Error::Api(status)) if status.code == 404 => {}
                    Err(error) => return Err(problem("remove", &format!("ConfigMap {name}"), &error)),
                    Ok(_) => {}
                }
            }
            removed += 1;
        }
        Ok(removed)
    }
}

fn text(map: &ConfigMap) -> &str {
    map.data.as_ref().and_then(|data| data.get(EVENTS)).map_or("", String::as_str)
}

impl Journal for MapJournal {
    async fn histories(&self) -> Result<Vec<Vec<Event>>, JournalError> {
        let all = self.parts(None).await?;
        all.iter().map(|(rollout, parts)| Ok(self.history(rollout, parts)?.events)).collect()
    }

    async fn append(&self, _proof: &LockProof<'_>, event: &Event) -> Result<(), JournalError> {
        self.write(event).await
    }

    async fn asked(&self) -> Result<Vec<Asked>, JournalError> {
        self.requests.asked().await
    }

    async fn ask(&self, asked: &Asked) -> Result<(), JournalError> {
        self.requests.ask(asked).await
    }

    async fn answered(&self, _proof: &LockProof<'_>, id: &str) -> Result<(), JournalError> {
        self.requests.answered(id).await
    }
}
