//! The lock of either ground.

use std::time::Duration;

use crate::journal::file::lock::FileLock;
use crate::journal::kubernetes::lease::LeaseLock;
use crate::journal::{Held, LockError};

/// How long a cluster is given to hear that the lock is let go. Unheard, it runs out by itself.
const LET_GO: Duration = Duration::from_secs(5);

/// The lock of an environment, held.
#[derive(Debug)]
pub enum AnyLock {
    /// The kernel's; it dies with its process.
    File(FileLock),
    /// A Lease; it must be let go, or the next one waits until it runs out.
    Lease(Box<LeaseLock>),
}

impl AnyLock {
    /// Lets go.
    pub async fn release(self) {
        match self {
            Self::File(lock) => drop(lock),
            Self::Lease(lock) => {
                if tokio::time::timeout(LET_GO, lock.release()).await.is_err() {
                    tracing::warn!(
                        "the cluster did not hear that the lock was let go; it runs out within half a minute"
                    );
                }
            }
        }
    }
}

impl Held for AnyLock {
    fn check(&self) -> Result<(), LockError> {
        match self {
            Self::File(lock) => lock.check(),
            Self::Lease(lock) => lock.check(),
        }
    }
}
