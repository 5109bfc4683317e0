//! Where an environment's state is kept and its releases run: this machine, or a cluster. What differs between the two is
//! told apart here, and nowhere else in the commands but where a release is put together.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;
use crate::journal::file::FileJournal;
use crate::journal::file::lock::FileLock;
use crate::journal::kubernetes::lease::LeaseLock;
use crate::journal::{Hold, Holder, LockError, Sighting, file, kubernetes};
use crate::rollout::Environment;
use crate::settings::{EnvironmentSettings, TargetSettings};
use crate::target::kubernetes::front;
use crate::target::local::LocalTarget;

mod cluster;
mod identity;
mod journal;
mod lock;
mod machine;
mod router;
mod target;
pub mod visit;

pub use cluster::{Cluster, config, policy};
pub use journal::{AnyJournal, fold};
pub use lock::AnyLock;
pub use machine::Machine;
pub use target::AnyTarget;

/// Where an environment's state is kept and its releases run.
#[derive(Clone)]
pub enum Ground {
    /// This machine.
    Machine(Box<Machine>),
    /// A cluster.
    Cluster(Box<Cluster>),
}

impl Ground {
    /// The ground of an environment whose state on this machine, if it has any, is in `directory`. Nothing is asked yet.
    ///
    /// # Errors
    /// When a kubeconfig cannot be used.
    pub async fn of(app: &str, environment: &EnvironmentSettings, directory: PathBuf) -> Result<Self, Error> {
        Ok(match &environment.target {
            TargetSettings::Local(settings) => {
                Self::Machine(Box::new(Machine { directory, settings: settings.clone() }))
            }
            TargetSettings::Kubernetes(settings) => Self::Cluster(Box::new(
                Cluster::reach(app, &environment.name, settings, environment.preview.as_deref()).await?,
            )),
        })
    }

    /// How often a lock that is held is tried again.
    #[must_use]
    pub const fn between_tries(&self) -> Duration {
        match self {
            Self::Machine(_) => Duration::from_millis(50),
            Self::Cluster(_) => Duration::from_secs(1),
        }
    }

    /// How often a rollout in another process is looked at.
    #[must_use]
    pub const fn between_looks(&self) -> Duration {
        match self {
            Self::Machine(_) => Duration::from_millis(100),
            Self::Cluster(_) => Duration::from_secs(1),
        }
    }

    /// The journal, for writing.
    ///
    /// # Errors
    /// When its place cannot be created.
    pub fn journal(&self) -> Result<AnyJournal, Error> {
        Ok(match self {
            Self::Machine(machine) => AnyJournal::File(machine.open_journal()?),
            Self::Cluster(cluster) => AnyJournal::Map(Box::new(cluster.journal())),
        })
    }

    /// The journal, for reading; nothing where there is none.
    #[must_use]
    pub fn existing_journal(&self) -> Option<AnyJournal> {
        match self {
            Self::Machine(machine) => {
                FileJournal::existing(&machine.journal_directory()).map(AnyJournal::File)
            }
            Self::Cluster(cluster) => Some(AnyJournal::Map(Box::new(cluster.journal()))),
        }
    }

    /// What the journal says; an environment that was never deployed has an empty one.
    ///
    /// # Errors
    /// When the journal is damaged or cannot be read.
    pub async fn replay(&self) -> Result<Environment, Error> {
        match self.existing_journal() {
            Some(journal) => journal.replay().await,
            None => Ok(Environment::default()),
        }
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder when somebody else has it.
    pub async fn lock(&self, holder: &Holder) -> Result<AnyLock, LockError> {
        match self {
            Self::Machine(machine) => {
                FileLock::acquire(&machine.journal_directory(), holder).map(AnyLock::File)
            }
            Self::Cluster(cluster) => {
                let lease = LeaseLock::acquire(&cluster.client, &cluster.scope, holder).await?;
                Ok(AnyLock::Lease(Box::new(lease)))
            }
        }
    }

    /// Who holds the lock at this moment.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn sight(&self) -> Result<Option<Sighting>, Error> {
        match self {
            Self::Machine(machine) => {
                let holder = FileLock::holder(&machine.journal_directory());
                Ok(holder.map(|holder| Sighting { holder, silent_since: None, last_sign: None }))
            }
            Self::Cluster(cluster) => Ok(LeaseLock::sight(&cluster.client, &cluster.scope).await?),
        }
    }

    /// Takes the lock from whoever holds it and lets it go again: that one finds it lost, and stops acting.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn seize(&self, holder: &Holder) -> Result<(), Error> {
        match self {
            Self::Machine(machine) => FileLock::seize(&machine.journal_directory(), holder)?.leave_name(),
            Self::Cluster(cluster) => {
                LeaseLock::seize(&cluster.client, &cluster.scope, holder).await?.release().await;
            }
        }
        Ok(())
    }

    /// As [`Ground::seize`], if it is still that process which holds it, by the end of its nonces; only locks in a cluster outlive theirs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn seize_from(&self, holder: &Holder, process: &str) -> Result<(), Error> {
        if let Self::Cluster(cluster) = self {
            match LeaseLock::seize_from(&cluster.client, &cluster.scope, holder, process).await {
                Ok(lock) => lock.release().await,
                // Somebody else was faster.
                Err(LockError::Held(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Who closed the environment by hand, if somebody did.
    ///
    /// # Errors
    /// When that cannot be read: the environment then counts as closed.
    pub async fn hold(&self) -> Result<Option<Hold>, Error> {
        Ok(match self {
            Self::Machine(machine) => file::hold::read(&machine.journal_directory())?,
            Self::Cluster(cluster) => kubernetes::hold::read(&cluster.client, &cluster.scope).await?,
        })
    }

    /// Closes the environment by hand.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn close(&self, hold: &Hold) -> Result<(), Error> {
        match self {
            Self::Machine(machine) => {
                machine.open_journal()?;
                file::hold::write(&machine.journal_directory(), hold)?;
            }
            Self::Cluster(cluster) => {
                kubernetes::hold::write(&cluster.client, &cluster.scope, hold).await?;
            }
        }
        Ok(())
    }

    /// Opens the environment again; tells whether it was closed.
    ///
    /// # Errors
    /// When the hold cannot be removed.
    pub async fn open(&self) -> Result<bool, Error> {
        Ok(match self {
            Self::Machine(machine) => file::hold::remove(&machine.journal_directory())?,
            Self::Cluster(cluster) => kubernetes::hold::remove(&cluster.client, &cluster.scope).await?,
        })
    }

    /// Reaches the target, starting what it needs on this machine.
    ///
    /// # Errors
    /// When that cannot be started or configured.
    pub async fn target(&self, environment: &EnvironmentSettings) -> Result<AnyTarget, Error> {
        Ok(match self {
            Self::Machine(machine) => AnyTarget::Local(machine.target(environment).await?),
            Self::Cluster(cluster) => {
                if environment.preview.as_ref().is_some_and(|preview| preview.front.sleep.is_some()) {
                    // By the lock that whoever works has by now, nothing lies down again.
                    front::wake(&cluster.client, &cluster.scope.namespace, false).await?;
                }
                AnyTarget::Kubernetes(cluster.target())
            }
        })
    }

    /// The target as it is; starts and changes nothing. None where no supervisor runs on this machine.
    pub async fn existing_target(&self) -> Option<AnyTarget> {
        match self {
            Self::Machine(machine) => LocalTarget::existing(&machine.directory).await.map(AnyTarget::Local),
            Self::Cluster(cluster) => Some(AnyTarget::Kubernetes(cluster.target())),
        }
    }
}
