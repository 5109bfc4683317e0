//! Waiting: for the target to change, for a signal, for a request.

use std::time::Duration;

use tokio::sync::watch;

use super::{Engine, EngineError};
use crate::gate::Collector;
use crate::journal::Journal;
use crate::migrate::Migrator;
use crate::rollout::{Fact, Observation, Outcome, OutcomeKind, Rollout};
use crate::target::Target;

/// Requests are looked for this often while nothing else happens.
const REQUESTS: Duration = Duration::from_millis(250);
/// Between two attempts to reach a target that does not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// Tells the engine which signal the command got, if any.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Receiver<Option<i32>>);

impl Cancel {
    /// A pair: who tells, and who is told.
    #[must_use]
    pub fn channel() -> (watch::Sender<Option<i32>>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self(receiver))
    }

    /// The signal that came, if one came.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        *self.0.borrow()
    }

    /// What tells it, for what waits without an engine.
    #[must_use]
    pub fn receiver(&self) -> watch::Receiver<Option<i32>> {
        self.0.clone()
    }

    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody can tell us any more.
            std::future::pending::<()>().await;
        }
    }
}

impl<T: Target, J: Journal, C: Collector, M: Migrator> Engine<'_, T, J, C, M> {
    /// What is seen in the target; `None` when it could not be seen, after a moment, or when something else came first. A
    /// target that stays out of sight for as long as a whole way back may take makes the rollout stuck.
    pub(super) async fn observe(
        &mut self,
        rollout: &mut Rollout,
        newer_than: Option<u64>,
        patience: Duration,
    ) -> Result<Option<Observation>, EngineError> {
        self.lock.check()?;
        let newer_than = newer_than.filter(|_| !patience.is_zero());
        let told = self.cancel.signal().is_some();
        let target = self.target;
        let observed = tokio::select! {
            observed = target.observe(newer_than, patience.min(REQUESTS)) => observed,
            () = self.cancel.changed(), if !told => return Ok(None),
        };
        match observed {
            Ok(observation) => {
                self.unseen = None;
                Ok(Some(observation))
            }
            Err(error) => {
                let since = *self.unseen.get_or_insert(self.clock.now());
                let unseen = Duration::try_from(self.clock.now().duration_since(since)).unwrap_or_default();
                if unseen > rollout.plan.budgets.back && rollout.open() {
                    let sentence = format!(
                        "the target was out of sight for {unseen:?}: {}; mend that, then run `tidegate resume {}`",
                        error.sentence, rollout.plan.environment
                    );
                    let outcome =
                        Outcome { kind: OutcomeKind::Stuck, reason: "unreachable".to_owned(), sentence };
                    self.note(rollout, Fact::Finished { outcome }).await?;
                    return Ok(Some(Observation::default()));
                }
                if unseen.is_zero() {
                    let fact = Fact::Warned { code: error.code.to_owned(), sentence: error.sentence };
                    self.note(rollout, fact).await?;
                }
                tokio::time::sleep(AGAIN).await;
                Ok(None)
            }
        }
    }
}
