//! Releases are checked before anything is changed, kept as long as they may be wanted, and what they leave is removed.

use std::collections::HashSet;
use std::sync::PoisonError;

use futures_util::stream::{self, FuturesOrdered};
use futures_util::{StreamExt, TryFutureExt, TryStreamExt};
use serde_json::Value;

use super::Work;
use super::beside::deployment;
use super::objects::AT_ONCE;
use super::still::strategy_of;
use crate::rollout::{Release, ReleaseId};
use crate::target::TargetError;
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::manifests::Object;
use crate::target::kubernetes::names::{APP, ENVIRONMENT};
use crate::target::kubernetes::preview::trial;
use crate::target::kubernetes::world::Snapshot;

/// What holds other things is not removed because a release has no use for it: with it would go what people put there.
const HOLDS: [&str; 4] =
    ["Namespace", "CustomResourceDefinition", "PersistentVolume", "PersistentVolumeClaim"];

impl Work {
    /// Has the API server check every object, and notes which were there before the first release.
    pub(in super::super) async fn rehearse(
        &self,
        release: &Release,
        bundle: &Bundle,
    ) -> Result<(), TargetError> {
        let snapshot = self.snapshot().await?;
        let objects = self.rendered(&release.id, bundle, None, &snapshot, Some(bundle));
        let brings = |kind: &str| objects.iter().any(|object| object.key.kind == kind);
        let (namespace, definition) = (brings("Namespace"), brings("CustomResourceDefinition"));
        // What it stands on is among the objects and comes first.
        let passes = |error: &TargetError| match error.code {
            "unknown-kind" => definition,
            "not-found" => namespace,
            _ => false,
        };
        let (mut left, mut under_way) = (objects.into_iter(), FuturesOrdered::new());
        loop {
            let next = if under_way.len() < AT_ONCE { left.next() } else { None };
            if let Some(object) = next {
                under_way.push_back(self.rehearsed(object, &snapshot));
            } else if let Some(tried) = under_way.next().await {
                tried.or_else(|error| if passes(&error) { Ok(()) } else { Err(error) })?;
            } else {
                return Ok(());
            }
        }
    }

    /// Has the API server check one object.
    async fn rehearsed(&self, object: Object, snapshot: &Snapshot) -> Result<(), TargetError> {
        let live = deployment(snapshot, &object.key.name).and_then(strategy_of);
        let (object, _) = trial(&object, live);
        self.applier.rehearse(&object, self.config.take_over).await.map(drop)
    }

    /// Keeps a release's objects.
    pub(in super::super) async fn keep(
        &self,
        release: &Release,
        mut bundle: Bundle,
    ) -> Result<(), TargetError> {
        let earlier = self.store.releases().await?;
        if let Some(one) = earlier.first() {
            // What was there before the first release is known from then on.
            bundle.note_found(self.bundle(one).await?.found_before().to_vec());
        } else {
            let names: Vec<String> = bundle.objects().iter().map(|object| object.key.to_string()).collect();
            let there =
                bundle.objects().iter().map(|object| self.there(object).map_ok(|live| live.is_some()));
            let there: Vec<_> = there.collect();
            let there: Vec<_> = stream::iter(there).buffered(AT_ONCE).try_collect().await?;
            let found = names.into_iter().zip(there).filter(|(_, is_there)| *is_there).map(|(name, _)| name);
            bundle.note_found(found.collect());
        }
        self.store.keep(&release.id, &bundle).await?;
        self.remember(&release.id, bundle);
        Ok(())
    }

    /// Removes what no release needs any more.
    pub(in super::super) async fn prune(
        &self,
        live: Option<&Release>,
        keep: &[&Release],
    ) -> Result<usize, TargetError> {
        let mut removed = 0;
        let frame = self.frame();
        let kept = |id: &ReleaseId| keep.iter().any(|release| release.id == *id);
        let mut needed: HashSet<String> = HashSet::new();
        for release in keep {
            let names = release.spec["configuration"].as_array().into_iter().flatten();
            needed.extend(names.filter_map(Value::as_str).map(str::to_owned));
        }
        if let Some(live) = live {
            needed.extend(self.bundle(&live.id).await?.objects().iter().map(|object| object.key.to_string()));
        }
        for id in self.store.releases().await? {
            let concerns_us = [&frame.candidate, &frame.stable].into_iter().flatten().any(|own| *own == id);
            let is_live = live.is_some_and(|live| live.id == id);
            if is_live || (kept(&id) && !concerns_us) {
                continue;
            }
            let bundle = self.bundle(&id).await?;
            if live.is_some() {
                removed += self.remove_unneeded(&bundle, &needed).await?;
            }
            if !kept(&id) {
                self.store.remove(&id).await?;
                self.bundles.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            }
        }
        Ok(removed)
    }

    /// Removes all objects of a release that had none before it.
    pub(super) async fn remove_all(&self, release: &ReleaseId) -> Result<(), TargetError> {
        let bundle = self.bundle(release).await?;
        self.remove_unneeded(&bundle, &HashSet::new()).await.map(drop)
    }

    async fn remove_unneeded(&self, bundle: &Bundle, needed: &HashSet<String>) -> Result<usize, TargetError> {
        let mut removed = 0;
        for object in bundle.objects().iter().rev() {
            if is_removable(object, bundle, needed) && self.is_ours(object).await? {
                tracing::info!("{} is of no release any more and is removed", object.key);
                removed += usize::from(self.applier.remove(&object.key).await?);
            }
        }
        Ok(removed)
    }

    pub(super) async fn is_ours(&self, object: &Object) -> Result<bool, TargetError> {
        let Some(live) = self.there(object).await? else { return Ok(false) };
        let labels = live.metadata.labels.unwrap_or_default();
        Ok(labels.get(APP) == Some(&self.config.app)
            && labels.get(ENVIRONMENT) == Some(&self.config.environment))
    }
}

/// Whether an object of a release may go when the release does: nobody needs it, and a release brought it.
pub(super) fn is_removable(object: &Object, bundle: &Bundle, needed: &HashSet<String>) -> bool {
    let name = object.key.to_string();
    !needed.contains(&name) && !bundle.was_found(&name) && !HOLDS.contains(&object.key.kind.as_str())
}
