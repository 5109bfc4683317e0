//! From what is in the cluster to what the core decides on. Pure.

mod sets;
mod shares;
mod steady;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::bundle::{Shape, Workload};
use super::diagnose::{self, Cause, Evidence, Graces};
use super::names::RELEASE;
use super::router::Router;
use super::world::Snapshot;
use crate::rollout::{ReleaseId, SetView, Weight};

pub(super) use sets::{deployment_release, is_owned, replicas, template_release, wanted};
pub(super) use shares::{beside_wanted, endpoints, pinned};

/// What the look is for: the releases of the rollout, and what they consist of.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    /// The rollout.
    pub(super) rollout: String,
    /// How many instances carry all of the traffic, by the plan.
    pub(super) instances: u32,
    /// The target replaces instances by itself.
    pub(super) in_place: bool,
    /// The candidate was here before: its Jobs are done.
    pub(super) returns: bool,
    /// The pods of one release end before those of the next begin.
    pub(super) recreate: bool,
    /// Both releases serve at once for a while.
    pub(super) divides: bool,
    /// The release that is rolled out.
    pub(super) candidate: Option<ReleaseId>,
    /// The good one before.
    pub(super) stable: Option<ReleaseId>,
    /// The release of objects that have no release's label: what was there before Tidegate.
    pub(super) baseline: Option<ReleaseId>,
    /// What the candidate consists of.
    pub(super) shape: Shape,
    /// What the stable release consists of.
    pub(super) shape_before: Shape,
    /// `shape` is as the settings of today see it.
    pub(super) is_shaped: bool,
    /// The cluster is adding a node for pods that no node takes.
    pub(super) scaling_up: bool,
    /// The router does not say what it has taken, and has not had its time for the last change yet.
    pub(super) settling: bool,
    /// When the rollout began.
    pub(super) since: Option<Timestamp>,
    /// The releases' answers are compared.
    pub(super) compares: bool,
    /// Requests over this latency count as slow; nothing where latency is not compared.
    pub(super) slow_than: Option<Duration>,
}

/// What is seen.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Seen {
    pub(super) sets: BTreeMap<ReleaseId, SetView>,
    pub(super) weights: BTreeMap<ReleaseId, Weight>,
    pub(super) causes: Vec<(ReleaseId, Cause)>,
    /// What is seen changes soon by time alone, and no watch tells of that.
    pub(super) look_soon: bool,
}

pub(super) fn view(snapshot: &Snapshot, frame: &Frame, graces: &Graces, now: Timestamp) -> Seen {
    let just_up = steady::JustUp::of(snapshot, frame, now);
    let sets = sets::sets(snapshot, frame, just_up);
    let weights = shares::weights(snapshot, frame, &sets);
    let causes = causes(snapshot, frame, &sets, graces, now);
    Seen { sets, weights, causes, look_soon: just_up.any() }
}

impl Frame {
    /// The release that labels tell of; of none, the one that was there before Tidegate.
    pub(super) fn release_of(&self, label: Option<&String>) -> Option<ReleaseId> {
        label.map(ReleaseId::new).or_else(|| self.baseline.clone())
    }

    /// The workloads that a release has instances in. What is known of neither is taken for the candidate's kind.
    fn carriers_of(&self, release: &ReleaseId) -> &[Workload] {
        let is_before = self.stable.as_ref() == Some(release) && !self.shape_before.carriers.is_empty();
        if is_before { &self.shape_before.carriers } else { &self.shape.carriers }
    }

    /// The workloads of both releases.
    fn carriers(&self) -> Vec<&Workload> {
        let mut all: Vec<&Workload> = self.shape.carriers.iter().collect();
        for workload in &self.shape_before.carriers {
            if !all.iter().any(|other| other.kind == workload.kind && other.name == workload.name) {
                all.push(workload);
            }
        }
        all
    }

    /// The frame of a look without a rollout: what is there tells what belongs together.
    pub(super) fn of_what_is_there(
        snapshot: &Snapshot,
        service: Option<&str>,
        router: Option<&Router>,
    ) -> Self {
        let shape = sets::shape(snapshot, service, router);
        let instances = shape.carriers.iter().map(|workload| workload.replicas).max().unwrap_or(1).max(1);
        Self { instances, shape, ..Self::default() }
    }
}

/// Why the releases' instances do not come up. What belongs to no release alone counts for the one that is rolled out.
fn causes(
    snapshot: &Snapshot,
    frame: &Frame,
    sets: &BTreeMap<ReleaseId, SetView>,
    graces: &Graces,
    now: Timestamp,
) -> Vec<(ReleaseId, Cause)> {
    let mut causes = Vec::new();
    for release in sets.keys() {
        let is_candidate = frame.candidate.as_ref() == Some(release);
        let own = |label: Option<&String>| match label {
            Some(label) => label == release.as_str(),
            None => frame.baseline.as_ref() == Some(release),
        };
        let fresh = |pod: &Pod| is_candidate && steady::is_fresh(pod, frame) && !steady::is_of_cron_job(pod);
        let counts = |pod: &Pod| match pod.labels().get(RELEASE) {
            None if fresh(pod) => true,
            label => own(label),
        };
        let pods: Vec<&Pod> = snapshot.pods.iter().map(|pod| &**pod).filter(|pod| counts(pod)).collect();
        let of_release = |set: &ReplicaSet| own(sets::template_release(set));
        let replica_sets: Vec<&ReplicaSet> =
            snapshot.replica_sets.iter().map(|set| &**set).filter(|set| of_release(set)).collect();
        let evidence = Evidence { pods: &pods, replica_sets: &replica_sets, scaling_up: frame.scaling_up };
        causes.extend(diagnose::cause(evidence, graces, now).map(|cause| (release.clone(), cause)));
    }
    causes
}
