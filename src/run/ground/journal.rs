//! The journal of either ground.

use std::fmt::Display;

use crate::error::{Error, ErrorKind};
use crate::journal::file::FileJournal;
use crate::journal::kubernetes::MapJournal;
use crate::journal::{Journal, JournalError, LockProof};
use crate::rollout::event::Asked;
use crate::rollout::{Environment, Event, RolloutId};

/// The journal of an environment, wherever it lives.
#[derive(Debug)]
pub enum AnyJournal {
    /// In files.
    File(FileJournal),
    /// In ConfigMaps.
    Map(Box<MapJournal>),
}

impl AnyJournal {
    /// The environment that it tells of.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub async fn replay(&self) -> Result<Environment, Error> {
        let histories = self.histories().await?;
        match self {
            Self::File(journal) => fold(&histories, journal.directory().display()),
            Self::Map(journal) => fold(&histories, format!("namespace {}", journal.namespace())),
        }
    }

    /// Removes the oldest rollouts until `keep` are left; those in `needed` stay.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub async fn prune(
        &self,
        proof: &LockProof<'_>,
        keep: usize,
        needed: &[RolloutId],
    ) -> Result<usize, JournalError> {
        match self {
            Self::File(journal) => journal.prune(proof, keep, needed),
            Self::Map(journal) => journal.prune(proof, keep, needed).await,
        }
    }
}

/// The environment that histories tell of; `place` says where they were read.
///
/// # Errors
/// When they contradict themselves.
pub fn fold(histories: &[Vec<Event>], place: impl Display) -> Result<Environment, Error> {
    Environment::replay(histories).map_err(|error| {
        let sentence = format!("the journal in {place} contradicts itself: {error}");
        Error::new(ErrorKind::Stuck, "corrupt", sentence)
    })
}

impl Journal for AnyJournal {
    async fn histories(&self) -> Result<Vec<Vec<Event>>, JournalError> {
        match self {
            Self::File(journal) => journal.histories().await,
            Self::Map(journal) => journal.histories().await,
        }
    }

    async fn append(&self, proof: &LockProof<'_>, event: &Event) -> Result<(), JournalError> {
        match self {
            Self::File(journal) => journal.append(proof, event).await,
            Self::Map(journal) => journal.append(proof, event).await,
        }
    }

    async fn asked(&self) -> Result<Vec<Asked>, JournalError> {
        match self {
            Self::File(journal) => journal.asked().await,
            Self::Map(journal) => journal.asked().await,
        }
    }

    async fn ask(&self, asked: &Asked) -> Result<(), JournalError> {
        match self {
            Self::File(journal) => journal.ask(asked).await,
            Self::Map(journal) => journal.ask(asked).await,
        }
    }

    async fn answered(&self, proof: &LockProof<'_>, id: &str) -> Result<(), JournalError> {
        match self {
            Self::File(journal) => journal.answered(proof, id).await,
            Self::Map(journal) => journal.answered(proof, id).await,
        }
    }
}
