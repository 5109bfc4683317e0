//! A run of migrations: how far it is goes into the journal, and who asks the rollout to go back is heard meanwhile.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{Engine, EngineError};
use crate::gate::Collector;
use crate::journal::Journal;
use crate::migrate::{Migrator, Order, Unstarted, Watcher};
use crate::rollout::action::Begin;
use crate::rollout::event::Request;
use crate::rollout::{Action, Fact, Migrated, Rollout, Step};
use crate::target::{Target, TargetError};

/// How often it is looked whether somebody asked for the way back.
const REQUESTS: Duration = Duration::from_millis(500);

impl<T: Target, J: Journal, C: Collector, M: Migrator> Engine<'_, T, J, C, M> {
    pub(super) async fn migrate(
        &mut self,
        rollout: &mut Rollout,
        step: usize,
        begin: Begin,
    ) -> Result<(), EngineError> {
        let plan = &rollout.plan;
        let Some(Step::Migrate { phase, migration }) = plan.steps.get(step).cloned() else { return Ok(()) };
        let (id, release) = (rollout.id.clone(), plan.candidate.clone());
        let order = Order { migration: &migration, phase, begin, rollout: &id, release: &release };
        match self.run_migrations(rollout, order).await? {
            Ok(migrated) => self.note(rollout, Fact::Migrated { step, migrated: Box::new(migrated) }).await,
            Err(Unstarted { code, sentence, hint, fatal }) => {
                let error = TargetError { code, sentence, hint, fatal };
                self.refused(rollout, Action::Migrate { step, begin }, error).await
            }
        }
    }

    async fn run_migrations(
        &mut self,
        rollout: &mut Rollout,
        order: Order<'_>,
    ) -> Result<Result<Migrated, Unstarted>, EngineError> {
        let (tell, mut told) = mpsc::unbounded_channel();
        let (stop, cancel) = watch::channel(self.cancel.signal());
        let watcher = Watcher { tell, cancel };
        let mut work = std::pin::pin!(self.migrator.migrate(order, &watcher));
        let mut looks = tokio::time::interval(REQUESTS);
        loop {
            let is_told = stop.borrow().is_some();
            tokio::select! {
                biased;
                Some(sentence) = told.recv() => self.note(rollout, Fact::Progressed { sentence }).await?,
                ended = &mut work => return Ok(ended),
                () = self.cancel.changed(), if !is_told => {
                    stop.send_replace(self.cancel.signal());
                }
                _ = looks.tick(), if !is_told => {
                    self.lock.check()?;
                    let asked = self.journal.asked().await?;
                    let is_back = |request: &Request| matches!(request, Request::Abort | Request::Supersede { .. });
                    if asked.iter().any(|asked| is_back(&asked.request)) {
                        stop.send_replace(Some(0));
                    }
                }
            }
        }
    }
}
