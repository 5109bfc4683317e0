//! Where events live: beside what was changed.

use std::future::Future;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rollout::Event;
use crate::rollout::event::Asked;

pub mod file;
mod format;
pub mod kubernetes;

/// Why the journal could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{sentence}")]
pub struct JournalError {
    /// Stable code: `disk-full`, `not-writable`, `corrupt`, `newer-format`, `io`; in a cluster also `taken-over` and those of
    /// [`crate::cluster::Trouble`].
    pub code: &'static str,
    /// One sentence with place and cause.
    pub sentence: String,
    /// What could mend it.
    pub hint: Option<String>,
}

/// Who holds the lock of an environment, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// A person or a workflow run.
    pub name: String,
    /// What it does.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Tells this holding from every other.
    pub nonce: String,
}

impl Holder {
    /// Whether the process of that name holds it: what the nonces of one process end with.
    #[must_use]
    pub fn is_of(&self, process: &str) -> bool {
        !process.is_empty() && self.nonce.ends_with(process)
    }
}

/// Who closed an environment by hand, when and why: no deploy starts until it is opened again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// A lock that somebody holds, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Who holds it.
    pub holder: Holder,
    /// Since when they have given no sign of life, where that is long enough to think that they have died. Never with a lock
    /// that dies with its process.
    pub silent_since: Option<Timestamp>,
    /// When they gave their last sign of life. None with a lock that dies with its process: its holder lives.
    pub last_sign: Option<Timestamp>,
}

/// Why the lock is not ours.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LockError {
    /// Somebody else works on the environment.
    #[error("{} has held the lock since {}: {}", .0.name, .0.since.strftime("%F %T UTC"), .0.reason)]
    Held(Box<Holder>),
    /// It was ours and was taken over.
    #[error("the lock was taken over by {0}")]
    Lost(String),
    /// It could not be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Shows that the lock is held at this moment; whatever changes the journal asks for it. Only a held lock makes one.
#[derive(Debug)]
pub struct LockProof<'a>(PhantomData<&'a ()>);

/// A lock that is held.
pub trait Held: Send + Sync {
    /// Checks that nobody took it over, and gives a sign of life when one is due.
    ///
    /// # Errors
    /// [`LockError::Lost`] when it is no longer ours.
    fn check(&self) -> Result<(), LockError>;

    /// The proof, for one write.
    ///
    /// # Errors
    /// As [`Held::check`].
    fn prove(&self) -> Result<LockProof<'_>, LockError> {
        self.check()?;
        Ok(LockProof(PhantomData))
    }
}

/// Where an environment's events live.
///
/// Guarantees that an event which was appended survives the death of this process and of the machine's power, and that a
/// history that was damaged, or written by a newer Tidegate, is refused and left as it is.
pub trait Journal: Send + Sync {
    /// The events of every rollout, oldest rollout first.
    fn histories(&self) -> impl Future<Output = Result<Vec<Vec<Event>>, JournalError>> + Send;

    /// Adds one event; when this returns it is on the disk.
    fn append(
        &self,
        proof: &LockProof<'_>,
        event: &Event,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// What people asked for and nobody has answered, oldest first.
    fn asked(&self) -> impl Future<Output = Result<Vec<Asked>, JournalError>> + Send;

    /// Leaves a request for the run that holds the lock.
    fn ask(&self, asked: &Asked) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Takes a request out.
    fn answered(
        &self,
        proof: &LockProof<'_>,
        id: &str,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;
}
