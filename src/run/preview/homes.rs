//! Where previews live, each with its record: namespaces of a cluster, or directories of this machine.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind as IoKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::instance;
use crate::cli::Common;
use crate::error::{Error, ErrorKind};
use crate::journal::file::{create_private_dir, problem, write_atomically};
use crate::preview::{Found, Ownership, Record, Stage};
use crate::run::ground::{Cluster, Ground, visit};
use crate::run::place::{beside, state_root};
use crate::settings::{EnvironmentSettings, Settings, TargetSettings};
use crate::target::kubernetes::front::{self, Standing};
use crate::target::kubernetes::namespaces::{Isolation, Namespaces, Seen};
use crate::target::local::LocalTarget;

/// The file beside a preview's state with its record.
const RECORD: &str = "preview.json";
/// So long the front of a preview may take to come up.
const FRONT: Duration = Duration::from_secs(120);
/// So long another preview that is made on this machine is waited for.
const GUARD: Duration = Duration::from_secs(120);

/// Where the previews of an app live.
#[derive(Clone)]
pub enum Homes {
    /// Directories of this machine, below this one.
    Machine(PathBuf),
    /// Namespaces, and what reaches them.
    Cluster(Namespaces, Box<Cluster>),
}

/// A preview where it lives.
#[derive(Debug, Clone)]
pub struct Home {
    /// What a sweep goes by.
    pub found: Found,
    /// The very object in the cluster.
    seen: Option<Seen>,
}

impl Home {
    /// What is written down of it, where it is certainly ours.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match &self.found.ownership {
            Ownership::Ours(record) => Some(record),
            Ownership::Doubtful(_) => None,
        }
    }

    /// The record, where it is of that pull request, and of that repository as far as both are known.
    #[must_use]
    pub fn of_pull(&self, number: u64, repository: Option<&str>) -> Option<&Record> {
        self.record().filter(|record| record.number == number && record.is_of(repository))
    }
}

impl Homes {
    /// Those of the configuration.
    ///
    /// # Errors
    /// When it has no previews, or a kubeconfig cannot be used.
    pub async fn of(common: &Common, settings: &Settings) -> Result<Self, Error> {
        let sample = &instance::template(settings)?.sample;
        Ok(match &sample.target {
            TargetSettings::Local(_) => Self::Machine(state_root(common, &beside(&settings.file))),
            TargetSettings::Kubernetes(cluster) => {
                let cluster = Cluster::reach(&settings.app, &sample.name, cluster, None).await?;
                Self::Cluster(Namespaces::new(cluster.client.clone(), &settings.app), Box::new(cluster))
            }
        })
    }

    /// All of them, by their numbers.
    ///
    /// # Errors
    /// When they cannot be looked at.
    pub async fn all(&self, app: &str) -> Result<Vec<Home>, Error> {
        let mut all = match self {
            Self::Machine(root) => directories(root, app)?,
            Self::Cluster(namespaces, _) => {
                namespaces.list().await?.into_iter().map(|seen| of_seen(seen, app)).collect()
            }
        };
        all.sort_by_key(|home| (home.record().map(|record| record.number), home.found.place.clone()));
        Ok(all)
    }

    /// That of a preview, where there is one.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub async fn find(&self, app: &str, environment: &EnvironmentSettings) -> Result<Option<Home>, Error> {
        Ok(match self {
            Self::Machine(root) => directory(&root.join(&environment.name), app)?,
            Self::Cluster(namespaces, _) => {
                namespaces.find(namespace(environment)?).await?.map(|seen| of_seen(seen, app))
            }
        })
    }

    /// A preview as it is by now; nothing where it is gone.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub async fn again(&self, app: &str, home: &Home) -> Result<Option<Home>, Error> {
        Ok(match self {
            Self::Machine(_) => directory(Path::new(&home.found.place), app)?,
            Self::Cluster(namespaces, _) => {
                namespaces.find(&home.found.place).await?.map(|seen| of_seen(seen, app))
            }
        })
    }

    /// Makes room for a preview, or writes its record anew. Whatever it may use and reach is seen to before anything runs.
    ///
    /// # Errors
    /// When something is there that Tidegate has not made, or it cannot be made.
    pub async fn make(&self, environment: &EnvironmentSettings, record: &Record) -> Result<(), Error> {
        match self {
            Self::Machine(root) => {
                let directory = root.join(&environment.name);
                let there = self::directory(&directory, &record.app)?;
                let is_ours = there.as_ref().is_some_and(|home| home.record().is_some());
                if !is_ours && (there.is_some() || directory.join("journal").exists()) {
                    let sentence = format!(
                        "{} holds the state of something that is no preview of this app",
                        directory.display()
                    );
                    return Err(Error::new(ErrorKind::Refused, "foreign-state", sentence)
                        .hint("give previews another `name`"));
                }
                create_private_dir(&directory)?;
                write_atomically(&directory.join(RECORD), record.text().as_bytes())?;
            }
            Self::Cluster(namespaces, _) => {
                let name = namespace(environment)?;
                namespaces.make(name, record.number, &record.text()).await?;
                namespaces.isolate(name, &isolation(environment)).await?;
            }
        }
        Ok(())
    }

    /// Writes the record of a preview anew, where it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn note(&self, place: &str, record: &Record) -> Result<(), Error> {
        match self {
            Self::Machine(_) => write_atomically(&Path::new(place).join(RECORD), record.text().as_bytes())?,
            Self::Cluster(namespaces, _) => namespaces.note(place, &record.text()).await?,
        }
        Ok(())
    }

    /// Sees to what stands between visitors and a preview in a cluster, and wakes one that sleeps.
    ///
    /// # Errors
    /// When it does not come up, or a variable with what opens is not set.
    pub async fn stand_before(&self, environment: &EnvironmentSettings) -> Result<(), Error> {
        let Self::Cluster(_, cluster) = self else { return Ok(()) };
        let name = namespace(environment)?;
        match standing(environment)? {
            Some(standing) => front::raise(&cluster.client, name, &standing, FRONT).await?,
            // Routes lead to one that is there until they are applied anew.
            None => front::wake(&cluster.client, name, true).await?,
        }
        Ok(())
    }

    /// The run that a preview was kept awake for is over. A front that its settings do not have any more goes once what they say `is_live`. What
    /// cannot be done is told: it sleeps a while later, and the front goes with the next one.
    pub async fn settle(&self, place: &str, has_front: bool, is_live: bool) {
        let Self::Cluster(_, cluster) = self else { return };
        let settled = match has_front || !is_live {
            true => front::settle(&cluster.client, place).await,
            false => front::remove(&cluster.client, place).await,
        };
        if let Err(error) = settled {
            tracing::warn!("the front of the preview was not told that the run is over: {}", error.sentence);
        }
    }

    /// Where the preview of these settings lives.
    ///
    /// # Errors
    /// When its namespace is not known.
    pub fn place(&self, environment: &EnvironmentSettings) -> Result<String, Error> {
        Ok(match self {
            Self::Machine(root) => root.join(&environment.name).display().to_string(),
            Self::Cluster(..) => namespace(environment)?.to_owned(),
        })
    }

    /// Takes a preview away with all that is its own, and returns when it is seen gone.
    ///
    /// # Errors
    /// With what it hangs on, when it is not gone after `patience`.
    pub async fn remove(&self, home: &Home, patience: Duration) -> Result<(), Error> {
        match (self, &home.seen) {
            (Self::Cluster(namespaces, _), Some(seen)) => {
                namespaces.remove(seen, patience).await.map_err(|error| stuck(error.into()))
            }
            (Self::Cluster(..), None) => Ok(()),
            (Self::Machine(_), _) => clear(Path::new(&home.found.place)).await,
        }
    }

    /// A port of this machine for a preview: the one that it had, else one that no other preview has.
    ///
    /// # Errors
    /// When all are taken.
    pub async fn port(&self, app: &str, number: u64, ports: &RangeInclusive<u16>) -> Result<u16, Error> {
        let all = self.all(app).await?;
        let records: Vec<&Record> = all.iter().filter_map(Home::record).collect();
        if let Some(port) =
            records.iter().find(|record| record.number == number).and_then(|record| record.port)
        {
            return Ok(port);
        }
        let taken: Vec<u16> = records.iter().filter_map(|record| record.port).collect();
        let count = u64::from(ports.end() - ports.start()) + 1;
        // Begun at a place of its own, a preview has the same port each time that it can.
        let candidates = (0..count)
            .filter_map(|step| u16::try_from((number % count + step) % count).ok())
            .map(|at| ports.start() + at);
        candidates.into_iter().find(|port| !taken.contains(port)).ok_or_else(|| {
            let sentence = format!("all {count} ports of previews are taken");
            Error::new(ErrorKind::Refused, "no-port", sentence)
                .hint("give previews more `ports`, or take one away")
        })
    }

    /// Nobody else makes a preview on this machine until the answer is dropped; in a cluster names alone tell them apart.
    ///
    /// # Errors
    /// When the file of the lock cannot be had.
    pub async fn guard(&self) -> Result<Option<File>, Error> {
        let Self::Machine(root) = self else { return Ok(None) };
        create_private_dir(root)?;
        let file = root.join(".previews.lock");
        let opened = File::options().create(true).truncate(false).write(true).open(&file);
        let locked = opened.map_err(|error| disk("open", &file, &error))?;
        let begun = Instant::now();
        let mut is_told = false;
        while let Err(error) = locked.try_lock() {
            if let TryLockError::Error(error) = error {
                return Err(disk("lock", &file, &error));
            }
            if begun.elapsed() > GUARD {
                let sentence = format!(
                    "another preview has been made on this machine for {GUARD:?} ({} is locked)",
                    file.display()
                );
                return Err(Error::new(ErrorKind::Refused, "locked", sentence).hint("try it again"));
            }
            if !is_told && begun.elapsed() > Duration::from_secs(2) {
                tracing::warn!("another preview is being made on this machine; it is waited for");
                is_told = true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Some(locked))
    }
}

/// What stands before the preview, where something does.
fn standing(environment: &EnvironmentSettings) -> Result<Option<Standing>, Error> {
    let Some(preview) = &environment.preview else { return Ok(None) };
    let Some(image) = &preview.front.image else { return Ok(None) };
    let access = visit::access(environment)?.map(|access| serde_json::to_string(&access)).transpose();
    let access = access.map_err(|error| Error::new(ErrorKind::Failed, "bad-input", error.to_string()))?;
    let (sleep, is_closed) = (preview.front.sleep, preview.isolation.is_closed);
    Ok(Some(Standing { image: image.clone(), sleep, access, is_closed }))
}

fn isolation(environment: &EnvironmentSettings) -> Isolation {
    let Some(preview) = &environment.preview else { return Isolation::default() };
    let its = &preview.isolation;
    Isolation {
        quota: its.quota.clone(),
        defaults: its.defaults.clone(),
        from: its.from.clone(),
        to: its.to.clone(),
        is_closed: its.is_closed,
    }
}

/// How far the preview of these settings is, where it lives; nothing where it is not there any more.
///
/// # Errors
/// When it cannot be looked at.
pub async fn stage(ground: &Ground, app: &str) -> Result<Option<Stage>, Error> {
    let home = match ground {
        Ground::Machine(machine) => directory(&machine.directory, app)?,
        Ground::Cluster(cluster) => {
            let namespaces = Namespaces::new(cluster.client.clone(), app);
            namespaces.find(&cluster.scope.namespace).await?.map(|seen| of_seen(seen, app))
        }
    };
    let going = |home: &Home| {
        if home.found.is_going { Some(Stage::Falling) } else { home.record().map(|it| it.stage) }
    };
    Ok(home.as_ref().and_then(going))
}

/// That a preview is not gone, which a person has to see to.
fn stuck(error: Error) -> Error {
    if error.code == "still-there" { Error { kind: ErrorKind::Stuck, ..error } } else { error }
}

fn namespace(environment: &EnvironmentSettings) -> Result<&str, Error> {
    let name = match &environment.target {
        TargetSettings::Kubernetes(cluster) => cluster.namespace.as_deref(),
        TargetSettings::Local(_) => None,
    };
    name.ok_or_else(|| {
        Error::new(ErrorKind::Usage, "no-namespace", format!("{} has no namespace", environment.name))
    })
}

fn of_seen(seen: Seen, app: &str) -> Home {
    let ownership = match seen.record.as_deref().map(Record::read) {
        Some(Some(record)) if seen.is_ours && record.app == app => Ownership::Ours(Box::new(record)),
        Some(Some(_)) if seen.is_ours => Ownership::Doubtful("its record is of another app".to_owned()),
        Some(Some(_)) => {
            Ownership::Doubtful("its label or its record was written by somebody else".to_owned())
        }
        Some(None) => Ownership::Doubtful("its record cannot be read".to_owned()),
        None => Ownership::Doubtful("it has the label of a preview and no record".to_owned()),
    };
    Home { found: Found { place: seen.name.clone(), ownership, is_going: seen.is_going }, seen: Some(seen) }
}

fn directories(root: &Path, app: &str) -> Result<Vec<Home>, Error> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == IoKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(disk("read", root, &error)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| disk("read", root, &error))?.path();
        all.extend(directory(&path, app)?);
    }
    Ok(all)
}

/// The preview whose state is in a directory; nothing where that is none.
fn directory(path: &Path, app: &str) -> Result<Option<Home>, Error> {
    let file = path.join(RECORD);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), IoKind::NotFound | IoKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(disk("read", &file, &error)),
    };
    let is_named = |record: &Record| path.file_name().is_some_and(|name| *name == *record.name);
    let ownership = match Record::read(&text) {
        Some(record) if record.app == app && is_named(&record) => Ownership::Ours(Box::new(record)),
        Some(_) => Ownership::Doubtful("its record is of another app or place".to_owned()),
        None => Ownership::Doubtful("its record cannot be read".to_owned()),
    };
    let found = Found { place: path.display().to_string(), ownership, is_going: false };
    Ok(Some(Home { found, seen: None }))
}

/// Ends what runs, sees that it is gone, and then takes the state away: the record last.
async fn clear(directory: &Path) -> Result<(), Error> {
    if let Some(target) = LocalTarget::existing(directory).await {
        target.stop().await?;
    }
    if !LocalTarget::is_gone(directory) {
        let sentence =
            format!("the supervisor of {} is still there after it was stopped", directory.display());
        return Err(
            Error::new(ErrorKind::Stuck, "still-there", sentence).hint("the next sweep tries it again")
        );
    }
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == IoKind::NotFound => return Ok(()),
        Err(error) => return Err(disk("read", directory, &error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| disk("read", directory, &error))?;
        let path = entry.path();
        if entry.file_name() == RECORD {
            continue;
        }
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.or_else(absent).map_err(|error| disk("remove", &path, &error))?;
    }
    fs::remove_dir_all(directory).or_else(absent).map_err(|error| disk("remove", directory, &error))
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == IoKind::NotFound { Ok(()) } else { Err(error) }
}

fn disk(tried: &str, path: &Path, error: &std::io::Error) -> Error {
    problem(tried, path, error).into()
}
