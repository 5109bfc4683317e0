//! This machine as the ground of an environment: state in a directory, processes under a supervisor.

use std::path::PathBuf;

use super::{Ground, router, visit};
use crate::error::{Error, ErrorKind};
use crate::journal::JournalError;
use crate::journal::file::{FileJournal, write_atomically};
use crate::run::preview::database;
use crate::run::release::secrets;
use crate::settings::{EnvironmentSettings, LocalSettings};
use crate::target::local::proxy::ProxySettings;
use crate::target::local::{LocalConfig, LocalTarget};

/// This machine as the ground of an environment.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The directory of the environment's state, and so of its supervisor.
    pub directory: PathBuf,
    /// How it runs.
    pub settings: LocalSettings,
}

impl Machine {
    /// The directory of the journal.
    #[must_use]
    pub fn journal_directory(&self) -> PathBuf {
        self.directory.join("journal")
    }

    /// Opens the journal for writing, and keeps the state out of version control.
    ///
    /// # Errors
    /// When the directory cannot be created or written.
    pub fn open_journal(&self) -> Result<FileJournal, JournalError> {
        let journal = FileJournal::open(&self.journal_directory())?;
        if let Some(root) = self.directory.parent().filter(|root| root.ends_with(".tidegate")) {
            let ignore = root.join(".gitignore");
            if !ignore.exists() {
                write_atomically(&ignore, b"*\n")?;
            }
        }
        Ok(journal)
    }

    /// Reaches the target, starting its supervisor where none runs.
    ///
    /// # Errors
    /// When it cannot be started or configured, a declared secret is not set, or this program does not know its own file.
    pub async fn target(&self, environment: &EnvironmentSettings) -> Result<LocalTarget, Error> {
        let binary = std::env::current_exe().map_err(|error| {
            let sentence = format!("this program does not know its own file: {error}");
            Error::new(ErrorKind::Failed, "no-program", sentence)
        })?;
        let own = database::own(&Ground::Machine(Box::new(self.clone())), environment).await?;
        let config = LocalConfig {
            listen: self.settings.listen,
            admin: self.settings.admin,
            proxy: ProxySettings {
                access: visit::access(environment)?,
                ..router::settings(&self.settings.proxy, environment.strategy.comparison())
            },
            sleep: environment.preview.as_ref().and_then(|preview| preview.front.sleep),
            binary,
            secrets: secrets(&environment.name, &self.settings, own.as_ref())?,
        };
        Ok(LocalTarget::connect(&self.directory, config).await?)
    }
}
