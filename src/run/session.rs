//! One command's work on an environment: lock, journal, target, sinks, signals, engine.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::place::{Place, replayed};
use super::release;
use super::reports;
use super::signals::Signals;
use crate::cli::{Common, ReportArgs};
use crate::engine::{Clock, Engine, EngineError};
use crate::error::{Error, ErrorKind};
use crate::gate::http::HttpCollector;
use crate::journal::file::FileJournal;
use crate::journal::file::lock::FileLock;
use crate::journal::{Holder, Journal as _, LockError};
use crate::report::Sink;
use crate::rollout::event::{Asked, Cause, Request};
use crate::rollout::{Environment, Event, Fact, Outcome, OutcomeKind, Plan, Release, Rollout, RolloutId};
use crate::target::local::{LocalConfig, LocalTarget};

/// How often a lock that is held is tried again.
const TRY: Duration = Duration::from_millis(50);

/// An environment whose lock is held by this command.
pub struct Session {
    /// Where it works.
    pub place: Place,
    /// The journal.
    pub journal: FileJournal,
    /// What the journal says.
    pub environment: Environment,
    /// Who works here.
    pub by: String,
    lock: FileLock,
    signals: Signals,
    common: Common,
    reports: ReportArgs,
    listeners: Vec<Listener>,
}

/// A listener that hears of every rollout of the session, not only of the first.
#[derive(Clone)]
struct Listener(Arc<Mutex<Box<dyn Sink>>>);

impl Sink for Listener {
    fn publish(&mut self, rollout: &Rollout, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).publish(rollout, event);
    }
}

/// What to do about a lock that somebody else holds.
pub enum OnLock<'a> {
    /// Give up at once.
    Refuse,
    /// Wait until it is free.
    Wait,
    /// Ask its holder for this first, then wait.
    Ask(&'a dyn Fn(&Environment) -> Option<Request>),
}

impl Session {
    /// Takes the lock of the environment and reads its journal.
    ///
    /// # Errors
    /// When the lock is not to be had, or the journal is damaged.
    pub async fn begin(
        place: Place,
        common: &Common,
        reports: &ReportArgs,
        reason: &str,
        on_lock: OnLock<'_>,
    ) -> Result<Self, Error> {
        let signals = Signals::listen()?;
        let journal = place.open_journal()?;
        let by = who();
        let lock = take_lock(&place, &journal, &by, reason, on_lock, &signals).await?;
        let environment = replayed(&journal)?;
        let (common, reports) = (common.clone(), reports.clone());
        Ok(Self { place, journal, environment, by, lock, signals, common, reports, listeners: Vec::new() })
    }

    /// One more listener.
    pub fn listen(&mut self, sink: Box<dyn Sink>) {
        self.listeners.push(Listener(Arc::new(Mutex::new(sink))));
    }

    /// The signal that this command got, if any.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.signals.cancel().signal()
    }

    /// Reaches the target, starting its supervisor where none runs.
    ///
    /// # Errors
    /// When it cannot be started or configured.
    pub async fn target(&self) -> Result<LocalTarget, Error> {
        let config = local_config(&self.place)?;
        Ok(LocalTarget::connect(&self.place.target_directory(), config).await?)
    }

    /// Rolls a plan out, to its end or to where it waits for a person.
    ///
    /// # Errors
    /// When the engine had to leave it half way.
    pub async fn start(&mut self, target: &LocalTarget, plan: Plan) -> Result<(Rollout, Outcome), Error> {
        let forgotten = match crate::journal::Held::prove(&self.lock) {
            Ok(proof) => super::tidy::forget_requests(&self.journal, &proof).await,
            Err(error) => return Err(error.into()),
        };
        forgotten?;
        let salt = std::process::id() ^ Timestamp::now().subsec_nanosecond().unsigned_abs();
        let by = self.by.clone();
        let result = self.engine(target)?.start(plan, &by, salt).await;
        self.ended(result)
    }

    /// Drives a rollout that is open.
    ///
    /// # Errors
    /// When the engine had to leave it half way.
    pub async fn drive(
        &mut self,
        target: &LocalTarget,
        mut rollout: Rollout,
        first: Option<Fact>,
    ) -> Result<(Rollout, Outcome), Error> {
        let by = self.by.clone();
        let driven = self.engine(target)?.resume(&mut rollout, &by, first).await;
        let result = driven.map(|outcome| (rollout, outcome));
        self.ended(result)
    }

    fn ended(
        &mut self,
        result: Result<(Rollout, Outcome), EngineError>,
    ) -> Result<(Rollout, Outcome), Error> {
        self.environment = replayed(&self.journal)?;
        let (rollout, outcome) = result?;
        let histories = self.journal.read()?;
        reports::write(&self.reports, &self.place, &self.environment, &rollout, &histories);
        Ok((rollout, outcome))
    }

    fn engine<'a>(
        &'a mut self,
        target: &'a LocalTarget,
    ) -> Result<Engine<'a, LocalTarget, FileJournal, HttpCollector>, Error> {
        let mut sinks = reports::sinks(self.common.log_format);
        sinks.extend(self.listeners.iter().map(|listener| Box::new(listener.clone()) as Box<dyn Sink>));
        let collector = HttpCollector::new().map_err(|error| {
            Error::new(ErrorKind::Failed, "tls", format!("the HTTP client cannot be set up: {error}"))
        })?;
        Ok(Engine {
            target,
            journal: &self.journal,
            collector,
            lock: &self.lock,
            clock: Clock::system(),
            cancel: self.signals.cancel(),
            sinks,
            unseen: None,
        })
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
    pub async fn clear(&mut self, target: &LocalTarget, candidate: &Release) -> Result<(), Error> {
        self.end_left(target, candidate).await?;
        super::tidy::retire_strays(target, &self.environment, &candidate.id).await;
        Ok(())
    }

    async fn end_left(&mut self, target: &LocalTarget, candidate: &Release) -> Result<(), Error> {
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

    /// To be called last: leaves no supervisor behind that has nothing to run.
    pub async fn leave(&self) {
        // Where another run has taken over, the supervisor is that run's.
        if crate::journal::Held::check(&self.lock).is_ok() {
            super::tidy::stop_idle(&self.place).await;
        }
    }

    /// Removes what the journal and the target need no longer.
    pub async fn prune(&mut self, target: &LocalTarget) {
        let keep = self.place.environment.history;
        let needed: Vec<RolloutId> = needed(&self.environment).map(|rollout| rollout.id.clone()).collect();
        let pruned = match crate::journal::Held::prove(&self.lock) {
            Ok(proof) => self.journal.prune(&proof, keep, &needed).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = pruned {
            tracing::warn!("old rollouts were not removed: {error}");
        }
        let kept: Vec<&Release> =
            self.environment.rollouts.iter().map(|rollout| &rollout.plan.candidate).collect();
        if let Err(error) = target.prune(&kept).await {
            tracing::warn!("old programs were not removed: {error}");
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

/// How the target is reached and configured.
///
/// # Errors
/// When a declared secret is not set, or this program does not know its own file.
pub fn local_config(place: &Place) -> Result<LocalConfig, Error> {
    let binary = std::env::current_exe().map_err(|error| {
        Error::new(
            ErrorKind::Failed,
            "no-program",
            format!("this program does not know its own file: {error}"),
        )
    })?;
    let local = place.local();
    Ok(LocalConfig {
        listen: local.listen,
        admin: local.admin,
        proxy: super::router::settings(place),
        binary,
        secrets: release::secrets(place)?,
    })
}

async fn take_lock(
    place: &Place,
    journal: &FileJournal,
    by: &str,
    reason: &str,
    on_lock: OnLock<'_>,
    signals: &Signals,
) -> Result<FileLock, Error> {
    let directory = place.journal_directory();
    let holder =
        Holder { name: by.to_owned(), reason: reason.to_owned(), since: Timestamp::now(), nonce: nonce() };
    let budget = place.environment.budgets.total + place.environment.budgets.back;
    let began = Instant::now();
    let mut asked = None;
    loop {
        let held = match FileLock::acquire(&directory, &holder) {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held(held)) => held,
            Err(error) => return Err(error.into()),
        };
        let refused = || Error::from(LockError::Held(held.clone()));
        match &on_lock {
            OnLock::Refuse => return Err(refused()),
            OnLock::Ask(wish) => {
                // Another run may get the lock before this one: its rollout is asked, too.
                let environment = replayed(journal).unwrap_or_default();
                let open = environment.open().map(|rollout| rollout.id.clone());
                if let (true, Some(request)) = (open != asked, wish(&environment)) {
                    // Who supersedes says with which version: that is reason enough.
                    let told = matches!(request, Request::Supersede { .. });
                    let reason = (!told).then(|| reason.to_owned());
                    journal.ask(&Asked { id: nonce(), request, by: by.to_owned(), reason }).await?;
                    asked = open;
                }
            }
            OnLock::Wait => {}
        }
        if began.elapsed() > budget {
            return Err(refused().hint(format!("it was waited for {budget:?}")));
        }
        if let Some(signal) = signals.cancel().signal() {
            return Err(Error::new(
                ErrorKind::Cancelled(signal),
                "cancelled",
                "the command was told to stop while it waited for the lock",
            ));
        }
        tokio::time::sleep(TRY).await;
    }
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
    let now = Timestamp::now();
    format!("{:020}-{}", now.as_nanosecond(), std::process::id())
}
