//! What a rollout would change, and what is no longer as one has left it: asked by applying without effect.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use kube::api::DynamicObject;
use serde_json::Value;

use super::Work;
use super::keeping::is_removable;
use super::objects::AT_ONCE;
use crate::rollout::{Plan, Release};
use crate::target::TargetError;
use crate::target::kubernetes::apply::job::is_job;
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::manifests::Object;
use crate::target::kubernetes::preview::{Change, ChangeKind, Drift, Forecast, change, drift, trial};
use crate::target::kubernetes::view::Frame;

impl Work {
    /// What the rollout of a plan would change. `found` are the objects of what was there before Tidegate, where the plan goes back
    /// to that. Nothing is written.
    pub(in super::super) async fn forecast(
        &self,
        plan: &Plan,
        bundle: &Bundle,
        found: Option<&Bundle>,
    ) -> Result<Forecast, TargetError> {
        let snapshot = self.snapshot().await?;
        let mut forecast = Forecast::default();
        let live = match (&plan.stable, found) {
            (Some(stable), None) => match self.bundle(&stable.id).await {
                Ok(bundle) => Some(bundle),
                Err(error) => {
                    forecast.warnings.push(error);
                    None
                }
            },
            _ => None,
        };
        let former = found.or(live.as_deref());
        let candidate = &plan.candidate.id;
        let frame = Frame { recreate: plan.exclusive(), ..Frame::default() };
        let objects = self.rendered_in(&frame, candidate, bundle, None, &snapshot, former);
        let asked: Vec<_> = objects.iter().map(|object| self.change_of(object)).collect();
        let asked: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let brings = |kind: &str| objects.iter().any(|object| object.key.kind == kind);
        for (object, answer) in objects.iter().zip(asked) {
            match answer {
                Ok(change) => forecast.changes.extend(change),
                // What it stands on is among the objects and comes first.
                Err(error)
                    if error.code == "unknown-kind" && brings("CustomResourceDefinition")
                        || error.code == "not-found" && brings("Namespace") =>
                {
                    forecast.changes.push(of(object, ChangeKind::Create));
                }
                Err(error) => forecast.problems.push(error),
            }
        }
        if let (Some(stable), Some(live)) = (&plan.stable, &live) {
            match self.unneeded(stable, live, bundle).await {
                Ok(removed) => forecast.changes.extend(removed),
                Err(error) => forecast.warnings.push(error),
            }
        }
        Ok(forecast)
    }

    async fn change_of(&self, object: &Object) -> Result<Option<Change>, TargetError> {
        let before = self.applier.get(&object.key).await?.map(json);
        let after = self.tried(object, before.as_ref(), self.config.take_over).await?;
        Ok(change(object, before.as_ref(), &after))
    }

    /// The object as applying it would leave it.
    async fn tried(
        &self,
        object: &Object,
        before: Option<&Value>,
        force: bool,
    ) -> Result<Value, TargetError> {
        let live = before.and_then(|before| before["spec"]["strategy"]["type"].as_str());
        let (tried, strategy) = trial(object, live);
        let mut after = json(self.applier.rehearse(&tried, force).await?);
        if let Some(strategy) = strategy {
            after["spec"]["strategy"] = strategy;
        }
        Ok(after)
    }

    /// The objects that [`Work::prune`] would remove once the other release is live. Configuration of a release is kept with it.
    async fn unneeded(
        &self,
        live: &Release,
        bundle: &Bundle,
        next: &Bundle,
    ) -> Result<Vec<Change>, TargetError> {
        let mut needed: HashSet<String> =
            next.objects().iter().map(|object| object.key.to_string()).collect();
        let configuration = live.spec["configuration"].as_array().into_iter().flatten();
        needed.extend(configuration.filter_map(Value::as_str).map(str::to_owned));
        let removable = |object: &&Object| is_removable(object, bundle, &needed);
        let removable: Vec<&Object> = bundle.objects().iter().rev().filter(removable).collect();
        let asked: Vec<_> = removable.iter().map(|object| self.is_ours(object)).collect();
        let ours: Vec<bool> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        let removed = removable.into_iter().zip(ours).filter(|(_, ours)| *ours);
        Ok(removed.map(|(object, _)| of(object, ChangeKind::Remove)).collect())
    }

    /// What is no longer as the live release was applied. `recreate` says whether the last rollout was by `recreate`. Nothing is
    /// written.
    pub(in super::super) async fn drift(
        &self,
        live: &Release,
        recreate: bool,
    ) -> Result<Vec<Drift>, TargetError> {
        let (snapshot, bundle): (_, Arc<Bundle>) = (self.snapshot().await?, self.bundle(&live.id).await?);
        let baseline = super::is_baseline(live).then(|| live.id.clone());
        let frame = Frame { baseline, recreate, ..Frame::default() };
        let objects = self.rendered_in(&frame, &live.id, &bundle, None, &snapshot, Some(&bundle));
        // A Job has done what it was to do, and may be gone since.
        let lasting = objects.iter().filter(|object| !is_job(&object.key));
        let asked = lasting.map(|object| async {
            let own = !recreate && !object.value["spec"]["strategy"].is_null();
            let now = match self.there(object).await? {
                Some(now) => json(now),
                None => return Ok(drift(object, own, None, &Value::Null)),
            };
            // What others own now is what is looked for, so it does not stand in the way.
            match self.tried(object, Some(&now), true).await {
                Ok(applied) => Ok(drift(object, own, Some(&now), &applied)),
                Err(error) if error.code == "invalid" => {
                    tracing::debug!("{} cannot be compared: {error}", object.key);
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        });
        let asked: Vec<_> = asked.collect();
        stream::iter(asked).buffered(AT_ONCE).try_filter_map(|one| async { Ok(one) }).try_collect().await
    }
}

fn json(object: DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

fn of(object: &Object, kind: ChangeKind) -> Change {
    Change { object: object.key.clone(), kind, differences: Vec::new() }
}
