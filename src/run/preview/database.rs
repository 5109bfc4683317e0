//! The database of a preview: made and filled before anything is deployed, dropped before its home goes. So whoever finds the home finds what
//! belongs to it, and what is without a home the sweep finds by its mark.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::homes::Homes;
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
    /// With a password; nothing where it is not made yet.
    pub url: Option<String>,
}

impl Own {
    /// What stands for a name of a variable: nothing where it is another one's, which the environment of the command may have.
    ///
    /// # Errors
    /// When it is the database's, and that is not made: what the environment of the command has under that name is of somebody else.
    pub fn stands_for(&self, name: &str) -> Result<Option<&str>, Error> {
        match &self.url {
            _ if self.variable != name => Ok(None),
            Some(url) => Ok(Some(url)),
            None => Err(Error::new(
                ErrorKind::Refused,
                "no-database-url",
                format!("${name} is the preview's own database, which is not made"),
            )
            .hint("`tidegate preview up NUMBER` makes it")),
        }
    }
}

/// The name of this machine.
fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default().trim().to_owned();
    format!("{} {}", read("/proc/sys/kernel/hostname"), read("/etc/machine-id"))
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
    Ok(Some(Own { variable: settings.variable.clone(), url }))
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
    let known = homes.database(environment, settings).await?.as_deref().and_then(password_of);
    let mark = mark_of(record, homes.lair(&homes.place(environment)?).await?);
    let own =
        |password: &str| Own { variable: settings.variable.clone(), url: Some(server.url(&name, password)) };
    let keep = async |own: &Own| {
        let url = own.url.as_deref().unwrap_or_default();
        homes.keep_database(environment, settings, url).await
    };
    match server.find(&name).await.map_err(refused)? {
        There::Foreign => Err(refused(server.foreign(&name))),
        There::Ours(there) if !is_same(&there, &mark) => Err(refused(server.foreign(&name))),
        There::Ours(there) if there.is_filled => {
            let known = match known {
                Some(known) if server.lets_in(&name, &known).await => known,
                _ => {
                    let password = random("A-")?;
                    server.let_in(&name, &password).await.map_err(refused)?;
                    password
                }
            };
            let own = own(&known);
            keep(&own).await?;
            // Its repository may be known by now, or its home another one.
            let mark = Mark { is_filled: true, nonce: there.nonce.clone(), ..mark };
            if there != mark {
                server.mark(&name, &mark).await.map_err(refused)?;
            }
            Ok(Some(own))
        }
        There::Ours(_) | There::Nothing => {
            server.remove(&name).await.map_err(refused)?;
            let password = random("A-")?;
            server.make(&name, &password, &mark).await.map_err(refused)?;
            let own = own(&password);
            fill(&server, (&name, &password), settings, &own, environment.budgets.total, folder).await?;
            keep(&own).await?;
            match server.find(&name).await.map_err(refused)? {
                There::Ours(now) if now.nonce == mark.nonce => {}
                There::Ours(_) | There::Nothing | There::Foreign => {
                    let sentence = "another run has made the preview's database anew meanwhile";
                    return Err(Error::new(ErrorKind::Refused, "seed-failed", sentence)
                        .hint("the later of the two goes on; try it again if there is none"));
                }
            }
            server.mark(&name, &Mark { is_filled: true, ..mark }).await.map_err(refused)?;
            Ok(Some(own))
        }
    }
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
        There::Ours(mark) if !is_same(&mark, &mark_of(record, mark.home.clone())) => {
            tracing::warn!("{}", server.foreign(&name));
        }
        There::Ours(_) | There::Nothing => server.remove(&name).await.map_err(refused)?,
    }
    Ok(())
}

/// A database whose preview is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Orphan {
    pub(super) name: String,
    pub(super) number: u64,
    server: String,
    mark: Mark,
}

/// The databases of previews that are not there: whoever took the preview away did it past Tidegate. Those alone are looked at whose home would
/// be where these homes are: of previews elsewhere nothing is known.
///
/// # Errors
/// When the server does not say, or the homes cannot be looked at.
pub(super) async fn orphans(
    settings: &Settings,
    homes: &Homes,
    repository: Option<&str>,
) -> Result<Vec<Orphan>, Error> {
    let Some(database) = settings_of(&instance::template(settings)?.sample) else { return Ok(Vec::new()) };
    let all = server(&database.server)?.all().await.map_err(refused)?;
    let is_ours = |mark: &Mark| mark.app == settings.app && agree(mark.repository.as_deref(), repository);
    let mut orphans = Vec::new();
    for (name, mark) in all.into_iter().filter(|(_, mark)| is_ours(mark)) {
        if homes.is_gone(&mark.home).await? {
            let (name, server) = (name.as_str().to_owned(), database.server.clone());
            orphans.push(Orphan { name, number: mark.number, server, mark });
        }
    }
    Ok(orphans)
}

/// Drops a database without a home, if that is still so; says whether it did.
///
/// # Errors
/// When the server refuses.
pub(super) async fn drop_orphan(homes: &Homes, orphan: &Orphan) -> Result<bool, Error> {
    let _guard = homes.guard().await?;
    let (server, name) = (server(&orphan.server)?, Name::of(&orphan.name));
    let is_still = match server.find(&name).await.map_err(refused)? {
        There::Ours(mark) => mark == orphan.mark,
        // The half of one: a user without a database.
        There::Nothing => true,
        There::Foreign => false,
    };
    if !is_still || !homes.is_gone(&orphan.mark.home).await? {
        return Ok(false);
    }
    server.remove(&name).await.map_err(refused)?;
    Ok(true)
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
        let url = own.url.as_deref().unwrap_or_default();
        let maker = std::env::var(&settings.server).unwrap_or_default();
        let set_up = |prepared: &mut tokio::process::Command| {
            // What fills it is not to reach any other.
            prepared.env(&own.variable, url).env_remove(&settings.server);
        };
        let ended = program::run(command, folder, set_up, stop).await.map_err(failed)?;
        if !ended.is_well {
            let secrets = [url, password, &maker].into_iter().filter(|secret| !secret.is_empty());
            let tail = secrets.fold(ended.tail.join("\n"), |text, secret| text.replace(secret, "…"));
            let tail = if tail.is_empty() { tail } else { format!("\n{tail}") };
            return Err(failed(format!("`{}` {}{tail}", command.join(" "), ended.how)));
        }
    }
    Ok(())
}

fn mark_of(record: &Record, home: String) -> Mark {
    let Record { app, repository, number, created, .. } = record;
    // Two that are made at the same moment have not the same number.
    let nonce = random("").unwrap_or_else(|_| created.to_string());
    Mark { app: app.clone(), repository: repository.clone(), number: *number, home, nonce, is_filled: false }
}

fn is_same(there: &Mark, ours: &Mark) -> bool {
    let repositories = (there.repository.as_deref(), ours.repository.as_deref());
    there.app == ours.app && there.number == ours.number && agree(repositories.0, repositories.1)
}

/// Whether two repositories are one, as far as both are known.
fn agree(one: Option<&str>, other: Option<&str>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one.eq_ignore_ascii_case(other))
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

/// What nobody guesses: 160 bits, in characters that need no escape anywhere. Rules for passwords want letters of both kinds and a sign, which
/// `before` has.
///
/// # Errors
/// When the system has no random numbers.
fn random(before: &str) -> Result<String, Error> {
    let mut bytes = [0; 20];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| {
        Error::new(ErrorKind::Failed, "no-random", "the system gives no random numbers for a password")
    })?;
    Ok(format!("{before}{}", hex::encode(bytes)))
}

/// The password in a URL.
fn password_of(url: &str) -> Option<String> {
    reqwest::Url::parse(url).ok()?.password().map(str::to_owned)
}

impl Homes {
    /// Which place that is, among those of all machines and clusters.
    async fn lair(&self, place: &str) -> Result<String, Error> {
        Ok(format!("{}{place}", self.around().await?))
    }

    /// Whether what is called so would be here, and nothing at all is in its place: not even what only looks like a preview.
    async fn is_gone(&self, lair: &str) -> Result<bool, Error> {
        let around = self.around().await?;
        let Some(place) = lair.strip_prefix(&around) else { return Ok(false) };
        Ok(match self {
            Self::Machine(root) => {
                let path = Path::new(place);
                path.parent() == Some(root.as_path()) && !path.exists()
            }
            Self::Cluster(namespaces, _) => !namespaces.is_there(place).await?,
        })
    }

    /// What begins the names of all places here.
    async fn around(&self) -> Result<String, Error> {
        Ok(match self {
            Self::Machine(_) => format!("machine {}: ", machine()),
            Self::Cluster(namespaces, _) => format!("cluster {}: ", namespaces.cluster().await?),
        })
    }

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
        assert_eq!(random("A-").unwrap().len(), 42);
        assert_ne!(random("").unwrap(), random("").unwrap());
        let own = |url: Option<&str>| Own { variable: "DATABASE_URL".into(), url: url.map(str::to_owned) };
        assert_eq!(own(Some("x")).stands_for("DATABASE_URL").unwrap(), Some("x"));
        assert_eq!(own(None).stands_for("OTHER").unwrap(), None);
        assert_eq!(own(None).stands_for("DATABASE_URL").unwrap_err().code, "no-database-url");
        assert_eq!(password_of("postgres://a:b@c/d").as_deref(), Some("b"));
    }
}
