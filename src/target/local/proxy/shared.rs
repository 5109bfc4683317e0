//! What all requests share, and how a request finds its instance.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::load::{Load, Ticket};
use super::meter::Meter;
use super::refusal::Refusal;
use super::route::{PoolRoute, Routes, Wish};
use super::settings::ProxySettings;
use super::table::{InstanceKey, Table};
use super::upstream::Upstream;
use crate::rollout::ReleaseId;

/// What all requests share.
pub(super) struct Shared {
    pub(super) settings: ArcSwap<ProxySettings>,
    pub(super) routes: ArcSwap<Routes>,
    /// Number of the routes in force. Written after them.
    generation: AtomicU64,
    /// Tells held requests of new routes.
    changed: watch::Sender<u64>,
    sequence: AtomicU64,
    held: AtomicUsize,
    /// Tells that a request is held.
    pub(super) wanted: Notify,
    meters: Mutex<BTreeMap<ReleaseId, Arc<Meter>>>,
    loads: Mutex<HashMap<InstanceKey, Weak<Load>>>,
    /// Tables are set one after the other.
    setting: Mutex<()>,
}

/// Where a request goes, and its place in the count of that instance.
pub(super) struct Chosen {
    pub(super) pool: Arc<PoolRoute>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) ticket: Ticket,
}

impl Shared {
    pub(super) fn new(settings: ProxySettings) -> Self {
        Self {
            settings: ArcSwap::from_pointee(settings),
            routes: ArcSwap::from_pointee(Routes::new(Arc::default(), 0, Vec::new())),
            generation: AtomicU64::new(0),
            changed: watch::Sender::new(0),
            sequence: AtomicU64::new(0),
            held: AtomicUsize::new(0),
            wanted: Notify::new(),
            meters: Mutex::default(),
            loads: Mutex::default(),
            setting: Mutex::default(),
        }
    }

    /// Puts a table in force. Connections and counts of instances and releases that stay are kept.
    pub(super) fn set_table(&self, table: Table) {
        let _one_at_a_time = locked(&self.setting);
        let before = self.routes.load_full();
        let known: HashMap<&InstanceKey, &Arc<Upstream>> =
            before.upstreams().map(|upstream| (&upstream.key, upstream)).collect();
        let mut pools = Vec::with_capacity(table.pools.len());
        for pool in &table.pools {
            let mut instances = Vec::with_capacity(pool.instances.len());
            for instance in &pool.instances {
                let same = known.get(&instance.key).filter(|upstream| upstream.address == instance.address);
                instances.push(match same {
                    Some(upstream) => {
                        upstream.load.welcome();
                        Arc::clone(upstream)
                    }
                    None => {
                        let load = self.load_of(&instance.key);
                        Arc::new(Upstream::new(instance.key.clone(), instance.address, load))
                    }
                });
            }
            pools.push(Arc::new(PoolRoute::new(pool, self.meter(&pool.release), instances)));
        }
        let generation = before.generation + 1;
        self.routes.store(Arc::new(Routes::new(Arc::new(table), generation, pools)));
        self.generation.store(generation, SeqCst);
        self.changed.send_replace(generation);
        locked(&self.loads).retain(|_, load| load.strong_count() > 0);
    }

    /// Requests that are held now.
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// The gauge of an instance, where it exists.
    pub(super) fn load(&self, instance: &InstanceKey) -> Option<Arc<Load>> {
        locked(&self.loads).get(instance)?.upgrade()
    }

    /// All meters.
    pub(super) fn meters(&self) -> Vec<(ReleaseId, Arc<Meter>)> {
        locked(&self.meters).iter().map(|(release, meter)| (release.clone(), Arc::clone(meter))).collect()
    }

    /// Closes connections to instances that are of no more use.
    pub(super) fn sweep(&self) {
        for upstream in self.routes.load().upstreams() {
            upstream.sweep();
        }
    }

    fn load_of(&self, key: &InstanceKey) -> Arc<Load> {
        let mut loads = locked(&self.loads);
        if let Some(load) = loads.get(key).and_then(Weak::upgrade) {
            load.welcome();
            return load;
        }
        let load = Arc::new(Load::default());
        loads.insert(key.clone(), Arc::downgrade(&load));
        load
    }

    fn meter(&self, release: &ReleaseId) -> Arc<Meter> {
        let mut meters = locked(&self.meters);
        if let Some(meter) = meters.get(release) {
            return Arc::clone(meter);
        }
        let meter = Arc::new(Meter::new());
        meters.insert(release.clone(), Arc::clone(&meter));
        meter
    }

    /// Chooses an instance for a new request, and holds the request while there is none.
    pub(super) async fn choose(&self, wish: &Wish) -> Result<Chosen, Refusal> {
        match self.enter(|routes| routes.choose(wish, &self.sequence)) {
            Some(chosen) => Ok(chosen),
            None => Box::pin(self.hold(wish)).await,
        }
    }

    /// Chooses another instance after the `tried` ones failed. Where there is none, the table may be about to change, since
    /// whoever keeps it sees the same failure: it is given a moment.
    pub(super) async fn choose_other(
        &self,
        wish: &Wish,
        release: &ReleaseId,
        tried: &[InstanceKey],
        moment: Duration,
    ) -> Result<Option<Chosen>, Refusal> {
        let limit = Instant::now() + moment;
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if let Some(chosen) = self.enter(|routes| routes.choose_other(release, tried)) {
                return Ok(Some(chosen));
            }
            if self.routes.load().holds() {
                return self.hold(wish).await.map(Some);
            }
            if timeout_at(limit, changed.changed()).await.is_err() {
                return Ok(None);
            }
        }
    }

    async fn hold(&self, wish: &Wish) -> Result<Chosen, Refusal> {
        let settings = self.settings.load_full();
        let _held = Held::enter(&self.held, settings.hold_limit)?;
        self.wanted.notify_one();
        let limit = Instant::now() + settings.hold;
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if let Some(chosen) = self.enter(|routes| routes.choose(wish, &self.sequence)) {
                return Ok(chosen);
            }
            if timeout_at(limit, changed.changed()).await.is_err() {
                return Err(Refusal::HeldTooLong);
            }
        }
    }

    /// Chooses and enters the count of the chosen instance, such that whoever waits for an instance to drain after a new
    /// table was set sees every request that still goes to it: either the count was entered before the new generation was
    /// written, or we see the new generation here and choose again.
    fn enter<'a>(
        &self,
        choose: impl Fn(&Routes) -> Option<(&Arc<PoolRoute>, &Arc<Upstream>)> + 'a,
    ) -> Option<Chosen> {
        loop {
            let routes = self.routes.load();
            let (pool, upstream) = choose(&routes)?;
            let ticket = Ticket::enter(&upstream.load);
            if self.generation.load(SeqCst) <= routes.generation {
                return Some(Chosen { pool: Arc::clone(pool), upstream: Arc::clone(upstream), ticket });
            }
        }
    }
}

/// A request that waits.
struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    fn enter(count: &'a AtomicUsize, limit: usize) -> Result<Self, Refusal> {
        let held = Self(count);
        if count.fetch_add(1, Relaxed) >= limit { Err(Refusal::TooManyHeld) } else { Ok(held) }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
