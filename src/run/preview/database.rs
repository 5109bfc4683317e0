//! The database of a preview: made and filled before anything is deployed, dropped before its home goes. So whoever finds the home finds what
//! belongs to it, and what is without a home the sweep finds by its mark.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::homes::{Home, Homes};
use super::instance;
use crate::databases::{Mark, Name, Refusal, Server, There};
use crate::error::{Error, ErrorKind};
use crate::journal::file::write_atomically;
use crate::preview::{Database, Record};
use crate::program::{self, Stop};
use crate::run::ground::Ground;
use crate::settings::{DatabaseSettings, EnvironmentSettings, Settings};
use crate::target::kubernetes::namespaces::secret;

/// The file beside a preview's state with the URL of its database.
const URL: &str = "database.url";

/// The URL of a preview's own database, and the name that stands for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Own {
    /// The name of a variable.
    pub variable: String,
    /// With a password.
    pub url: String,
}

fn settings_of(environment: &EnvironmentSettings) -> Option<&DatabaseSettings> {
    environment.preview.as_ref()?.database.as_ref()
}

/// What the environment's own database is reached by, where it has one and that is made.
///
/// # Errors
/// When it cannot be looked at.
pub async fn own(ground: &Ground, environment: &EnvironmentSettings) -> Result<Option<Own>, Error> {
    let Some(settings) = settings_of(environment) else { return Ok(None) };
    let url = match ground {
        Ground::Machine(machine) => kept(&machine.directory)?,
        Ground::Cluster(cluster) => {
            let namespace = &cluster.scope.namespace;
            secret::read(&cluster.client, namespace, &settings.secret, &settings.variable).await?
        }
    };
    Ok(url.map(|url| Own { variable: settings.variable.clone(), url }))
}

fn kept(directory: &Path) -> Result<Option<String>, Error> {
    let file = directory.join(URL);
    match std::fs::read_to_string(&file) {
        Ok(url) => Ok(Some(url)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(crate::journal::file::problem("read", &file, &error).into()),
    }
}

/// What is written down of the database that a preview is to have.
pub(super) fn of_record(
    settings: &Settings,
    environment: &EnvironmentSettings,
    before: Option<&Record>,
) -> Option<Database> {
    let wanted = settings_of(environment).map(|database| Database {
        name: Name::of(&crate::preview::shortened(&format!("{}-{}", settings.app, environment.name), 32))
            .as_str()
            .to_owned(),
        server: database.server.clone(),
    });
    // One that the settings do not have any more goes with the preview all the same.
    before.and_then(|before| before.database.clone()).or(wanted)
}

/// Sees to the database of a preview: it is there, filled, and its URL lies with the preview.
///
/// # Errors
/// When the server refuses, something else has its name, or it cannot be filled.
pub(super) async fn raise(
    homes: &Homes,
    environment: &EnvironmentSettings,
    record: &Record,
    folder: &Path,
) -> Result<Option<Own>, Error> {
    let (Some(settings), Some(database)) = (settings_of(environment), &record.database) else {
        return Ok(None);
    };
    let (server, name) = (server(&database.server)?, Name::of(&database.name));
    let known = homes.database(environment, settings).await?;
    let mark = mark_of(record);
    let password = match server.find(&name).await.map_err(refused)? {
        There::Foreign => return Err(refused(server.foreign(&name))),
        There::Ours(there) if !is_same(&there, &mark) => return Err(refused(server.foreign(&name))),
        There::Ours(Mark { is_filled: true, .. }) => match known.as_deref().and_then(password_of) {
            Some(password) => password,
            None => {
                let password = password()?;
                server.let_in(&name, &password).await.map_err(refused)?;
                password
            }
        },
        There::Ours(_) | There::Nothing => {
            server.remove(&name).await.map_err(refused)?;
            let password = password()?;
            server.make(&name, &password, &mark).await.map_err(refused)?;
            let url = server.url(&name, &password);
            let own = Own { variable: settings.variable.clone(), url };
            fill(&server, (&name, &password), settings, &own, environment.budgets.total, folder).await?;
            server.mark(&name, &Mark { is_filled: true, ..mark }).await.map_err(refused)?;
            password
        }
    };
    let own = Own { variable: settings.variable.clone(), url: server.url(&name, &password) };
    if known.as_deref() != Some(&own.url) {
        homes.keep_database(environment, settings, &own.url).await?;
    }
    Ok(Some(own))
}

/// Drops the database of a preview, where it has one, and returns when it is seen gone.
///
/// # Errors
/// When the server refuses or something else has its name.
pub(super) async fn drop_of(record: &Record) -> Result<(), Error> {
    let Some(database) = &record.database else { return Ok(()) };
    let (server, name) = (server(&database.server)?, Name::of(&database.name));
    match server.find(&name).await.map_err(refused)? {
        // What is not ours is not dropped, and does not keep the rest from going.
        There::Foreign => tracing::warn!("{}", server.foreign(&name)),
        There::Ours(mark) if !is_same(&mark, &mark_of(record)) => {
            tracing::warn!("{}", server.foreign(&name));
        }
        There::Ours(_) | There::Nothing => server.remove(&name).await.map_err(refused)?,
    }
    Ok(())
}

/// The databases of previews that are not there, with their numbers: whoever took the preview away did it past Tidegate.
///
/// # Errors
/// When the server does not say.
pub(super) async fn orphans(
    settings: &Settings,
    homes: &Homes,
    repository: Option<&str>,
) -> Result<Vec<(Database, u64)>, Error> {
    let Some(database) = settings_of(&instance::template(settings)?.sample) else { return Ok(Vec::new()) };
    let server = server(&database.server)?;
    // Before the homes: each that comes up has its home before its database.
    let all = server.all().await.map_err(refused)?;
    let homes = homes.all(&settings.app).await?;
    let has_home = |name: &Name| {
        let its = |home: &Home| home.record()?.database.as_ref().map(|its| its.name == name.as_str());
        homes.iter().filter_map(its).any(|is| is)
    };
    let is_ours = |mark: &Mark| mark.app == settings.app && mark.repository.as_deref() == repository;
    let lost = all.into_iter().filter(|(name, mark)| is_ours(mark) && !has_home(name));
    Ok(lost
        .map(|(name, mark)| {
            (Database { name: name.as_str().to_owned(), server: database.server.clone() }, mark.number)
        })
        .collect())
}

/// Drops a database without a home.
///
/// # Errors
/// When the server refuses.
pub(super) async fn drop_orphan(database: &Database) -> Result<(), Error> {
    server(&database.server)?.remove(&Name::of(&database.name)).await.map_err(refused)
}

async fn fill(
    server: &Server,
    (name, password): (&Name, &str),
    settings: &DatabaseSettings,
    own: &Own,
    at_most: Duration,
    folder: &Path,
) -> Result<(), Error> {
    let failed = |sentence: String| {
        Error::new(
            ErrorKind::Failed,
            "seed-failed",
            format!("the preview's database was not filled: {sentence}"),
        )
        .hint("the next try makes it anew")
    };
    if let Some(seed) = &settings.seed {
        let file = folder.join(seed);
        let text = tokio::fs::read_to_string(&file)
            .await
            .map_err(|error| failed(format!("{} cannot be read: {error}", file.display())))?;
        let run = tokio::time::timeout(at_most, server.run(name, password, &text)).await;
        let run = run.map_err(|_| failed(format!("{seed} took longer than {at_most:?}")))?;
        run.map_err(|why| failed(format!("{seed}: {why}")))?;
    }
    if let Some(command) = &settings.seed_command {
        let stop = async {
            tokio::time::sleep(at_most).await;
            Stop::Late(at_most)
        };
        let set_up = |prepared: &mut tokio::process::Command| {
            prepared.env(&own.variable, &own.url);
        };
        let ended = program::run(command, folder, set_up, stop).await.map_err(failed)?;
        if !ended.is_well {
            let tail = ended.tail.join("\n").replace(&own.url, "…").replace(password, "…");
            let tail = if tail.is_empty() { tail } else { format!("\n{tail}") };
            return Err(failed(format!("`{}` {}{tail}", command.join(" "), ended.how)));
        }
    }
    Ok(())
}

fn mark_of(record: &Record) -> Mark {
    let Record { app, repository, number, .. } = record;
    Mark { app: app.clone(), repository: repository.clone(), number: *number, is_filled: false }
}

fn is_same(there: &Mark, ours: &Mark) -> bool {
    there.app == ours.app && there.repository == ours.repository && there.number == ours.number
}

fn server(variable: &str) -> Result<Server, Error> {
    let url = std::env::var(variable).ok().filter(|url| !url.trim().is_empty()).ok_or_else(|| {
        let sentence = format!("the server for databases of previews is to be ${variable}, which is not set");
        Error::new(ErrorKind::Usage, "variable-not-set", sentence)
            .hint(format!("set {variable} in the environment of this command"))
    })?;
    Server::new(&url, variable).map_err(refused)
}

fn refused(why: Refusal) -> Error {
    let kind = match (why.code, why.is_passing) {
        ("database-url", _) => ErrorKind::Usage,
        (_, true) => ErrorKind::Failed,
        (_, false) => ErrorKind::Refused,
    };
    Error::new(kind, why.code, why.sentence)
}

/// A password that nobody guesses: 160 bits, in characters that need no escape anywhere.
///
/// # Errors
/// When the system has no random numbers.
fn password() -> Result<String, Error> {
    let mut bytes = [0; 20];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| {
        Error::new(ErrorKind::Failed, "no-random", "the system gives no random numbers for a password")
    })?;
    Ok(hex::encode(bytes))
}

/// The password in a URL.
fn password_of(url: &str) -> Option<String> {
    reqwest::Url::parse(url).ok()?.password().map(str::to_owned)
}

impl Homes {
    /// The URL that lies with a preview.
    async fn database(
        &self,
        environment: &EnvironmentSettings,
        settings: &DatabaseSettings,
    ) -> Result<Option<String>, Error> {
        match self {
            Self::Machine(root) => kept(&root.join(&environment.name)),
            Self::Cluster(_, cluster) => {
                let namespace = self.place(environment)?;
                Ok(secret::read(&cluster.client, &namespace, &settings.secret, &settings.variable).await?)
            }
        }
    }

    async fn keep_database(
        &self,
        environment: &EnvironmentSettings,
        settings: &DatabaseSettings,
        url: &str,
    ) -> Result<(), Error> {
        match self {
            Self::Machine(root) => {
                let file: PathBuf = root.join(&environment.name).join(URL);
                Ok(write_atomically(&file, url.as_bytes())?)
            }
            Self::Cluster(_, cluster) => {
                let namespace = self.place(environment)?;
                let value = (settings.variable.as_str(), url);
                Ok(secret::write(&cluster.client, &namespace, &settings.secret, value).await?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_another_one_each_time() {
        assert_eq!(password().unwrap().len(), 40);
        assert_ne!(password().unwrap(), password().unwrap());
        assert_eq!(password_of("postgres://a:b@c/d").as_deref(), Some("b"));
    }
}
