//! Sets brought to the size that is wanted of them.

use std::path::PathBuf;

use jiff::Timestamp;

use super::core::Core;
use super::instance::Order;
use super::logs;
use super::state::InstanceRecord;
use crate::rollout::{ReleaseId, Weight};
use crate::target::local::control::Phase;
use crate::target::local::spec::Logs;

/// The supervisor's own log.
const OWN_LOG: Logs = Logs { max_size: 4 * 1024 * 1024, keep: 1 };

/// So many log files of sets that are gone are kept.
const OLD_LOGS: usize = 40;

impl Core {
    /// Starts and drains what the state wants, tells the router, and shows the result: after every change.
    pub(crate) fn settle(&mut self) {
        let awake = |desired: u32| if self.durable.asleep { 0 } else { desired };
        let wanted: Vec<(ReleaseId, u32)> =
            self.durable.sets.iter().map(|s| (s.release.id.clone(), awake(s.desired))).collect();
        for (release, desired) in &wanted {
            self.fill(release, *desired);
            self.thin(release, *desired);
        }
        self.drop_empty_sets();
        self.seat.proxy.set_table(self.table());
        // Only now, when the router passes them nothing more, do the draining ones count what is left.
        for live in self.lives.values() {
            let of = wanted.iter().find(|(r, _)| *r == live.record.release).map_or(1, |(_, n)| *n);
            let order = if live.record.draining { Order::Stop } else { Order::Run { of } };
            live.orders.send_if_modified(|old| std::mem::replace(old, order) != order);
        }
        self.durable.generation += 1;
        self.dirty = true;
        self.publish();
    }

    fn fill(&mut self, release: &ReleaseId, desired: u32) {
        let have = self.of(release).filter(|l| !l.record.draining).count();
        let missing = usize::try_from(desired).unwrap_or(usize::MAX).saturating_sub(have);
        for _ in 0..missing {
            let recipe = match self.recipe(release) {
                Ok(recipe) => recipe,
                Err(e) => return tracing::error!("{}", e.sentence),
            };
            let Some(port) = self.ports.take() else {
                return tracing::error!(
                    "no free port for release {release}; tried again with the next change"
                );
            };
            let mut number = 1;
            while self.of(release).any(|l| l.record.number == number) {
                number += 1;
            }
            let record = InstanceRecord {
                release: release.clone(),
                number,
                port,
                restarts: 0,
                process: None,
                since: None,
                log_start: 0,
                ready: false,
                was_ready: false,
                draining: false,
            };
            self.launch(record, recipe, None);
        }
    }

    /// Marks the surplus: those that are not ready first, then the highest numbers.
    fn thin(&mut self, release: &ReleaseId, desired: u32) {
        let mut have: Vec<(bool, u32, u64)> = self
            .lives
            .iter()
            .filter(|(_, l)| l.record.release == *release && !l.record.draining)
            .map(|(id, l)| (l.phase != Phase::Ready, l.record.number, *id))
            .collect();
        have.sort_unstable();
        for (_, _, id) in have.into_iter().skip(usize::try_from(desired).unwrap_or(usize::MAX)) {
            if let Some(live) = self.lives.get_mut(&id) {
                live.record.draining = true;
                live.phase = Phase::Draining;
            }
        }
    }

    fn drop_empty_sets(&mut self) {
        let lives = &self.lives;
        let before = self.durable.sets.len();
        self.durable
            .sets
            .retain(|s| s.desired > 0 || lives.values().any(|l| l.record.release == s.release.id));
        if self.durable.sets.len() == before {
            return;
        }
        let sets = &self.durable.sets;
        self.secrets.retain(|release, _| sets.iter().any(|s| s.release.id == *release));
        self.durable.weights.retain(|r, w| *w > Weight::ZERO || sets.iter().any(|s| s.release.id == *r));
        let alive: Vec<String> = sets.iter().map(|s| s.release.id.to_string()).collect();
        if let Err(e) = logs::forget_old(&self.seat.paths.logs(), &alive, OLD_LOGS) {
            tracing::warn!("old logs cannot be removed: {e}");
        }
    }

    fn of(&self, release: &ReleaseId) -> impl Iterator<Item = &super::core::Live> {
        let release = release.clone();
        self.lives.values().filter(move |l| l.record.release == release)
    }

    /// Takes away the sets whose time has come.
    pub(crate) fn retire_due(&mut self, now: Timestamp) {
        let mut changed = false;
        for set in &mut self.durable.sets {
            if set.retire_at.is_none_or(|at| at > now) {
                continue;
            }
            set.retire_at = None;
            changed = true;
            if self.durable.weights.get(&set.release.id).is_some_and(|w| *w > Weight::ZERO) {
                tracing::warn!(
                    "release {} takes requests; its arranged retirement is dropped",
                    set.release.id
                );
            } else {
                tracing::info!("release {} is retired as arranged", set.release.id);
                set.desired = 0;
            }
        }
        if changed {
            self.settle();
        }
    }

    /// Sets large logs aside.
    pub(crate) async fn rotate_logs(&self) {
        let mut files: Vec<(PathBuf, Logs)> =
            self.lives.values().map(|l| (l.recipe.log(l.record.number), l.recipe.spec.logs)).collect();
        files.push((self.seat.paths.log(), OWN_LOG));
        let failures = tokio::task::spawn_blocking(move || {
            files
                .into_iter()
                .filter_map(|(path, policy)| logs::rotate(&path, policy).err())
                .collect::<Vec<_>>()
        });
        for e in failures.await.unwrap_or_default() {
            tracing::warn!("a log cannot be set aside: {e}");
        }
    }
}
