//! Where a command works: the configuration, the environment, and where their state is kept.

use std::path::{Path, PathBuf};

use super::ground::{Ground, Machine};
use super::places::of_diagnostics;
use super::preview;
use super::reports::Listener;
use super::signals::Signals;
use crate::cli::{Common, Inline};
use crate::error::{Error, ErrorKind};
use crate::report::github::Annotator;
use crate::report::lines::printable;
use crate::settings::{self, EnvironmentSettings, ImageSettings, Settings, SettingsError, TargetSettings};
use crate::target::kubernetes::Watchdog;

/// An environment of a configuration, with the ground that it stands on.
#[derive(Clone)]
pub struct Place {
    /// The app.
    pub app: String,
    /// The image that environments in a cluster run, where the configuration names it.
    pub image: Option<ImageSettings>,
    /// Further images of the app.
    pub others: Vec<ImageSettings>,
    /// The environment's settings.
    pub environment: EnvironmentSettings,
    /// The folder of the configuration.
    pub folder: PathBuf,
    /// Where its state is kept and its releases run.
    pub ground: Ground,
    /// What is left in the cluster to end a rollout whose runner dies.
    pub watchdog: Option<Watchdog>,
    /// Who hears of the rollouts there, besides the usual reports.
    pub listeners: Vec<Listener>,
    /// Where words about lines of files go, besides the log.
    pub annotator: Option<Annotator>,
    /// Where signals are listened for already; what came since then counts.
    pub signals: Option<Signals>,
}

impl Place {
    /// Finds and reads the configuration, and the environment of that name in it. Neither a supervisor nor a cluster is asked.
    ///
    /// # Errors
    /// When there is no configuration, it is wrong, or it has no such environment; when a kubeconfig cannot be used.
    pub async fn find(common: &Common, environment: Option<&str>) -> Result<Self, Error> {
        let settings = load(common)?;
        let environment = named(common, &settings, environment).await?;
        Self::at(common, &settings, environment).await
    }

    /// That of an environment whose settings are known.
    ///
    /// # Errors
    /// When a kubeconfig cannot be used.
    pub async fn at(
        common: &Common,
        settings: &Settings,
        environment: EnvironmentSettings,
    ) -> Result<Self, Error> {
        let folder = beside(&settings.file);
        let directory = state_root(common, &folder).join(&environment.name);
        let ground = Ground::of(&settings.app, &environment, directory).await?;
        let place = Self::new(settings.app.clone(), settings.image.clone(), environment, folder, ground);
        Ok(Self { others: settings.others.clone(), ..place })
    }

    /// As [`Place::find`], for a process that runs in the cluster: it reaches it by its service account, whatever the settings say.
    ///
    /// # Errors
    /// As [`Place::find`].
    pub async fn within_cluster(common: &Common, environment: &str, namespace: &str) -> Result<Self, Error> {
        let settings = load(common)?;
        let mut environment = named(common, &settings, Some(environment)).await?;
        if let TargetSettings::Kubernetes(cluster) = &mut environment.target {
            (cluster.kubeconfig, cluster.context, cluster.oidc) = (None, None, None);
            cluster.namespace = Some(namespace.to_owned());
        }
        Self::at(common, &settings, environment).await
    }

    fn new(
        app: String,
        image: Option<ImageSettings>,
        environment: EnvironmentSettings,
        folder: PathBuf,
        ground: Ground,
    ) -> Self {
        Self {
            app,
            image,
            others: Vec::new(),
            environment,
            folder,
            ground,
            watchdog: None,
            listeners: Vec::new(),
            annotator: None,
            signals: None,
        }
    }

    /// All images of the app, its own before the others.
    pub fn images(&self) -> impl Iterator<Item = &ImageSettings> {
        self.image.iter().chain(&self.others)
    }

    /// The public address, where there is one.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        match &self.environment.target {
            TargetSettings::Local(local) => Some(format!("http://{}", local.listen)),
            TargetSettings::Kubernetes(cluster) => cluster.url.clone(),
        }
    }
}

/// The environment of that name, with its name, where it runs on this machine.
///
/// # Errors
/// As [`Place::find`], and when it runs elsewhere.
pub async fn find_machine(common: &Common, environment: Option<&str>) -> Result<(String, Machine), Error> {
    let settings = load(common)?;
    let environment = named(common, &settings, environment).await?;
    let TargetSettings::Local(local) = &environment.target else {
        let sentence =
            format!("{} does not run on this machine: it has no supervisor here", environment.name);
        return Err(Error::new(ErrorKind::Usage, "not-local", sentence)
            .hint(format!("`tidegate status {}` tells what runs there", environment.name)));
    };
    let directory = state_root(common, &beside(&settings.file)).join(&environment.name);
    Ok((environment.name.clone(), Machine { directory, settings: local.clone() }))
}

/// Where the state of all environments on this machine is, a folder each.
#[must_use]
pub fn state_root(common: &Common, folder: &Path) -> PathBuf {
    let root = common.state_dir.clone().unwrap_or_else(|| folder.join(".tidegate"));
    std::path::absolute(&root).unwrap_or(root)
}

/// Reads the configuration that the options name, or that is found.
///
/// # Errors
/// When there is none or it is wrong.
pub fn load(common: &Common) -> Result<Settings, Error> {
    read(common)?.map_err(|error| settings_error(&error))
}

/// The same, with all that is wrong in the configuration as it was found.
///
/// # Errors
/// When there is none.
pub fn read(common: &Common) -> Result<Result<Settings, SettingsError>, Error> {
    if let Some(Inline { file, text }) = &common.inline {
        return Ok(settings::parse(file, text));
    }
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let file = match &common.file {
        Some(file) => file.clone(),
        None => settings::find(&here).ok_or_else(|| {
            let sentence = format!("there is no tidegate.yaml in {} or above it", here.display());
            Error::new(ErrorKind::Usage, "no-configuration", sentence)
                .hint("`tidegate init` writes one; `--file` names another")
        })?,
    };
    Ok(settings::load(&file))
}

pub(super) fn settings_error(error: &SettingsError) -> Error {
    Error::new(ErrorKind::Usage, "configuration", error.to_string()).at(of_diagnostics(error.diagnostics()))
}

/// The environment of that name: one of the file, or a preview that is there.
async fn named(
    common: &Common,
    settings: &Settings,
    name: Option<&str>,
) -> Result<EnvironmentSettings, Error> {
    let unknown = match choose(settings, name) {
        Ok(environment) => return Ok(environment.clone()),
        Err(error) => error,
    };
    match name {
        Some("preview") if settings.preview.is_some() => {
            Err(unknown.hint("`preview` is what each pull request has one of: `tidegate preview up NUMBER`"))
        }
        Some(name) => Box::pin(preview::named(common, settings, name)).await?.ok_or(unknown),
        None => Err(unknown),
    }
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

pub(super) fn beside(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}
