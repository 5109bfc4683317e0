//! What the supervisor shows of itself: built after every change, read without asking the core.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::core::{Core, Live};
use super::ports;
use crate::rollout::{Observation, ReleaseId, SetView, Weight};
use crate::target::local::control::{InstanceStatus, Phase, Status};
use crate::target::local::proxy::{self, InstanceKey, Pool, Proxy, Table};

/// Everything but what changes with every request.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) generation: u64,
    pub(crate) sets: BTreeMap<ReleaseId, SetView>,
    pub(crate) versions: BTreeMap<ReleaseId, String>,
    pub(crate) weights: BTreeMap<ReleaseId, Weight>,
    pub(crate) instances: Vec<InstanceStatus>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) standby: Option<u32>,
    pub(crate) asleep: bool,
}

impl View {
    /// What a rollout sees, with the router's counts of this moment.
    pub(crate) fn observation(&self, proxy: &Proxy) -> Observation {
        let mut sets = self.sets.clone();
        for instance in &self.instances {
            if let Some(set) = sets.get_mut(&instance.release) {
                set.in_flight += proxy.in_flight(&InstanceKey::new(instance.key.as_str()));
            }
        }
        Observation {
            generation: self.generation,
            sets,
            weights: self.weights.clone(),
            traffic: proxy.counts(),
            epoch: proxy.epoch(),
            silence: None,
        }
    }

    /// The same for people.
    pub(crate) fn status(&self, proxy: &Proxy, since: jiff::Timestamp) -> Status {
        let mut instances = self.instances.clone();
        for instance in &mut instances {
            instance.in_flight = proxy.in_flight(&InstanceKey::new(instance.key.as_str()));
        }
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            standby: self.standby,
            since,
            listen: self.listen,
            admin: self.admin,
            observation: self.observation(proxy),
            asleep: self.asleep,
            instances,
        }
    }
}

impl Core {
    /// Shows the present state.
    pub(crate) fn publish(&self) {
        let mut view = View {
            generation: self.durable.generation,
            weights: self.durable.weights.clone(),
            listen: self.seat.door.as_ref().map(|d| d.address),
            admin: self.admin.as_ref().map(|a| a.address),
            standby: self.standby.as_ref().filter(|s| s.is_ready()).map(|s| s.pid),
            asleep: self.durable.asleep,
            ..View::default()
        };
        for set in &self.durable.sets {
            let id = &set.release.id;
            let shown = SetView { desired: set.desired, retire_at: set.retire_at, ..SetView::default() };
            view.sets.insert(id.clone(), shown);
            view.versions.insert(id.clone(), set.release.version.clone());
        }
        for live in self.lives.values() {
            if let Some(set) = view.sets.get_mut(&live.record.release) {
                add(set, live);
            }
            view.instances.push(shown(live));
        }
        self.view.send_replace(std::sync::Arc::new(view));
    }

    /// What the router is to go by.
    pub(crate) fn table(&self) -> Table {
        let newest = self.durable.sets.iter().map(|s| s.order).max();
        let several = self.durable.sets.len() > 1;
        let pools = self.durable.sets.iter().map(|set| Pool {
            release: set.release.id.clone(),
            version: set.release.version.clone(),
            weight: self.durable.weights.get(&set.release.id).copied().unwrap_or_default(),
            candidate: several && Some(set.order) == newest,
            instances: self
                .lives
                .values()
                .filter(|l| l.record.release == set.release.id && l.phase == Phase::Ready)
                .map(|l| proxy::Instance {
                    key: l.recipe.key(l.record.number, l.record.restarts),
                    address: ports::address(l.record.port),
                })
                .collect(),
        });
        Table { pools: pools.collect() }
    }
}

fn add(set: &mut SetView, live: &Live) {
    set.running += 1;
    if live.phase == Phase::Ready {
        set.ready += 1;
    }
    // One trouble is shown: the first fatal one, else the first.
    if let Some(trouble) = &live.trouble
        && !live.record.draining
        && set.trouble.as_ref().is_none_or(|shown| trouble.fatal && !shown.fatal)
    {
        set.trouble = Some(trouble.clone());
    }
}

fn shown(live: &Live) -> InstanceStatus {
    let record = &live.record;
    InstanceStatus {
        key: live.recipe.key(record.number, record.restarts).as_str().to_owned(),
        release: record.release.clone(),
        version: live.recipe.version.clone(),
        number: record.number,
        phase: live.phase,
        pid: record.process.as_ref().map(|p| p.pid),
        address: ports::address(record.port),
        restarts: record.restarts,
        since: record.since,
        in_flight: 0,
        log: live.recipe.log(record.number),
    }
}
