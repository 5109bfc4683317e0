//! The work on an environment: from an action to what the API server is asked for.

mod address;
mod baseline;
mod beside;
mod brake;
mod errand;
mod extra;
mod found;
mod keeper;
mod keeping;
mod logs;
mod measure;
mod objects;
mod observe;
mod place;
mod preview;
mod retire;
mod router;
mod scale_up;
mod settle;
mod settling;
mod still;
mod traffic;
mod watchdog;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::Instant;

use super::KubernetesConfig;
use super::apply::Applier;
use super::bundle::{Bundle, Shape};
use super::front;
use super::meter::Meter;
use super::names::Home;
use super::store::Store;
use super::view::{self, Frame};
use super::world::{Snapshot, World};
use crate::rollout::{Release, ReleaseId, Rollout, Step, Weight};
use crate::target::TargetError;
pub use errand::{Errand, ErrandEnd};
use keeper::Keeper;
use logs::Logs;
use settling::Settling;

/// The work on one environment.
pub(super) struct Work {
    client: Client,
    config: KubernetesConfig,
    home: Home,
    applier: Applier,
    store: Store,
    world: OnceLock<World>,
    frame: Mutex<Frame>,
    bundles: Mutex<HashMap<ReleaseId, Arc<Bundle>>>,
    logs: Logs,
    scaling_up: Mutex<Option<(Instant, bool)>>,
    meter: OnceLock<Meter>,
    keeper: Keeper,
    forwards: Mutex<BTreeMap<String, address::Forward>>,
    settling: Settling,
    look_soon: AtomicBool,
    /// The Deployments that this run has stopped.
    stopped: Mutex<BTreeSet<String>>,
}

impl Work {
    pub(super) fn new(client: Client, config: KubernetesConfig) -> Self {
        let home = Home { app: config.app.clone(), environment: config.environment.clone() };
        Self {
            applier: Applier::new(client.clone(), config.namespace.clone()),
            store: Store::new(client.clone(), &config.namespace, home.clone()),
            logs: Logs::new(client.clone(), &config.namespace),
            scaling_up: Mutex::default(),
            world: OnceLock::new(),
            frame: Mutex::default(),
            bundles: Mutex::default(),
            meter: OnceLock::new(),
            keeper: Keeper::default(),
            forwards: Mutex::default(),
            settling: Settling::default(),
            look_soon: AtomicBool::new(false),
            stopped: Mutex::default(),
            client,
            config,
            home,
        }
    }

    pub(super) fn begin(&self, rollout: &Rollout) {
        let plan = &rollout.plan;
        let comparison = plan.steps.iter().find_map(|step| match step {
            Step::Analyze { comparison, .. } => Some(comparison),
            _ => None,
        });
        let releases = || plan.stable.iter().chain([&plan.candidate]);
        let frame = Frame {
            rollout: rollout.id.to_string(),
            instances: plan.instances.max(1),
            in_place: plan.in_place,
            returns: plan.returns,
            recreate: plan.exclusive(),
            divides: plan.steps.iter().any(divides),
            candidate: Some(plan.candidate.id.clone()),
            stable: plan.stable.as_ref().map(|stable| stable.id.clone()),
            baseline: releases().find(|release| is_baseline(release)).map(|release| release.id.clone()),
            shape: Shape::default(),
            shape_before: Shape::default(),
            since: Some(rollout.started),
            is_shaped: false,
            scaling_up: false,
            settling: false,
            compares: comparison.is_some(),
            slow_than: comparison.and_then(|comparison| comparison.slower_than),
        };
        *self.frame.lock().unwrap_or_else(PoisonError::into_inner) = frame;
        self.take_up(rollout);
    }

    /// Whether routes of a release lead to the front of a preview.
    pub(super) async fn leads_to_front(&self, release: &ReleaseId) -> Result<bool, TargetError> {
        Ok(self.bundle(release).await?.objects().iter().any(|object| front::behind(object).is_some()))
    }

    /// Whether the front of a preview has had it lie down.
    pub(super) async fn is_asleep(&self) -> Result<bool, TargetError> {
        Ok(!front::asleep(&self.client, &self.config.namespace).await?.is_empty())
    }

    /// The frame, with the candidate as the settings of today see it.
    async fn framed(&self) -> Frame {
        let frame = self.frame();
        let Some(candidate) = frame.candidate.as_ref().filter(|_| !frame.is_shaped) else { return frame };
        // What is not kept is told by the first act that needs it.
        let Ok(bundle) = self.bundle(candidate).await else { return frame };
        let before = match &frame.stable {
            Some(stable) => self.bundle(stable).await.ok(),
            None => None,
        };
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        frame.shape = bundle.shape().clone();
        frame.shape_before = before.map(|before| before.shape().clone()).unwrap_or_default();
        frame.is_shaped = true;
        frame.clone()
    }

    fn frame(&self) -> Frame {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn world(&self) -> &World {
        let router = self.config.traffic.router().map(|router| router.kind);
        self.world.get_or_init(|| World::watch(&self.client, &self.config.namespace, &self.home, router))
    }

    async fn snapshot(&self) -> Result<Snapshot, TargetError> {
        Ok(self.world().look(None, Duration::ZERO).await?.1)
    }

    /// Waits until what is seen gives an answer, at most `patience`.
    async fn until<T>(
        &self,
        what: &str,
        patience: Duration,
        look: impl Fn(&Snapshot) -> Option<T>,
    ) -> Result<T, TargetError> {
        let end = Instant::now() + patience;
        let mut known = None;
        loop {
            let (generation, snapshot) = self.world().look(known, Duration::from_millis(250)).await?;
            if let Some(found) = look(&snapshot) {
                return Ok(found);
            }
            if Instant::now() >= end {
                let sentence = format!("{what} did not come about within {patience:?}");
                return Err(TargetError { code: "no-progress", sentence, hint: None, fatal: false });
            }
            known = Some(generation);
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.config.namespace)
    }

    /// The objects of a release: those that this run brought, or those that are kept.
    async fn bundle(&self, release: &ReleaseId) -> Result<Arc<Bundle>, TargetError> {
        let known = |bundles: &Mutex<HashMap<ReleaseId, Arc<Bundle>>>| {
            bundles.lock().unwrap_or_else(PoisonError::into_inner).get(release).cloned()
        };
        if let Some(bundle) = known(&self.bundles) {
            return Ok(bundle);
        }
        let bundle = self.store.get(release, &self.config).await?.ok_or_else(|| TargetError {
            code: "release-unknown",
            sentence: format!(
                "the objects of release {release} are not kept in namespace {}",
                self.config.namespace
            ),
            hint: Some("deploy that version again from its commit".to_owned()),
            fatal: true,
        })?;
        Ok(self.remember(release, bundle))
    }

    fn remember(&self, release: &ReleaseId, bundle: Bundle) -> Arc<Bundle> {
        let bundle = Arc::new(bundle);
        let mut bundles = self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        bundles.insert(release.clone(), Arc::clone(&bundle));
        bundle
    }

    /// How many instances carry all of the traffic.
    pub(super) async fn instances(&self, bundle: &Bundle) -> Result<u32, TargetError> {
        let snapshot = self.snapshot().await?;
        let shape = bundle.shape();
        let live = |name: &str| {
            let found = snapshot.deployments.iter().find(|one| one.metadata.name.as_deref() == Some(name));
            found.map(|deployment| view::wanted(deployment))
        };
        let first = shape.carriers.first();
        Ok(first.map_or(1, |carrier| live(&carrier.name).unwrap_or(carrier.replicas)).max(1))
    }
}

/// Whether a step has both releases serve at once.
fn divides(step: &Step) -> bool {
    matches!(step, Step::Shift { split } if split.stable > Weight::ZERO && split.candidate > Weight::ZERO)
}

fn is_baseline(release: &Release) -> bool {
    release.spec["baseline"] == Value::Bool(true)
}

fn now() -> Timestamp {
    Timestamp::now()
}
