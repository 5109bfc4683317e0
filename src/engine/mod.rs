//! The engine: one task that observes, decides, journals, acts, journals, publishes. It decides nothing itself.

use std::time::Duration;

use jiff::Timestamp;

use crate::gate::Collector;
use crate::journal::{Held, Journal, JournalError, LockError};
use crate::migrate::Migrator;
use crate::report::Sink;
use crate::rollout::decide;
use crate::rollout::event::{Asked, Request};
use crate::rollout::{
    Action, Decision, Event, Fact, Observation, Outcome, OutcomeKind, Plan, Rollout, RolloutId,
};
use crate::target::{Target, TargetError};

mod ask;
mod clock;
mod load;
mod migrate;
mod watch;

pub use clock::Clock;
pub use load::Loading;
pub use watch::Cancel;

/// Why the engine had to leave a rollout without an ending. The next run goes on from the journal.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing may be done that is not written down first.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Another run has taken over.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The events contradict each other: a defect.
    #[error("the journal contradicts itself: {0}")]
    Replay(#[from] crate::rollout::state::ReplayError),
}

/// What the engine works with. The lock is held by whoever made it, for as long as it runs.
pub struct Engine<'a, T, J, C, M> {
    /// Where the releases run.
    pub target: &'a T,
    /// Where the events go.
    pub journal: &'a J,
    /// What runs the declared requests, and asks gates.
    pub collector: &'a C,
    /// What runs migrations.
    pub migrator: &'a M,
    /// Shows that the lock is held.
    pub lock: &'a dyn Held,
    /// The time.
    pub clock: Clock,
    /// The signals that the command got.
    pub cancel: Cancel,
    /// Who hears of every event. Never asked for anything.
    pub sinks: Vec<Box<dyn Sink>>,
    /// The load that is sent at this moment.
    pub loading: Option<Loading>,
    /// Since when the target has been out of sight.
    pub unseen: Option<Timestamp>,
}

impl<T: Target, J: Journal, C: Collector, M: Migrator> Engine<'_, T, J, C, M> {
    /// Starts the plan as a new rollout and drives it to its end.
    ///
    /// # Errors
    /// When the journal cannot be written or the lock is lost; the rollout is then open.
    pub async fn start(
        &mut self,
        plan: Plan,
        by: &str,
        salt: u32,
    ) -> Result<(Rollout, Outcome), EngineError> {
        let at = self.clock.now();
        let hash = plan.hash();
        let fact = Fact::Started { plan: Box::new(plan), hash, by: by.to_owned() };
        let event = Event { seq: 0, at, rollout: RolloutId::begun(at, salt), fact };
        self.journal.append(&self.lock.prove()?, &event).await?;
        let mut rollout = Rollout::replay([&event])?;
        self.publish(&rollout, &event);
        let outcome = self.drive(&mut rollout).await?;
        Ok((rollout, outcome))
    }

    /// Takes up a rollout that another process left, with something to note first if there is, and drives it to its end.
    ///
    /// # Errors
    /// As [`Engine::drive`].
    pub async fn resume(
        &mut self,
        rollout: &mut Rollout,
        by: &str,
        first: Option<Fact>,
    ) -> Result<Outcome, EngineError> {
        if rollout.open() {
            self.note(rollout, Fact::Resumed { by: by.to_owned() }).await?;
        }
        if let Some(fact) = first {
            self.note(rollout, fact).await?;
        }
        self.drive(rollout).await
    }

    /// Drives a rollout to its end, or to where it waits for a person.
    ///
    /// # Errors
    /// When the journal cannot be written or the lock is lost; the rollout is then open.
    pub async fn drive(&mut self, rollout: &mut Rollout) -> Result<Outcome, EngineError> {
        self.target.begin(rollout);
        let mut seen = Observation::default();
        let (mut newer_than, mut patience, mut fresh) = (None, Duration::ZERO, false);
        loop {
            self.take_requests(rollout).await?;
            self.keep_loading(rollout).await;
            if !fresh {
                match self.observe(rollout, newer_than, patience).await? {
                    Some(observation) => seen = observation,
                    None => continue,
                }
                newer_than = Some(seen.generation);
            }
            fresh = false;
            patience = Duration::ZERO;
            let now = self.clock.now();
            match decide(rollout, &seen, now) {
                Decision::Record(fact) => {
                    self.note(rollout, fact).await?;
                    fresh = true;
                }
                Decision::Act(action) => self.act(rollout, action).await?,
                Decision::Wait(until) => patience = until_then(now, until),
                Decision::Finish(outcome) => {
                    if rollout.outcome.is_none() && outcome.kind != OutcomeKind::Paused {
                        self.note(rollout, Fact::Finished { outcome: outcome.clone() }).await?;
                    }
                    return Ok(outcome);
                }
            }
        }
    }

    /// Writes a fact down, takes it into the state, and tells the sinks.
    ///
    /// # Errors
    /// When the journal cannot be written or the lock is lost.
    pub async fn note(&mut self, rollout: &mut Rollout, fact: Fact) -> Result<(), EngineError> {
        let event = Event { seq: rollout.next, at: self.clock.now(), rollout: rollout.id.clone(), fact };
        self.journal.append(&self.lock.prove()?, &event).await?;
        rollout.apply(&event)?;
        self.publish(rollout, &event);
        Ok(())
    }

    fn publish(&mut self, rollout: &Rollout, event: &Event) {
        for sink in &mut self.sinks {
            sink.publish(rollout, event);
        }
    }

    async fn act(&mut self, rollout: &mut Rollout, action: Action) -> Result<(), EngineError> {
        self.note(rollout, Fact::Acting { action: action.clone() }).await?;
        if let Action::Migrate { step, begin } = action {
            return self.migrate(rollout, step, begin).await;
        }
        if let Action::Verify { step } = action {
            return self.ask(rollout, step).await;
        }
        self.change(rollout, action).await
    }

    /// Has the target do what is in the journal as begun.
    async fn change(&mut self, rollout: &mut Rollout, action: Action) -> Result<(), EngineError> {
        let plan = &rollout.plan;
        let releases: Vec<_> = plan.stable.iter().chain([&plan.candidate]).collect();
        match self.target.act(&action, &releases).await {
            Ok(()) => self.note(rollout, Fact::Acted { action }).await,
            Err(error) => self.refused(rollout, action, error).await,
        }
    }

    async fn refused(
        &mut self,
        rollout: &mut Rollout,
        action: Action,
        error: TargetError,
    ) -> Result<(), EngineError> {
        let sentence = match &error.hint {
            Some(hint) => format!("{} ({hint})", error.sentence),
            None => error.sentence,
        };
        let (code, fatal) = (error.code.to_owned(), error.fatal);
        self.note(rollout, Fact::ActFailed { action, code, sentence, fatal }).await
    }

    /// Takes what people asked for into the rollout, each request once, and a signal as the request to go back.
    async fn take_requests(&mut self, rollout: &mut Rollout) -> Result<(), EngineError> {
        if let Some(signal) = self.cancel.signal() {
            let id = format!("signal-{signal}-{}", rollout.since);
            let cancelled =
                rollout.cause.is_some() || rollout.promoted.is_some() || rollout.taken.contains(&id);
            if !cancelled {
                let request = Request::Cancel { signal };
                self.note(
                    rollout,
                    Fact::Asked(Asked { id, request, by: "the runner".to_owned(), reason: None }),
                )
                .await?;
            }
        }
        for asked in self.journal.asked().await? {
            let id = asked.id.clone();
            if !rollout.taken.contains(&id) {
                self.note(rollout, Fact::Asked(asked)).await?;
            }
            self.journal.answered(&self.lock.prove()?, &id).await?;
        }
        Ok(())
    }
}

fn until_then(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO).max(Duration::from_millis(1))
}
