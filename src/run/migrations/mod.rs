//! A release's migrations: what the settings and the working tree say of them, how the database stands to them, and who runs them.

use std::path::PathBuf;

use super::ground::{AnyTarget, Ground};
use super::place::Place;
use super::preview::database;
use super::release::Wanted;
use crate::error::{Error, ErrorKind};
use crate::migrate::sql::{Outlook, look};
use crate::migrate::{Migrator, Order, Unstarted, Watcher, command, files, sql};
use crate::rollout::migration::{ARTIFACT, Runner, SqlRun};
use crate::rollout::release::Artifact;
use crate::rollout::{Environment, Migrated, Migration, Phase, Release};
use crate::settings::{EnvironmentSettings, MigrateSettings, MigrationRunner};

mod job;
mod readiness;

pub(super) use readiness::Readiness;

/// A release's migrations, as they are planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// How they are run.
    pub migration: Migration,
    /// The phases in which something may have to run.
    pub phases: Vec<Phase>,
}

impl Planned {
    /// Reads what the settings and the working tree say. No database is asked.
    ///
    /// # Errors
    /// When a directory or a file in it does not do.
    pub fn of(place: &Place) -> Result<Option<Self>, Error> {
        let Some(settings) = &place.environment.migrate else { return Ok(None) };
        let MigrateSettings { runner, at_most, backup } = settings.clone();
        let (runner, phases) = match runner {
            MigrationRunner::Sql { directory, database, lock_timeout, statement_timeout, ignore_missing } => {
                let files = files::read(&place.folder.join(&directory)).map_err(usage)?;
                let phases =
                    [Phase::Expand, Phase::Contract].into_iter().filter(|phase| files.has(*phase)).collect();
                let digest = files.digest;
                let run =
                    SqlRun { directory, digest, database, lock_timeout, statement_timeout, ignore_missing };
                (Runner::Sql(run), phases)
            }
            MigrationRunner::Command { command, phase, atomic } => {
                (Runner::Command { command, atomic }, vec![phase])
            }
            MigrationRunner::Job { command, workload, phase, atomic } => {
                (Runner::Job { command, workload, atomic }, vec![phase])
            }
        };
        Ok(Some(Self { migration: Migration { runner, at_most, backup }, phases }))
    }

    /// What they are, as a part of the release: other migrations make another release.
    #[must_use]
    pub fn artifact(&self) -> Option<Artifact> {
        match &self.migration.runner {
            Runner::Sql(run) => Some(Artifact { name: ARTIFACT.to_owned(), digest: run.digest.clone() }),
            Runner::Command { .. } | Runner::Job { .. } => None,
        }
    }
}

/// Refuses a release where the database stands in its way. Nothing is written.
///
/// # Errors
/// When how an earlier run ended is not clear, the release is older than what contract migrations have left, or the database does not
/// fit to the release's migrations.
pub(super) async fn demand(place: &Place, environment: &Environment, wanted: &Wanted) -> Result<(), Error> {
    if let (Some((rollout, migrated)), false) = (environment.schema_hold(), wanted.is_return) {
        let name = &place.environment.name;
        let sentence = format!(
            "nothing is deployed to {name} before a person has looked at its database: with {}, {}",
            rollout.plan.candidate.version,
            migrated.sentence.trim_end_matches('.')
        );
        return Err(Error::new(ErrorKind::Refused, "schema-hold", sentence)
            .hint(format!("once the database is as it should be, `tidegate unlock {name}` says so")));
    }
    if let (Some(error), false) = (not_safe(place, environment, &wanted.release), wanted.is_forced) {
        return Err(error);
    }
    if let (Some(planned), false) = (&wanted.migrations, wanted.is_return) {
        outlook(planned, place, &wanted.release).await.map_err(refused)?;
    }
    Ok(())
}

/// Asks the database where another release is under way: that one is not to be taken back for one that the database does not fit.
///
/// # Errors
/// When it cannot be asked, or does not fit.
pub(super) async fn before_superseding(place: &Place, wanted: &Wanted) -> Result<(), Error> {
    let Some(planned) = &wanted.migrations else { return Ok(()) };
    let environment = place.ground.replay().await?;
    if environment.open().is_none_or(|open| open.plan.candidate.id == wanted.release.id) {
        return Ok(());
    }
    outlook(planned, place, &wanted.release).await.map(drop).map_err(refused)
}

/// Why a release that was live before can no longer be gone back to.
fn not_safe(place: &Place, environment: &Environment, release: &Release) -> Option<Error> {
    let (rollout, migrated) = environment.contracted_since(&release.id)?;
    let what = match migrated.applied.as_slice() {
        [] => "contract migrations".to_owned(),
        [only] => format!("contract migration {only}"),
        many => format!("{} contract migrations", many.len()),
    };
    let sentence = format!(
        "{} cannot be gone back to: {what} of {} took away what it needs of the database",
        release.version, rollout.plan.candidate.version
    );
    let hint = format!(
        "deploy a newer release that mends what is wrong; if {} works all the same: `tidegate rollback {} --to {} --force`",
        release.version, place.environment.name, release.version
    );
    Some(Error::new(ErrorKind::Refused, "not-rollback-safe", sentence).hint(hint))
}

/// What would run; nothing is known of runners without a ledger.
///
/// # Errors
/// When the database cannot be asked, or does not fit.
pub(super) async fn outlook(
    planned: &Planned,
    place: &Place,
    release: &Release,
) -> Result<Option<Outlook>, Unstarted> {
    let Runner::Sql(run) = &planned.migration.runner else { return Ok(None) };
    let url = url(run, &place.ground, &place.environment).await?;
    look(run, &place.folder, &url, release).await.map(Some)
}

/// The URL of the database: that of a preview's own, or else the one in the environment of this command.
async fn url(run: &SqlRun, ground: &Ground, environment: &EnvironmentSettings) -> Result<String, Unstarted> {
    let name = &run.database;
    if let Some(own) = own(ground, environment).await?
        && let Some(url) = own.stands_for(name).map_err(unknown)?
    {
        return Ok(url.to_owned());
    }
    std::env::var(name).ok().filter(|url| !url.is_empty()).ok_or_else(|| {
        Unstarted::fatal(
            "no-database-url",
            format!("the URL of the database is to be ${name}, which is not set"),
        )
        .hint(format!("set {name} in the environment of this command"))
    })
}

async fn own(ground: &Ground, environment: &EnvironmentSettings) -> Result<Option<database::Own>, Unstarted> {
    database::own(ground, environment).await.map_err(unknown)
}

fn unknown(error: Error) -> Unstarted {
    let fatal = error.kind == ErrorKind::Refused;
    Unstarted {
        code: "no-database-url",
        sentence: error.sentence,
        hint: error.hints.into_iter().next(),
        fatal,
    }
}

fn usage(error: Unstarted) -> Error {
    let hint = error.hint.clone();
    let told = Error::new(ErrorKind::Usage, error.code, error.sentence);
    hint.into_iter().fold(told, Error::hint)
}

fn refused(error: Unstarted) -> Error {
    let kind = if error.fatal { ErrorKind::Refused } else { ErrorKind::Failed };
    let hint = error.hint.clone();
    let told = Error::new(kind, error.code, format!("{}; nothing was changed", error.sentence));
    hint.into_iter().fold(told, Error::hint)
}

/// Runs the migrations of rollouts at a place.
pub(super) struct Migrations {
    /// What relative paths begin at.
    pub folder: PathBuf,
    /// Where the state of the environment is.
    pub ground: Ground,
    /// The environment.
    pub environment: EnvironmentSettings,
    /// Where Jobs run.
    pub target: AnyTarget,
}

impl Migrator for Migrations {
    async fn migrate(&self, order: Order<'_>, watcher: &Watcher) -> Result<Migrated, Unstarted> {
        match &order.migration.runner {
            Runner::Sql(run) => {
                let url = url(run, &self.ground, &self.environment).await?;
                sql::run(order, run, sql::Place { folder: &self.folder, url: &url }, watcher).await
            }
            Runner::Command { command, atomic } => {
                let own = own(&self.ground, &self.environment).await?;
                let variable = match &own {
                    Some(own) => {
                        let url = own.stands_for(&own.variable).map_err(unknown)?;
                        url.map(|url| (own.variable.as_str(), url))
                    }
                    None => None,
                };
                command::run(order, (command, *atomic), variable, &self.folder, watcher).await
            }
            Runner::Job { command, workload, atomic } => match &self.target {
                AnyTarget::Kubernetes(target) => {
                    let workload = workload.as_deref();
                    job::run(target, order, command, workload, *atomic, &self.folder, watcher).await
                }
                AnyTarget::Local(_) => Err(Unstarted::fatal(
                    "no-cluster",
                    "a Job needs a cluster, and this environment is in none",
                )),
            },
        }
    }
}
