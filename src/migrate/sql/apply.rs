//! One migration: run, looked after, and broken off where that leaves nothing behind.

use std::time::Duration;

use sqlx::Executor as _;
use sqlx::migrate::{MigrateError, Migration as Script};
use sqlx::postgres::{PgConnection, PgDatabaseError, PgErrorPosition};
use tokio::time::Instant;

use super::super::Watcher;
use super::super::files::File;
use super::connection::{Connection, in_words};
use super::waits::Lookout;
use crate::rollout::migration::SqlRun;

/// How often a person hears that a migration still runs.
const STILL: Duration = Duration::from_secs(30);

/// Why a migration failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// Stable code.
    pub(super) code: &'static str,
    /// What the database said, with file and line where it named a place.
    pub(super) sentence: String,
}

/// Runs it.
pub(super) async fn apply(
    connection: &mut Connection,
    file: &File,
    run: &SqlRun,
    until: Instant,
    watcher: &Watcher,
) -> Result<(), Failure> {
    let mut lookout = Lookout::over(connection);
    // Outside of a transaction a statement that is broken off leaves what it has done so far; in MySQL one that changes a table ends
    // the transaction.
    let is_whole = !file.script.no_tx && !matches!(connection, Connection::MySql(_));
    let began = Instant::now();
    let mut still = tokio::time::interval_at(began + STILL, STILL);
    let mut work = Box::pin(run_on(connection, &file.script));
    loop {
        tokio::select! {
            done = &mut work => {
                let last = lookout.as_ref().and_then(Lookout::last);
                return done.map_err(|error| failure(&error, file, run, last.as_deref()));
            }
            () = tokio::time::sleep_until(until) => {
                let sentence = format!("it was not done within the time that all migrations have; it had run for {:.0?}", began.elapsed());
                return Err(Failure { code: "migration-timeout", sentence });
            }
            () = watcher.cancelled(), if is_whole => {
                return Err(Failure { code: "cancelled", sentence: "it was told to stop".to_owned() });
            }
            blocker = next(&mut lookout) => {
                watcher.say(format!("migration {} waits for a lock that {blocker} holds", file.named()));
            }
            _ = still.tick() => {
                watcher.say(format!("migration {} has been running for {:.0?}", file.named(), began.elapsed()));
            }
        }
    }
}

async fn next(lookout: &mut Option<Lookout>) -> String {
    match lookout {
        Some(lookout) => lookout.changed().await,
        None => std::future::pending().await,
    }
}

async fn run_on(connection: &mut Connection, script: &Script) -> Result<(), MigrateError> {
    match connection {
        // sqlx writes such a migration down after it has run: one that broke off would leave no trace.
        Connection::Postgres { connection, .. } if script.no_tx => in_the_open(connection, script).await,
        other => other.migrate()?.apply(script).await.map(|_| ()),
    }
}

/// Runs a migration outside of a transaction: written down before as begun, and after as done.
async fn in_the_open(connection: &mut PgConnection, script: &Script) -> Result<(), MigrateError> {
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES ($1, $2, FALSE, $3, -1)",
    )
    .bind(script.version)
    .bind(&*script.description)
    .bind(&*script.checksum)
    .execute(&mut *connection)
    .await?;
    let began = Instant::now();
    let failed = |error| MigrateError::ExecuteMigration(error, script.version);
    connection.execute(&*script.sql).await.map_err(failed)?;
    let took = i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX);
    sqlx::query("UPDATE _sqlx_migrations SET success = TRUE, execution_time = $1 WHERE version = $2")
        .bind(took)
        .bind(script.version)
        .execute(connection)
        .await?;
    Ok(())
}

fn failure(error: &MigrateError, file: &File, run: &SqlRun, blocker: Option<&str>) -> Failure {
    let (MigrateError::ExecuteMigration(error, _) | MigrateError::Execute(error)) = error else {
        return Failure { code: "migration-failed", sentence: error.to_string() };
    };
    let sqlx::Error::Database(told) = error else {
        return Failure { code: "migration-failed", sentence: in_words(error) };
    };
    match (told.code().as_deref(), blocker) {
        (Some("55P03"), Some(blocker)) => Failure {
            code: "migration-lock-timeout",
            sentence: format!("it waited {:?} for a lock that {blocker} holds", run.lock_timeout),
        },
        (Some("55P03"), None) => Failure {
            code: "migration-lock-timeout",
            sentence: format!("it waited {:?} for a lock", run.lock_timeout),
        },
        (Some("57014"), _) => Failure {
            code: "migration-statement-timeout",
            sentence: format!("a statement took longer than {:?}", run.statement_timeout),
        },
        _ => {
            let place = place(told.try_downcast_ref::<PgDatabaseError>(), file);
            Failure { code: "migration-failed", sentence: format!("{place}{}", told.message()) }
        }
    }
}

/// Where in the file, as far as the database tells: it counts characters of all that it was sent.
fn place(told: Option<&PgDatabaseError>, file: &File) -> String {
    let name = file.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    match told.and_then(PgDatabaseError::position) {
        Some(PgErrorPosition::Original(at)) => {
            let lines = file.script.sql.chars().take(at.saturating_sub(1)).filter(|c| *c == '\n').count();
            format!("{name}:{}: ", lines + 1)
        }
        _ => format!("{name}: "),
    }
}
