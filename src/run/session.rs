//! One command's work on an environment: lock, journal, target, sinks, signals, engine.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::OnceLock;

use jiff::Timestamp;

use super::busy::{OnLock, take_lock};
use super::gates::Gates;
use super::ground::{AnyJournal, AnyLock, AnyTarget};
use super::migrations::Migrations;
use super::place::Place;
use super::reports::notify::Notifications;
use super::reports::{self, Listener};
use super::signals::Signals;
use super::tidy;
use super::watchdog;
use crate::cli::{Common, ReportArgs};
use crate::engine::{Clock, Engine, EngineError};
use crate::error::{Error, ErrorKind};
use crate::journal::{Held as _, Journal as _};
use crate::report::Sink;
use crate::rollout::event::{Asked, Cause, Request};
use crate::rollout::{
    Environment, Event, Fact, Outcome, OutcomeKind, Plan, Release, ReleaseId, Rollout, RolloutId,
};

/// An environment whose lock is held by this command.
pub struct Session {
    /// Where it works.
    pub place: Place,
    /// The journal.
    pub journal: AnyJournal,
    /// What the journal says.
    pub environment: Environment,
    /// Who works here.
    pub by: String,
    lock: AnyLock,
    signals: Signals,
    common: Common,
    reports: ReportArgs,
    listeners: Vec<Listener>,
    notifications: Notifications,
}

impl Session {
    /// Does `work` with the lock of the environment held, and lets go of it however that ends.
    ///
    /// # Errors
    /// When the lock is not to be had, or the journal is damaged; and those of `work`.
    pub async fn with<T>(
        place: Place,
        common: &Common,
        reports: &ReportArgs,
        reason: &str,
        on_lock: OnLock<'_>,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut session = Self::begin(place, common, reports, reason, on_lock).await?;
        let result = work(&mut session).await;
        session.leave().await;
        result
    }

    /// Takes the lock of the environment and reads its journal.
    async fn begin(
        place: Place,
        common: &Common,
        reports: &ReportArgs,
        reason: &str,
        on_lock: OnLock<'_>,
    ) -> Result<Self, Error> {
        let signals = match &place.signals {
            Some(signals) => signals.clone(),
            None => Signals::listen()?,
        };
        let journal = place.ground.journal()?;
        let by = who();
        let lock = take_lock(&place, &journal, &by, reason, on_lock, &signals).await?;
        let environment = match journal.replay().await {
            Ok(environment) => environment,
            Err(error) => {
                lock.release().await;
                return Err(error);
            }
        };
        let notifications = Notifications::begin(&place);
        let listeners = place.listeners.iter().cloned().chain(notifications.listener()).collect();
        let (common, reports) = (common.clone(), reports.clone());
        Ok(Self { place, journal, environment, by, lock, signals, common, reports, listeners, notifications })
    }

    /// One more listener.
    pub fn listen(&mut self, sink: Box<dyn Sink>) {
        self.listeners.push(Listener::new(sink));
    }

    /// The signal that this command got, if any.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.signals.cancel().signal()
    }

    /// Reaches the target, starting what it needs on this machine.
    ///
    /// # Errors
    /// When that cannot be started or configured.
    pub async fn target(&self) -> Result<AnyTarget, Error> {
        self.place.ground.target(&self.place.environment).await
    }

    /// Rolls a plan out, to its end or to where it waits for a person.
    ///
    /// # Errors
    /// When the engine had to leave it half way.
    pub async fn start(&mut self, target: &AnyTarget, plan: Plan) -> Result<(Rollout, Outcome), Error> {
        tidy::forget_requests(&self.journal, &self.lock.prove()?).await?;
        watchdog::post(&self.place, target).await?;
        let salt = std::process::id() ^ Timestamp::now().subsec_nanosecond().unsigned_abs();
        let by = self.by.clone();
        let (migrations, gates) = (self.migrations(target), Gates::new(&self.place, target)?);
        // On the heap: the future of a whole command grows too deep to be laid out otherwise.
        let mut engine = self.engine(target, &migrations, &gates);
        let result = Box::pin(engine.start(plan, &by, salt)).await;
        drop(engine);
        if result.is_ok() {
            watchdog::recall(&self.place, target).await;
        }
        self.ended(result).await
    }

    /// Drives a rollout that is open.
    ///
    /// # Errors
    /// When the engine had to leave it half way.
    pub async fn drive(
        &mut self,
        target: &AnyTarget,
        mut rollout: Rollout,
        first: Option<Fact>,
    ) -> Result<(Rollout, Outcome), Error> {
        let by = self.by.clone();
        let (migrations, gates) = (self.migrations(target), Gates::new(&self.place, target)?);
        let mut engine = self.engine(target, &migrations, &gates);
        let driven = Box::pin(engine.resume(&mut rollout, &by, first)).await;
        drop(engine);
        let result = driven.map(|outcome| (rollout, outcome));
        self.ended(result).await
    }

    async fn ended(
        &mut self,
        result: Result<(Rollout, Outcome), EngineError>,
    ) -> Result<(Rollout, Outcome), Error> {
        self.environment = self.journal.replay().await?;
        let (rollout, outcome) = result?;
        let histories = self.journal.histories().await?;
        reports::write(&self.reports, &self.place, &self.environment, &rollout, &histories);
        Ok((rollout, outcome))
    }

    fn engine<'a>(
        &'a mut self,
        target: &'a AnyTarget,
        migrator: &'a Migrations,
        collector: &'a Gates,
    ) -> Engine<'a, AnyTarget, AnyJournal, Gates, Migrations> {
        let mut sinks = reports::sinks(self.common.log_format);
        sinks.extend(self.listeners.iter().map(|listener| Box::new(listener.clone()) as Box<dyn Sink>));
        Engine {
            target,
            journal: &self.journal,
            collector,
            migrator,
            lock: &self.lock,
            clock: Clock::system(),
            cancel: self.signals.cancel(),
            sinks,
            loading: None,
            unseen: None,
        }
    }

    fn migrations(&self, target: &AnyTarget) -> Migrations {
        Migrations {
            folder: self.place.folder.clone(),
            ground: self.place.ground.clone(),
            environment: self.place.environment.clone(),
            target: target.clone(),
        }
    }

    /// Notes that a person answers for the database after migrations whose end was not clear; says of which release they were, or
    /// nothing where none is in question.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn acknowledge(&mut self) -> Result<Option<String>, Error> {
        let Some((rollout, _)) = self.environment.schema_hold() else { return Ok(None) };
        let fact = Fact::Acknowledged { by: self.by.clone(), reason: None };
        let event = Event { seq: rollout.next, at: Timestamp::now(), rollout: rollout.id.clone(), fact };
        let version = rollout.plan.candidate.version.clone();
        self.journal.append(&self.lock.prove()?, &event).await?;
        self.environment = self.journal.replay().await?;
        Ok(Some(version))
    }

    /// Tells the reports of this place, and nobody else, again how the rollout ended that brought a release live.
    pub async fn tell_again(&self, release: &ReleaseId) {
        let ended = |rollout: &&Rollout| rollout.promoted.is_some() && rollout.plan.candidate.id == *release;
        let Some(rollout) = self.environment.rollouts.iter().rev().find(ended) else { return };
        let histories = self.journal.histories().await.unwrap_or_default();
        let its = histories.iter().filter_map(|events| events.last()).find(|last| last.rollout == rollout.id);
        if let Some(last) = its {
            self.place.listeners.iter().cloned().for_each(|mut listener| listener.publish(rollout, last));
        }
    }

    /// A request of this command's user.
    #[must_use]
    pub fn asked(&self, request: Request, reason: Option<String>) -> Fact {
        Fact::Asked(Asked { id: nonce(), request, by: self.by.clone(), reason })
    }

    /// Ends what earlier runs left: a rollout that its process did not end is taken back for the newer release; one that is
    /// stuck is tried again; sets without a purpose are taken away.
    ///
    /// # Errors
    /// When it stays stuck.
    pub async fn clear(&mut self, target: &AnyTarget, candidate: &Release) -> Result<(), Error> {
        self.end_left(target, candidate).await?;
        tidy::retire_strays(target, &self.environment, &candidate.id).await;
        Ok(())
    }

    async fn end_left(&mut self, target: &AnyTarget, candidate: &Release) -> Result<(), Error> {
        let Some(rollout) = self.environment.open().or(self.environment.stuck()).cloned() else {
            return Ok(());
        };
        let first = if rollout.open() {
            self.asked(Request::Supersede { version: candidate.version.clone() }, None)
        } else {
            again(&rollout)
        };
        let (_, outcome) = self.drive(target, rollout, Some(first)).await?;
        if outcome.kind == OutcomeKind::Stuck {
            return Err(Error::new(ErrorKind::Stuck, &outcome.reason, outcome.sentence));
        }
        Ok(())
    }

    /// Lets go of the lock, and leaves no supervisor behind that has nothing to run. Only then is waited for notifications: they hold
    /// nobody up.
    async fn leave(self) {
        // Where another run has taken over, the supervisor is that run's.
        if self.lock.check().is_ok() {
            tidy::stop_idle(&self.place.ground).await;
        }
        let is_cancelled = self.signal().is_some();
        self.lock.release().await;
        self.notifications.finish(is_cancelled).await;
    }

    /// Removes what the journal and the target need no longer.
    pub async fn prune(&mut self, target: &AnyTarget) {
        let keep = self.place.environment.history;
        let needed: Vec<RolloutId> = needed(&self.environment).map(|rollout| rollout.id.clone()).collect();
        let pruned = match self.lock.prove() {
            Ok(proof) => self.journal.prune(&proof, keep, &needed).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = pruned {
            tracing::warn!("old rollouts were not removed: {error}");
        }
        // What waits for a person, or is stuck, needs all that it has.
        if self.environment.open().or(self.environment.stuck()).is_some() {
            return;
        }
        // A stable release need not have a rollout of its own: it may have been there before the first.
        let plans = self.environment.rollouts.iter().map(|rollout| &rollout.plan);
        let kept: Vec<&Release> =
            plans.flat_map(|plan| plan.stable.iter().chain([&plan.candidate])).collect();
        if let Err(error) = target.prune(self.environment.stable(), &kept).await {
            tracing::warn!("what is kept of old releases was not removed: {error}");
        }
        if self.environment.stable().is_none()
            && let Err(error) = target.leave_found().await
        {
            tracing::warn!("what was there before still bears marks of Tidegate: {error}");
        }
    }
}

/// The fact that takes a stuck rollout up again, on its way back.
#[must_use]
pub fn again(rollout: &Rollout) -> Fact {
    let unknown = || Cause::new("stuck", "it was stuck");
    Fact::TurnedBack { cause: rollout.cause.clone().unwrap_or_else(unknown) }
}

/// The rollouts whose releases may be wanted again: the promotion of the live release and of the one before.
fn needed(environment: &Environment) -> impl Iterator<Item = &Rollout> {
    let wanted: Vec<_> = environment.promoted().take(2).map(|release| release.id.clone()).collect();
    environment.rollouts.iter().filter(move |r| r.promoted.is_some() && wanted.contains(&r.plan.candidate.id))
}

/// Who runs this command: the workflow run where there is one, else the user and the machine.
#[must_use]
pub fn who() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let name = var("GITHUB_ACTOR").or_else(|| var("USER")).or_else(|| var("LOGNAME"));
    let name = name.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    match var("GITHUB_RUN_ID") {
        Some(run) => format!("{name} (run {run})"),
        None => name,
    }
}

/// A name that no other request or holding has.
#[must_use]
pub fn nonce() -> String {
    format!("{:020}-{}", Timestamp::now().as_nanosecond(), process())
}

/// A name that no other process has, on whatever machine: its number, and a random one. Every nonce ends with it.
#[must_use]
pub fn process() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| format!("{}-{:016x}", std::process::id(), RandomState::new().build_hasher().finish()))
}

/// Whether a process of this machine has died, by the name that it gave itself.
#[must_use]
pub fn has_died(process: &str) -> bool {
    let Some(Ok(id)) = process.split('-').next().map(str::parse::<u32>) else { return false };
    match std::fs::read_to_string(format!("/proc/{id}/stat")) {
        // Ended, and not yet looked after: `Z` after the name, which stands in parentheses.
        Ok(stat) => stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')),
        Err(error) => {
            error.kind() == std::io::ErrorKind::NotFound && std::path::Path::new("/proc/self").exists()
        }
    }
}
