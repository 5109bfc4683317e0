//! The supervisor's one place of decision: it owns the state, takes one event after the other, and is never entered twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::Seat;
use super::admin::Admin;
use super::door::{self, Door};
use super::instance::{Instance, Order, Report};
use super::launch::Recipe;
use super::ports::Ports;
use super::rest::Rest;
use super::server::Server;
use super::standby::Standby;
use super::state::{self, Durable, InstanceRecord, Secrets};
use super::view::View;
use crate::rollout::{ReleaseId, Trouble};
use crate::target::TargetError;
use crate::target::local::control::{Phase, Reply, Request};
use crate::target::local::process::Process;
use crate::target::local::spec::LaunchSpec;

/// Arranged retirements and large logs are looked at this often.
const TICK: Duration = Duration::from_millis(500);

/// Something that happened.
pub(crate) enum Event {
    Ask(Box<Request>, oneshot::Sender<Reply>),
    Instance(u64, Report),
    StandbyReady,
    StandbyGone(u64),
    /// A request came that no instance can take.
    Wanted,
    /// A rollout looks at it.
    Watched,
    Terminate,
}

/// How a reign ends.
pub(crate) enum End {
    /// Stop all instances, then exit.
    Stop { reply: Option<oneshot::Sender<Reply>>, forget: bool },
    /// Give way to this one, which runs the new binary.
    GiveWay { successor: Standby, reply: oneshot::Sender<Reply> },
}

/// One instance as the supervisor knows it.
pub(crate) struct Live {
    pub(crate) record: InstanceRecord,
    pub(crate) phase: Phase,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) orders: watch::Sender<Order>,
    pub(crate) task: JoinHandle<()>,
    pub(crate) recipe: Arc<Recipe>,
}

/// The state and everything that hangs on it.
pub(crate) struct Core {
    pub(crate) seat: Seat,
    pub(crate) durable: Durable,
    pub(crate) secrets: Secrets,
    pub(crate) lives: BTreeMap<u64, Live>,
    pub(crate) next_id: u64,
    pub(crate) ports: Arc<Ports>,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) inbox: mpsc::UnboundedReceiver<Event>,
    pub(crate) view: watch::Sender<Arc<View>>,
    pub(crate) server: Option<Server>,
    pub(crate) admin: Option<Admin>,
    pub(crate) standby: Option<Standby>,
    pub(crate) standby_falls: u32,
    pub(crate) rest: Rest,
    /// The state on disk is older than the one here.
    pub(crate) dirty: bool,
}

impl Core {
    /// Reads the state, takes back what still runs of it, and serves.
    ///
    /// # Errors
    /// A state that cannot be read, an address that cannot be had, a socket that cannot be bound.
    pub(crate) async fn start(seat: Seat) -> Result<Self, TargetError> {
        let mut durable = Durable::load(&seat.paths)?;
        // A supervisor that was killed may have shown a few more than it had written.
        durable.generation += 1000;
        let secrets = state::load_secrets(&seat.paths)?;
        let (events, inbox) = mpsc::unbounded_channel();
        let (view, seen) = watch::channel(Arc::new(View::default()));
        if let Some(settings) = &durable.settings {
            seat.proxy.configure(settings.proxy.clone());
        }
        let ports = Arc::new(Ports::new(seat.seed()));
        let rest = Rest::begin(seat.proxy.clone(), events.clone());
        let mut core = Self {
            seat,
            durable,
            secrets,
            lives: BTreeMap::new(),
            next_id: 0,
            ports,
            events,
            inbox,
            view,
            server: None,
            admin: None,
            standby: None,
            standby_falls: 0,
            rest,
            dirty: true,
        };
        core.take_back();
        core.settle();
        core.open_doors().await?;
        core.save_if_dirty().await;
        // Last, so that nobody is told of a state that is not yet whole.
        core.server = Some(Server::open(&core.seat, core.events.clone(), seen)?);
        core.renew_standby().await;
        Ok(core)
    }

    async fn open_doors(&mut self) -> Result<(), TargetError> {
        let Some(settings) = self.durable.settings.clone() else { return Ok(()) };
        if self.seat.door.is_none() {
            let had = self.durable.bound;
            let door =
                match self.seat.inherited.take().filter(|s| had.is_some() && s.local_addr().ok() == had) {
                    Some(socket) => Door::open(socket, &self.seat.proxy)
                        .map_err(|e| door::unusable(settings.listen, &e))?,
                    // None was inherited, or the address changed in the instant in which the one before died.
                    None => door::reopen(had, settings.listen, &self.seat.proxy).await?,
                };
            self.durable.bound = Some(door.address);
            self.seat.door = Some(door);
        }
        if let Some(address) = settings.admin {
            self.admin = Some(Admin::open_patiently(address, self));
        }
        self.settle();
        Ok(())
    }

    /// Continues with the instances of the state: those that still run are watched on, the others are started again.
    fn take_back(&mut self) {
        let records = std::mem::take(&mut self.durable.instances);
        for record in &records {
            self.ports.keep(record.port);
        }
        let mut known = Vec::new();
        for mut record in records {
            let process = record.process.as_ref().and_then(Process::adopt);
            if process.is_some() {
                known.push(format!("{}-{}.{}", record.release, record.number, record.restarts));
            }
            if process.is_none() {
                record.ready = false;
                record.process = None;
            }
            let recipe = self.recipe(&record.release);
            match (recipe, process) {
                (Ok(recipe), process) if process.is_some() || !record.draining => {
                    self.launch(record, recipe, process);
                }
                (_, Some(process)) => {
                    tracing::warn!("process {} belongs to no set any more; stopped", process.id.pid);
                    process.signal(rustix::process::Signal::TERM);
                    self.ports.give_back(record.port);
                }
                (_, None) => self.ports.give_back(record.port),
            }
        }
        super::strays::end(&self.seat.paths, &known);
    }

    /// What the instances of a release need.
    pub(crate) fn recipe(&self, release: &ReleaseId) -> Result<Arc<Recipe>, TargetError> {
        if let Some(live) = self.lives.values().find(|l| l.record.release == *release) {
            return Ok(live.recipe.clone());
        }
        let Some(set) = self.durable.sets.iter().find(|s| s.release.id == *release) else {
            return Err(super::ops::unknown(release));
        };
        Ok(Arc::new(Recipe {
            release: release.clone(),
            app: set.release.app.clone(),
            version: set.release.version.clone(),
            spec: LaunchSpec::of(&set.release)?,
            secrets: self.secrets.get(release).cloned().unwrap_or_default(),
            paths: self.seat.paths.clone(),
        }))
    }

    /// Sets an instance going.
    pub(crate) fn launch(&mut self, record: InstanceRecord, recipe: Arc<Recipe>, process: Option<Process>) {
        let id = self.next_id;
        self.next_id += 1;
        let order = if record.draining { Order::Stop } else { Order::Run { of: 1 } };
        let (orders, ordered) = watch::channel(order);
        let instance = Instance {
            id,
            number: record.number,
            port: record.port,
            recipe: recipe.clone(),
            ports: self.ports.clone(),
            proxy: self.seat.proxy.clone(),
            events: self.events.clone(),
            orders: ordered,
            alone: self.seat.alone.clone(),
            ready: record.ready,
            was_ready: record.was_ready,
            restarts: record.restarts,
            log_start: record.log_start,
        };
        let phase = match (record.draining, record.ready) {
            (true, _) => Phase::Draining,
            (false, true) => Phase::Ready,
            (false, false) => Phase::Starting,
        };
        let task = tokio::spawn(instance.run(process));
        self.lives.insert(id, Live { record, phase, trouble: None, orders, task, recipe });
    }

    /// Takes events until this reign ends.
    pub(crate) async fn reign(&mut self) -> End {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.inbox.recv() => {
                    // The sender lives in this struct: there is always a next event.
                    if let Some(event) = event && let Some(end) = self.take(event).await {
                        return end;
                    }
                }
                _ = tick.tick() => self.tick().await,
            }
            self.save_if_dirty().await;
        }
    }

    async fn take(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Ask(request, reply) => return self.answer(*request, reply).await,
            Event::Instance(id, report) => self.hear(id, report),
            Event::StandbyReady => self.publish(),
            Event::StandbyGone(serial) => {
                if self.standby.as_ref().is_some_and(|s| s.serial == serial) {
                    self.standby = None;
                    self.standby_falls += 1;
                    tracing::warn!("the standby ended; another one is started");
                    // One that dies at once, again and again, is started on the tick only.
                    if self.standby_falls < 3 {
                        self.renew_standby().await;
                    }
                }
            }
            Event::Wanted => self.wake("a request came"),
            Event::Watched => self.touch(),
            Event::Terminate => return Some(End::Stop { reply: None, forget: false }),
        }
        None
    }

    async fn tick(&mut self) {
        self.mend_socket();
        self.retire_due(jiff::Timestamp::now());
        self.rest_if_idle();
        self.rotate_logs().await;
        if self.standby.is_none() {
            self.renew_standby().await;
        } else {
            self.standby_falls = 0;
        }
    }

    /// Binds the control socket again where somebody, such as a cleaner of old files, removed it.
    fn mend_socket(&mut self) {
        if self.seat.paths.socket().exists() {
            return;
        }
        match Server::open(&self.seat, self.events.clone(), self.view.subscribe()) {
            Ok(server) => {
                if let Some(old) = self.server.replace(server) {
                    old.shut();
                }
            }
            Err(e) => tracing::warn!("{}", e.sentence),
        }
    }

    /// Takes what an instance tells.
    pub(crate) fn hear(&mut self, id: u64, report: Report) {
        let Some(live) = self.lives.get_mut(&id) else { return };
        let draining = live.record.draining;
        match report {
            Report::Started { process, port, log_start } => {
                live.record.process = Some(process);
                live.record.since = Some(jiff::Timestamp::now());
                live.record.port = port;
                live.record.log_start = log_start;
                live.phase = Phase::Starting;
            }
            Report::Ready => {
                live.record.ready = true;
                live.record.was_ready = true;
                live.phase = Phase::Ready;
                live.trouble = None;
            }
            Report::Unready(trouble) => {
                tracing::warn!("{}", trouble.sentence);
                live.record.ready = false;
                live.phase = Phase::Unready;
                live.trouble = Some(trouble);
            }
            Report::Trouble(trouble) => {
                tracing::warn!("{}", trouble.sentence);
                live.trouble = Some(trouble);
            }
            Report::Exited(trouble) => {
                tracing::warn!("{}", trouble.sentence);
                live.record.ready = false;
                live.record.process = None;
                live.record.since = None;
                // The next process gets a name of its own in the router.
                live.record.restarts += 1;
                live.phase = Phase::Waiting;
                live.trouble = Some(trouble);
            }
            Report::Gone => {
                self.lives.remove(&id);
            }
        }
        if let Some(live) = self.lives.get_mut(&id).filter(|_| draining) {
            live.phase = Phase::Draining;
        }
        self.settle();
    }

    /// Brings the state to the disk; what fails is tried again with the next event or tick.
    pub(crate) async fn save_if_dirty(&mut self) {
        if self.dirty
            && let Err(e) = self.save().await
        {
            tracing::error!("{}", e.sentence);
        }
    }

    /// Brings the state to the disk.
    pub(crate) async fn save(&mut self) -> Result<(), TargetError> {
        let mut state = self.durable.clone();
        state.instances = self.lives.values().map(|l| l.record.clone()).collect();
        let (paths, secrets) = (self.seat.paths.clone(), self.secrets.clone());
        let known = self.seat.saved_secrets.clone();
        let written = super::blocking(move || {
            // Secrets first: a set without its secrets could not be started again.
            if known.as_ref() != Some(&secrets) {
                state::save_secrets(&paths, &secrets)?;
            }
            state.save(&paths).map(|()| secrets)
        })
        .await?;
        self.seat.saved_secrets = Some(written);
        self.dirty = false;
        Ok(())
    }
}
