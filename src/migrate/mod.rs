//! Migrations: run once, in the open, and never left without a word about how they ended.
//!
//! Flow: an order names the step of the plan → what it needs is looked up (files, database, ledger) → what is pending of its phase runs, one by
//! one → the ledger is read again. Guarantees that nothing runs twice, that nothing is taken down, and that an answer tells what the
//! ledger says, not what was hoped for.

use std::future::Future;

use tokio::sync::{mpsc, watch};

use crate::rollout::action::Begin;
use crate::rollout::{Migrated, Migration, Phase, Release, RolloutId};

pub mod backup;
pub mod command;
pub mod files;
pub mod sql;

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// How the migrations are run.
    pub migration: &'a Migration,
    /// Which of them.
    pub phase: Phase,
    /// What is known of runs before this one.
    pub begin: Begin,
    /// The rollout that they belong to.
    pub rollout: &'a RolloutId,
    /// The release that they belong to.
    pub release: &'a Release,
}

/// Who waits for a run of migrations: hears how far it is, and may want it to stop.
#[derive(Debug, Clone)]
pub struct Watcher {
    /// Sentences for people.
    pub tell: mpsc::UnboundedSender<String>,
    /// The signal that the command got. What can be broken off without leaving anything behind is then broken off.
    pub cancel: watch::Receiver<Option<i32>>,
}

impl Watcher {
    /// Passes a sentence on.
    pub fn say(&self, sentence: impl Into<String>) {
        // Who does not listen any more does not matter to the database.
        let _ = self.tell.send(sentence.into());
    }

    /// Returns once a signal came.
    pub async fn cancelled(&self) {
        let mut cancel = self.cancel.clone();
        if cancel.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Why nothing was begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Unstarted {
    /// Stable code, for example `no-database-url`, `database-unreachable`, `migrations-differ`, `backup-failed`.
    pub code: &'static str,
    /// One sentence with place and cause.
    pub sentence: String,
    /// What could mend it.
    pub hint: Option<String>,
    /// True when trying again cannot help.
    pub fatal: bool,
}

impl Unstarted {
    /// Trying again cannot help.
    #[must_use]
    pub fn fatal(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), hint: None, fatal: true }
    }

    /// With what could mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Runs migrations.
pub trait Migrator: Send + Sync {
    /// Runs what is pending of the order's phase, or finds out how a run of another process ended.
    ///
    /// # Errors
    /// When nothing was begun. All else is an answer.
    fn migrate(
        &self,
        order: Order<'_>,
        watcher: &Watcher,
    ) -> impl Future<Output = Result<Migrated, Unstarted>> + Send;
}
