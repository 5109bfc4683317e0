//! Kubernetes: plain manifests, applied to any cluster, with nothing to install in it.
//!
//! # How releases run there
//! What the user sees is what they wrote: a Deployment of that name. Under it, or for a while beside it, each release has a
//! ReplicaSet whose pods carry the release's name.
//! - **In place** (rolling, recreate, the first deploy): the objects are applied, and the Deployment replaces its pods itself.
//! - **Beside** (blue-green, canary): the Services are held to the stable release by one more label in their selector; the
//!   candidate's ReplicaSet stands beside the Deployment and is not its own. When the candidate is promoted the two change
//!   places without a pod being started or ended: the Deployment takes the candidate's ReplicaSet, and the former one stands
//!   beside until it is retired.
//!
//! Everything is named by state and done again without harm; a run that dies leaves what the next one goes on from.

pub mod apply;
pub mod bundle;
pub mod diagnose;
pub mod front;
pub mod manifests;
mod meter;
mod names;
pub mod namespaces;
pub mod policy;
pub mod preflight;
pub mod preview;
pub mod router;
mod store;
mod view;
mod work;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;

use self::bundle::Bundle;
use self::diagnose::Graces;
use self::manifests::Key;
pub use self::meter::{By, CountSource, Credential, PrometheusSource, Queries, RouterCounts, RouterSource};
use self::preview::{Drift, Forecast};
use self::router::{Router, Rules};
use self::work::Work;
pub use self::work::{Errand, ErrandEnd};
use super::{Target, TargetError};
use crate::rollout::{Action, Observation, Plan, Release, ReleaseId, Rollout};

/// How an environment in a cluster is to be worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesConfig {
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// How traffic reaches the instances.
    pub traffic: Traffic,
    /// Own fields that others own, from now on.
    pub take_over: bool,
    /// How long an instance goes on to answer after the routers were told to leave it.
    pub drain: Duration,
    /// How long each trouble of an instance may last.
    pub graces: Graces,
    /// The public address, where there is one: a URL without a path.
    pub url: Option<String>,
    /// Who counts requests for a comparison.
    pub counts: CountSource,
}

/// How traffic reaches the instances, and so how it is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traffic {
    /// A plain Service: its selector switches all at once; shares go by the number of instances.
    Service {
        /// The Service; by default the only one that selects a workload of the release.
        name: Option<String>,
    },
    /// A router in front of the Service: shares by request.
    Router {
        /// Its object.
        router: Router,
        /// The Service behind it whose traffic is divided; by default the only one that selects a workload.
        service: Option<String>,
        /// Which requests go elsewhere than their share says.
        rules: Rules,
        /// How long it takes from an object to all of its data plane.
        settles: Duration,
    },
}

impl Traffic {
    /// The router, where there is one.
    const fn router(&self) -> Option<&Router> {
        match self {
            Self::Service { .. } => None,
            Self::Router { router, .. } => Some(router),
        }
    }

    /// The Service that is named.
    const fn service(&self) -> Option<&String> {
        match self {
            Self::Service { name } => name.as_ref(),
            Self::Router { service, .. } => service.as_ref(),
        }
    }

    /// How long a change of the router's object takes to be in force.
    const fn settles(&self) -> Duration {
        match self {
            Self::Service { .. } => Duration::ZERO,
            Self::Router { settles, .. } => *settles,
        }
    }

    fn rules(&self) -> Rules {
        match self {
            Self::Service { .. } => Rules::default(),
            Self::Router { rules, .. } => rules.clone(),
        }
    }
}

/// A Job that stays with a rollout, to end it when its runner dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog {
    /// An image with this program at `/tidegate`.
    pub image: String,
    /// The service account that it works as.
    pub account: String,
    /// The settings, as they were read.
    pub settings: String,
    /// How long it may stay.
    pub lasts: Duration,
}

/// One environment in a cluster.
#[derive(Clone)]
pub struct KubernetesTarget(Arc<Work>);

impl KubernetesTarget {
    /// The environment in the cluster that the client reaches. The cluster is not asked yet.
    #[must_use]
    pub fn new(client: Client, config: KubernetesConfig) -> Self {
        Self(Arc::new(Work::new(client, config)))
    }

    /// Has the API server check every object of a release without changing anything, and then keeps the objects in the
    /// cluster, so that any machine can go back to them.
    ///
    /// # Errors
    /// The first object that the API server would refuse, in its words; nothing is changed then.
    pub async fn keep(&self, release: &Release, bundle: Bundle) -> Result<(), TargetError> {
        self.0.rehearse(release, &bundle).await?;
        self.0.keep(release, bundle).await
    }

    /// Removes what no release needs any more: objects that `live` does not have and another release had, and what is kept of
    /// releases that are not in `keep`. Gives how many objects.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn prune(&self, live: Option<&Release>, keep: &[&Release]) -> Result<usize, TargetError> {
        self.0.prune(live, keep).await
    }

    /// What runs there in place of the bundle's workloads and was not brought by Tidegate, as a release to go back to, with its
    /// objects. Nothing is written: [`KubernetesTarget::keep_found`] keeps it.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn baseline(&self, bundle: &Bundle) -> Result<Option<(Release, Bundle)>, TargetError> {
        self.0.baseline(bundle).await
    }

    /// Keeps what was there before Tidegate in the cluster, so that any machine can go back to it.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn keep_found(&self, release: &Release, found: &Bundle) -> Result<(), TargetError> {
        self.0.keep_found(release, found).await
    }

    /// What the rollout of a plan would change, by the API server's own word; `found` are the objects of what was there before
    /// Tidegate, where the plan goes back to that. Nothing is written.
    ///
    /// # Errors
    /// When the cluster cannot be looked at. What it says of single objects is in the answer.
    pub async fn forecast(
        &self,
        plan: &Plan,
        bundle: &Bundle,
        found: Option<&Bundle>,
    ) -> Result<Forecast, TargetError> {
        self.0.forecast(plan, bundle, found).await
    }

    /// What is no longer as the live release was applied; `recreate` says whether it was by `recreate`. Replicas do not count: an
    /// autoscaler or a person decides on them. Nothing is written.
    ///
    /// # Errors
    /// What the API server says. It asks for the right to patch, though nothing is changed.
    pub async fn drift(&self, live: &Release, recreate: bool) -> Result<Vec<Drift>, TargetError> {
        self.0.drift(live, recreate).await
    }

    /// How many pods the rollout of a plan needs at most beyond those that run now, by workload.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn extra_pods(&self, plan: &Plan, bundle: &Bundle) -> Result<BTreeMap<Key, u32>, TargetError> {
        self.0.extra_pods(plan, bundle).await
    }

    /// Takes Tidegate's marks off what was there before the first release: nothing of that release is left, and it is as it was.
    /// Only right while no rollout is open and none is stuck: what bears no mark is not seen.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn leave_found(&self) -> Result<(), TargetError> {
        self.0.leave_found().await
    }

    /// Leaves a watchdog in the cluster; one that an earlier run left gives way.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn post(&self, watchdog: &Watchdog) -> Result<(), TargetError> {
        self.0.post(watchdog).await
    }

    /// Takes the watchdog away, if there is one.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn recall(&self) -> Result<(), TargetError> {
        self.0.recall().await
    }

    /// Runs a Job with the container of a release, once: one that is there already is waited for.
    ///
    /// # Errors
    /// What the API server says; when no workload lends a container.
    pub async fn run_errand(
        &self,
        release: &ReleaseId,
        errand: Errand<'_>,
        stop: impl Future<Output = ()>,
    ) -> Result<ErrandEnd, TargetError> {
        self.0.run_errand(release, errand, stop).await
    }

    /// Whether routes of a release lead to the front of a preview.
    ///
    /// # Errors
    /// When its objects are not kept, or the API server's word.
    pub async fn leads_to_front(&self, release: &Release) -> Result<bool, TargetError> {
        self.0.leads_to_front(&release.id).await
    }

    /// Whether the front of a preview has had it lie down.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn is_asleep(&self) -> Result<bool, TargetError> {
        self.0.is_asleep().await
    }

    /// How many instances carry all of the traffic: as many as are wanted now, or else as the manifests want.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn instances(&self, bundle: &Bundle) -> Result<u32, TargetError> {
        self.0.instances(bundle).await
    }
}

impl Target for KubernetesTarget {
    fn begin(&self, rollout: &Rollout) {
        self.0.begin(rollout);
    }

    async fn observe(&self, newer_than: Option<u64>, patience: Duration) -> Result<Observation, TargetError> {
        self.0.observe(newer_than, patience).await
    }

    async fn address(&self, release: Option<&ReleaseId>) -> Option<String> {
        self.0.address(release).await
    }

    async fn act(&self, action: &Action, releases: &[&Release]) -> Result<(), TargetError> {
        match action {
            Action::Scale { release, instances } => self.0.scale(release, *instances, releases).await,
            Action::Route { weights } => self.0.route(weights, releases).await,
            Action::Retire { release, at } => self.0.retire(release, *at, releases).await,
            Action::Migrate { .. } | Action::Verify { .. } => Ok(()),
        }
    }
}
