//! Where a command works: the configuration, the environment, and where their state is kept.

use std::path::{Path, PathBuf};

use crate::cli::Common;
use crate::error::{Error, ErrorKind};
use crate::journal::file::FileJournal;
use crate::report::lines::printable;
use crate::rollout::Environment;
use crate::settings::{self, EnvironmentSettings, LocalSettings, Settings, SettingsError, TargetSettings};

/// An environment of a configuration, with the directory of its state.
#[derive(Debug, Clone)]
pub struct Place {
    /// The app.
    pub app: String,
    /// The environment's settings.
    pub environment: EnvironmentSettings,
    /// The directory of the environment's state.
    pub directory: PathBuf,
}

impl Place {
    /// Finds and reads the configuration, and the environment of that name in it.
    ///
    /// # Errors
    /// When there is no configuration, it is wrong, or it has no such environment.
    pub fn find(common: &Common, environment: Option<&str>) -> Result<Self, Error> {
        let settings = load(common)?;
        let environment = choose(&settings, environment)?.clone();
        let root = common.state_dir.clone().unwrap_or_else(|| beside(&settings.file).join(".tidegate"));
        let root = std::path::absolute(&root).unwrap_or(root);
        Ok(Self { app: settings.app.clone(), directory: root.join(&environment.name), environment })
    }

    /// The settings of the embedded target.
    #[must_use]
    pub fn local(&self) -> &LocalSettings {
        let TargetSettings::Local(local) = &self.environment.target;
        local
    }

    /// The public address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.local().listen)
    }

    /// The directory of the journal.
    #[must_use]
    pub fn journal_directory(&self) -> PathBuf {
        self.directory.join("journal")
    }

    /// The directory of the supervisor.
    #[must_use]
    pub fn target_directory(&self) -> PathBuf {
        self.directory.clone()
    }

    /// What the journal says; an environment that was never deployed has an empty one.
    ///
    /// # Errors
    /// When the journal is damaged or cannot be read.
    pub fn replay(&self) -> Result<Environment, Error> {
        let Some(journal) = FileJournal::existing(&self.journal_directory()) else {
            return Ok(Environment::default());
        };
        replayed(&journal)
    }

    /// Opens the journal for writing, and keeps the state out of version control.
    ///
    /// # Errors
    /// When the directory cannot be created or written.
    pub fn open_journal(&self) -> Result<FileJournal, Error> {
        let journal = FileJournal::open(&self.journal_directory())?;
        if let Some(root) = self.directory.parent().filter(|root| root.ends_with(".tidegate")) {
            let ignore = root.join(".gitignore");
            if !ignore.exists() {
                crate::journal::file::write_atomically(&ignore, b"*\n")?;
            }
        }
        Ok(journal)
    }
}

/// The environment that a journal tells of.
///
/// # Errors
/// When the journal is damaged or cannot be read.
pub fn replayed(journal: &FileJournal) -> Result<Environment, Error> {
    let histories = journal.read()?;
    Environment::replay(&histories).map_err(|error| {
        let place = journal.directory().display();
        Error::new(ErrorKind::Stuck, "corrupt", format!("the journal in {place} contradicts itself: {error}"))
    })
}

/// Reads the configuration that the options name, or that is found.
///
/// # Errors
/// When there is none or it is wrong.
pub fn load(common: &Common) -> Result<Settings, Error> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let file = match &common.file {
        Some(file) => file.clone(),
        None => settings::find(&here).ok_or_else(|| {
            let sentence = format!("there is no tidegate.yaml in {} or above it", here.display());
            Error::new(ErrorKind::Usage, "no-configuration", sentence)
                .hint("`tidegate init` writes one; `--file` names another")
        })?,
    };
    settings::load(&file).map_err(settings_error)
}

fn settings_error(error: SettingsError) -> Error {
    Error::new(ErrorKind::Usage, "configuration", error.to_string())
}

fn choose<'a>(settings: &'a Settings, name: Option<&str>) -> Result<&'a EnvironmentSettings, Error> {
    match (name, settings.environments.as_slice()) {
        (None, [only]) => Ok(only),
        (None, all) => {
            let names: Vec<_> = all.iter().map(|environment| environment.name.as_str()).collect();
            let sentence = format!("there are {} environments: {}; name one", all.len(), names.join(", "));
            Err(Error::new(ErrorKind::Usage, "which-environment", sentence))
        }
        (Some(name), _) => settings.environment(name).map_err(|error| {
            Error::new(ErrorKind::Usage, "unknown-environment", printable(&error.to_string()))
        }),
    }
}

fn beside(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}
