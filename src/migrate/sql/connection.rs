//! A connection to a database, of whichever kind its URL names.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::time::Instant;

use super::super::{Unstarted, Watcher};
use super::waits;
use crate::rollout::Release;
use crate::rollout::migration::SqlRun;

/// A connection comes about within this time, or not at all.
const CONNECT: Duration = Duration::from_secs(10);
/// A lock that is free is had within this time.
const MOMENT: Duration = Duration::from_secs(1);
/// How often it is tried again to get the lock.
const AGAIN: Duration = Duration::from_millis(500);
/// Whoever waits for the lock longer than this is told so.
const PATIENCE: Duration = Duration::from_secs(2);
/// PostgreSQL's code for a lock that was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// A connection to a database.
pub(super) enum Connection {
    /// PostgreSQL, with the number of its process there and what a second connection to it needs.
    Postgres {
        /// The connection.
        connection: PgConnection,
        /// `pg_backend_pid()`.
        pid: i32,
        /// For a connection that looks at this one.
        options: Box<PgConnectOptions>,
    },
    /// MySQL or MariaDB.
    MySql(MySqlConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
    /// It was given up.
    Abandoned,
}

impl Connection {
    /// Connects, and sets the limits of `run` where it is given.
    pub(super) async fn open(
        url: &str,
        variable: &str,
        release: &Release,
        run: Option<&SqlRun>,
    ) -> Result<Self, Unstarted> {
        let kind = url.split(':').next().unwrap_or_default();
        let opening = async {
            match kind {
                "postgres" | "postgresql" => Self::postgres(url, release, run).await,
                "mysql" | "mariadb" => Self::mysql(url, run).await,
                "sqlite" => Self::sqlite(url, run).await,
                _ => Err(sqlx::Error::Configuration("of no known kind".into())),
            }
        };
        match tokio::time::timeout(CONNECT, opening).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(unopened(&error, variable)),
            Err(_) => Err(Unstarted {
                code: "database-unreachable",
                sentence: format!("the database that ${variable} names did not answer within {CONNECT:?}"),
                hint: None,
                fatal: false,
            }),
        }
    }

    async fn postgres(url: &str, release: &Release, run: Option<&SqlRun>) -> Result<Self, sqlx::Error> {
        let name = format!("tidegate {} {}", release.app, release.version);
        let options = PgConnectOptions::from_str(url)?.application_name(&name).disable_statement_logging();
        let mut connection = options.connect().await?;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        if let Some(run) = run {
            let (lock, statement) = (run.lock_timeout.as_millis(), run.statement_timeout.as_millis());
            let limits = format!("SET lock_timeout = {lock}; SET statement_timeout = {statement}");
            connection.execute(limits.as_str()).await?;
            // From version 14 on a server looks whether who asked it still lives; older ones know no such setting.
            let _ = connection.execute("SET client_connection_check_interval = '1s'").await;
        }
        Ok(Self::Postgres { connection, pid, options: Box::new(options) })
    }

    async fn mysql(url: &str, run: Option<&SqlRun>) -> Result<Self, sqlx::Error> {
        let options = MySqlConnectOptions::from_str(url)?.disable_statement_logging();
        let mut connection = options.connect().await?;
        if let Some(run) = run {
            let seconds = run.lock_timeout.as_secs().max(1);
            let limits =
                format!("SET SESSION lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}");
            connection.execute(limits.as_str()).await?;
        }
        Ok(Self::MySql(connection))
    }

    async fn sqlite(url: &str, run: Option<&SqlRun>) -> Result<Self, sqlx::Error> {
        let busy = run.map_or(Duration::from_secs(5), |run| run.lock_timeout);
        let options = SqliteConnectOptions::from_str(url)?.busy_timeout(busy).disable_statement_logging();
        Ok(Self::Sqlite(options.connect().await?))
    }

    /// What runs migrations on it.
    pub(super) fn migrate(&mut self) -> Result<&mut (dyn Migrate + Send), MigrateError> {
        match self {
            Self::Postgres { connection, .. } => Ok(connection),
            Self::MySql(connection) => Ok(connection),
            Self::Sqlite(connection) => Ok(connection),
            Self::Abandoned => Err(MigrateError::Execute(sqlx::Error::PoolClosed)),
        }
    }

    /// Makes the ledger's table if there is none.
    pub(super) async fn prepare_ledger(&mut self) -> Result<(), MigrateError> {
        self.migrate()?.ensure_migrations_table().await
    }

    /// Takes the lock that sqlx's migrators of all programs respect. It is let go of when the connection ends, however it does.
    /// A signal ends the wait only where nothing was begun yet that must be settled.
    pub(super) async fn lock(
        &mut self,
        until: Instant,
        watcher: &Watcher,
        is_begun: bool,
    ) -> Result<(), Unstarted> {
        let began = Instant::now();
        let mut is_told = false;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let locked = tokio::select! {
                locked = tokio::time::timeout(left, self.try_lock()) => locked,
                () = watcher.cancelled(), if !is_begun => return Err(busy("it was told to stop meanwhile", false)),
            };
            match locked {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => return Err(unreadable(&error)),
                Err(_) => {
                    return Err(busy("another run of migrations is under way on the same database", true));
                }
            }
            if !is_told && began.elapsed() >= PATIENCE {
                let holder =
                    waits::holder(self).await.map_or_else(String::new, |holder| format!(": {holder}"));
                watcher.say(format!("waits for another run of migrations on the same database{holder}"));
                is_told = true;
            }
            tokio::time::sleep(AGAIN.min(left)).await;
        }
    }

    /// Takes the lock, if it is to be had within a moment. For MySQL by our own question: sqlx asks for it with a negative time, which MariaDB
    /// refuses, and does not look at the answer. The name is sqlx's.
    async fn try_lock(&mut self) -> Result<bool, MigrateError> {
        if let Self::MySql(connection) = self {
            let name = "lower(hex(1026731422 * crc32(database())))";
            let line = format!("SELECT get_lock({name}, {})", MOMENT.as_secs());
            let had: Option<i64> = sqlx::query_scalar(&line).fetch_one(connection).await?;
            return Ok(had == Some(1));
        }
        match self.migrate()?.lock().await {
            Ok(()) => Ok(true),
            Err(error) if is_lock_timeout(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether nobody else holds the lock of migrations. If so, this connection holds it from here on; if not, it is of no more use.
    pub(super) async fn is_free(&mut self) -> Result<bool, Unstarted> {
        match tokio::time::timeout(2 * MOMENT, self.try_lock()).await {
            Ok(Ok(is_had)) => Ok(is_had),
            Ok(Err(error)) => Err(unreadable(&error)),
            Err(_) => {
                self.abandon().await;
                Ok(false)
            }
        }
    }

    /// Ends it in an orderly way.
    pub(super) async fn close(self) {
        // What is not ended in order ends with its socket.
        let _ = match self {
            Self::Postgres { connection, .. } => connection.close().await,
            Self::MySql(connection) => connection.close().await,
            Self::Sqlite(connection) => connection.close().await,
            Self::Abandoned => Ok(()),
        };
    }

    /// Breaks off what it does, without waiting for it.
    pub(super) async fn abandon(&mut self) {
        waits::end(self).await;
        *self = Self::Abandoned;
    }
}

fn is_lock_timeout(error: &MigrateError) -> bool {
    let MigrateError::Execute(sqlx::Error::Database(error)) = error else { return false };
    error.code().is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}

fn busy(sentence: &str, fatal: bool) -> Unstarted {
    Unstarted { code: "migrations-busy", sentence: sentence.to_owned(), hint: None, fatal }
}

/// An error of a connection that did not come about. Never with the URL, which holds secrets.
fn unopened(error: &sqlx::Error, variable: &str) -> Unstarted {
    match error {
        sqlx::Error::Configuration(_) => {
            let sentence = format!("${variable} does not hold the URL of a database that can be reached so");
            Unstarted::fatal("database-url", sentence).hint(
                "it begins with postgres://, mysql:// or sqlite:, and what is special in a password is percent-encoded",
            )
        }
        // Who is not let in, and a database that is not there, are not mended by waiting.
        sqlx::Error::Database(error) => Unstarted::fatal(
            "database-refused",
            format!("the database that ${variable} names refuses: {}", error.message()),
        ),
        other => Unstarted {
            code: "database-unreachable",
            sentence: format!("the database that ${variable} names cannot be reached: {}", in_words(other)),
            hint: None,
            fatal: false,
        },
    }
}

/// An error of reading or preparing the ledger.
pub(super) fn unreadable(error: &MigrateError) -> Unstarted {
    let (fatal, why) = match error {
        MigrateError::Execute(sqlx::Error::Database(error)) => (true, error.message().to_owned()),
        MigrateError::Execute(error) => (false, in_words(error)),
        other => (true, other.to_string()),
    };
    Unstarted {
        code: "ledger",
        sentence: format!("the table of migrations cannot be used: {why}"),
        hint: None,
        fatal,
    }
}

/// The innermost cause.
pub(super) fn in_words(error: &sqlx::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
