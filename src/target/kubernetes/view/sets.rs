//! The instances of each release, in the plan's instances.
//!
//! Workloads may have other numbers of replicas than the plan has instances: several of them in one release, an autoscaler, a
//! person. Each is taken in proportion, and of several the one counts that is behind the most.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::Frame;
use super::steady::JustUp;
use crate::rollout::{ReleaseId, SetView};
use crate::target::kubernetes::bundle::{Shape, Workload};
use crate::target::kubernetes::names::{BESIDE, RELEASE, RETIRE_AT};
use crate::target::kubernetes::router::Router;
use crate::target::kubernetes::world::Snapshot;

/// The replicas of one release in one workload.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    desired: u32,
    running: u32,
    ready: u32,
    retire_at: Option<Timestamp>,
}

pub(super) fn sets(snapshot: &Snapshot, frame: &Frame, just_up: JustUp) -> BTreeMap<ReleaseId, SetView> {
    let mut sets: BTreeMap<ReleaseId, SetView> = BTreeMap::new();
    let mut counted: BTreeMap<ReleaseId, usize> = BTreeMap::new();
    for workload in frame.carriers() {
        let (total, parts) = parts(snapshot, frame, workload);
        let here = |n: u32| share(n, frame.instances, total);
        let is_of = |release: &ReleaseId| {
            frame
                .carriers_of(release)
                .iter()
                .any(|one| one.kind == workload.kind && one.name == workload.name)
        };
        for (release, part) in parts.into_iter().filter(|(release, _)| is_of(release)) {
            *counted.entry(release.clone()).or_default() += 1;
            let least = SetView { desired: u32::MAX, ready: u32::MAX, ..SetView::default() };
            let set = sets.entry(release).or_insert(least);
            set.desired = set.desired.min(here(part.desired));
            set.ready = set.ready.min(here(part.ready));
            // What runs at all must not be rounded away.
            set.running = set.running.max(here(part.running).max(part.running.min(1)));
            set.retire_at = set.retire_at.or(part.retire_at);
        }
    }
    for (release, set) in &mut sets {
        let whole = counted.get(release).copied() == Some(frame.carriers_of(release).len());
        let is_candidate = frame.candidate.as_ref() == Some(release);
        let others = || just_up.others == 0 && others_done(snapshot, frame, release);
        if !whole || (is_candidate && !others()) {
            set.ready = 0;
        } else if is_candidate && frame.in_place {
            // Sets that stand beside have their own time, by `minReadySeconds`.
            set.ready = set.ready.saturating_sub(just_up.carriers);
        }
        if !whole {
            set.desired = 0;
        }
    }
    sets
}

/// `n` of `all` replicas, in the plan's instances.
fn share(n: u32, instances: u32, all: u32) -> u32 {
    if all == 0 || all == instances {
        return n;
    }
    u32::try_from(u64::from(n) * u64::from(instances) / u64::from(all)).unwrap_or(u32::MAX)
}

/// The replicas that `n` of the plan's instances are of `all`.
pub(in super::super) fn replicas(n: u32, instances: u32, all: u32) -> u32 {
    if instances == 0 || all == instances {
        return n;
    }
    u32::try_from((u64::from(n) * u64::from(all)).div_ceil(u64::from(instances))).unwrap_or(u32::MAX)
}

/// How many replicas the workload wants in all, and those of each release.
fn parts(snapshot: &Snapshot, frame: &Frame, workload: &Workload) -> (u32, BTreeMap<ReleaseId, Part>) {
    let name = workload.name.as_str();
    match workload.kind.as_str() {
        "Deployment" => deployment(snapshot, frame, workload),
        "StatefulSet" => match snapshot.stateful_sets.iter().find(|one| one.name_any() == name) {
            Some(set) => stateful_set(set, frame),
            None => (workload.replicas, BTreeMap::new()),
        },
        _ => match snapshot.daemon_sets.iter().find(|one| one.name_any() == name) {
            Some(set) => daemon_set(set, frame),
            None => (workload.replicas, BTreeMap::new()),
        },
    }
}

fn deployment(snapshot: &Snapshot, frame: &Frame, workload: &Workload) -> (u32, BTreeMap<ReleaseId, Part>) {
    let live = snapshot.deployments.iter().find(|one| one.name_any() == workload.name);
    let total = live.map_or(workload.replicas, |live| wanted(live));
    let mut parts: BTreeMap<ReleaseId, Part> = BTreeMap::new();
    let mut labelled = Part::default();
    for set in &snapshot.replica_sets {
        let beside = set.labels().get(BESIDE) == Some(&workload.name);
        let owned = live.is_some_and(|live| is_owned(&set.metadata, live));
        let (true, Some(release)) = (beside || owned, template_release(set).map(ReleaseId::new)) else {
            continue;
        };
        let status = set.status.clone().unwrap_or_default();
        let (running, ready) = (whole(status.replicas), whole(status.available_replicas.unwrap_or_default()));
        if owned {
            labelled.running += running;
            labelled.ready += ready;
        }
        if running == 0 && !beside {
            continue;
        }
        let part = parts.entry(release).or_default();
        part.ready += ready;
        // As long as a set stands beside, there is something to take away.
        part.running += if beside { running.max(1) } else { running };
        if beside {
            part.desired += set.spec.as_ref().and_then(|spec| spec.replicas).map_or(1, whole);
            part.retire_at = set.annotations().get(RETIRE_AT).and_then(|at| at.parse().ok());
        }
    }
    let Some(live) = live else { return (total, parts) };
    if let Some(release) = frame.release_of(deployment_release(live)) {
        let part = parts.entry(release).or_default();
        part.desired = part.desired.max(total);
    }
    if let Some(baseline) = &frame.baseline {
        let status = live.status.clone().unwrap_or_default();
        let running = whole(status.replicas.unwrap_or_default()).saturating_sub(labelled.running);
        let ready = whole(status.available_replicas.unwrap_or_default()).saturating_sub(labelled.ready);
        if running > 0 {
            let part = parts.entry(baseline.clone()).or_default();
            part.running += running;
            part.ready += ready;
        }
    }
    (total, parts)
}

fn stateful_set(set: &StatefulSet, frame: &Frame) -> (u32, BTreeMap<ReleaseId, Part>) {
    let spec = set.spec.clone().unwrap_or_default();
    let status = set.status.clone().unwrap_or_default();
    let total = spec.replicas.map_or(1, whole);
    let release =
        spec.template.metadata.as_ref().and_then(|meta| meta.labels.as_ref()?.get(RELEASE).cloned());
    let current = status.observed_generation >= set.metadata.generation;
    let updated = if current { whole(status.updated_replicas.unwrap_or_default()) } else { 0 };
    let ready = whole(status.available_replicas.or(status.ready_replicas).unwrap_or_default());
    (total, in_turn(frame, release.as_ref(), total, whole(status.replicas), updated, ready))
}

fn daemon_set(set: &DaemonSet, frame: &Frame) -> (u32, BTreeMap<ReleaseId, Part>) {
    let template = set.spec.as_ref().map(|spec| &spec.template);
    let release = template.and_then(|one| one.metadata.as_ref()?.labels.as_ref()?.get(RELEASE).cloned());
    let status = set.status.clone().unwrap_or_default();
    let current = status.observed_generation >= set.metadata.generation;
    let total = whole(status.desired_number_scheduled);
    let updated = if current { whole(status.updated_number_scheduled.unwrap_or_default()) } else { 0 };
    let ready = whole(status.number_available.unwrap_or_default());
    (total, in_turn(frame, release.as_ref(), total, whole(status.current_number_scheduled), updated, ready))
}

/// The parts of a workload that replaces its pods one after the other: the updated ones are the newest release's.
fn in_turn(
    frame: &Frame,
    release: Option<&String>,
    total: u32,
    running: u32,
    updated: u32,
    ready: u32,
) -> BTreeMap<ReleaseId, Part> {
    let mut parts = BTreeMap::new();
    let newest = frame.release_of(release);
    let old = running.saturating_sub(updated);
    let before =
        [&frame.stable, &frame.candidate].into_iter().flatten().find(|id| Some(*id) != newest.as_ref());
    if let Some(newest) = newest {
        let ready =
            if old == 0 { ready.min(updated) } else { updated.saturating_sub(running.saturating_sub(ready)) };
        parts.insert(newest, Part { desired: total, running: updated, ready, retire_at: None });
    }
    if let (Some(before), true) = (before, old > 0) {
        parts.insert(
            before.clone(),
            Part { desired: 0, running: old, ready: old.min(ready), retire_at: None },
        );
    }
    parts
}

/// Whether the workloads that carry no traffic are as the release wants them.
fn others_done(snapshot: &Snapshot, frame: &Frame, release: &ReleaseId) -> bool {
    let is_of = |meta: &ObjectMeta| {
        meta.labels
            .as_ref()
            .and_then(|labels| labels.get(RELEASE))
            .is_some_and(|label| label == release.as_str())
    };
    frame.shape.others.iter().all(|workload| {
        let name = workload.name.as_str();
        match workload.kind.as_str() {
            "Deployment" => snapshot.deployments.iter().any(|one| {
                one.name_any() == name && is_of(&one.metadata) && {
                    let status = one.status.clone().unwrap_or_default();
                    let all = Some(i32::try_from(wanted(one)).unwrap_or(i32::MAX)).filter(|all| *all > 0);
                    status.observed_generation >= one.metadata.generation
                        && status.updated_replicas == all
                        && status.available_replicas == all
                        && status.replicas == all
                }
            }),
            "StatefulSet" => snapshot.stateful_sets.iter().any(|one| {
                let status = one.status.clone().unwrap_or_default();
                let all = one.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
                one.name_any() == name
                    && is_of(&one.metadata)
                    && status.observed_generation >= one.metadata.generation
                    && status.updated_replicas.unwrap_or_default() == all
                    && status.ready_replicas.unwrap_or_default() == all
            }),
            _ => snapshot.daemon_sets.iter().any(|one| {
                let status = one.status.clone().unwrap_or_default();
                one.name_any() == name
                    && is_of(&one.metadata)
                    && status.observed_generation >= one.metadata.generation
                    && status.updated_number_scheduled.unwrap_or_default() == status.desired_number_scheduled
                    && status.number_available.unwrap_or_default() == status.desired_number_scheduled
            }),
        }
    })
}

/// What is there, as a shape: the workloads whose pods are told apart by release.
pub(super) fn shape(snapshot: &Snapshot, service: Option<&str>, router: Option<&Router>) -> Shape {
    let labelled = snapshot.deployments.iter().filter(|one| deployment_release(one).is_some());
    let carriers = labelled.map(|one| Workload {
        kind: "Deployment".to_owned(),
        name: one.name_any(),
        replicas: wanted(one),
    });
    let mut carriers: Vec<Workload> = carriers.collect();
    if carriers.is_empty() {
        carriers.extend(snapshot.stateful_sets.iter().map(|one| Workload {
            kind: "StatefulSet".to_owned(),
            name: one.name_any(),
            replicas: one.spec.as_ref().and_then(|spec| spec.replicas).map_or(1, whole),
        }));
        carriers.extend(snapshot.daemon_sets.iter().map(|one| Workload {
            kind: "DaemonSet".to_owned(),
            name: one.name_any(),
            replicas: one.status.as_ref().map_or(1, |status| whole(status.desired_number_scheduled)),
        }));
    }
    Shape { carriers, service: service.map(str::to_owned), router: router.cloned(), ..Shape::default() }
}

pub(in super::super) fn deployment_release(deployment: &Deployment) -> Option<&String> {
    deployment.spec.as_ref()?.template.metadata.as_ref()?.labels.as_ref()?.get(RELEASE)
}

pub(in super::super) fn template_release(set: &ReplicaSet) -> Option<&String> {
    set.spec.as_ref()?.template.as_ref()?.metadata.as_ref()?.labels.as_ref()?.get(RELEASE)
}

pub(in super::super) fn is_owned(meta: &ObjectMeta, deployment: &Deployment) -> bool {
    let uid = deployment.metadata.uid.as_deref();
    let owners = meta.owner_references.iter().flatten();
    owners.filter(|owner| owner.controller == Some(true)).any(|owner| Some(owner.uid.as_str()) == uid)
}

/// How many replicas a Deployment wants.
pub(in super::super) fn wanted(deployment: &Deployment) -> u32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).map_or(1, whole)
}

fn whole(n: i32) -> u32 {
    u32::try_from(n).unwrap_or_default()
}
