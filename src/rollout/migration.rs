//! Changes of a database that belong to a release: which there are, when they run, and what is known of them afterwards.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::millis;

/// What a release calls its migrations among the things that it is made of.
pub const ARTIFACT: &str = "migrations";

/// When a migration runs, by what it does to releases that are older than its own.
///
/// Source: expand and contract, also called parallel change (Sadalage, Fowler: Evolutionary Database Design).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Adds only: older releases go on working with it. Runs before the new release starts.
    Expand,
    /// Takes away what older releases need. Runs once no older release gets requests; from then on none can be gone back to.
    Contract,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expand => "expand",
            Self::Contract => "contract",
        })
    }
}

/// How a release's migrations are run. No secret stands in it: a database is named by the variable that holds its URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// What runs them.
    pub runner: Runner,
    /// They are done within this time, waiting for locks included.
    #[serde(with = "millis")]
    pub at_most: Duration,
    /// What is saved before the first one runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupPlan>,
}

/// What runs migrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Runner {
    /// Tidegate itself, from a directory of SQL files.
    Sql(SqlRun),
    /// A program on the machine that deploys.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// A failure means that nothing was changed: the program does all or nothing.
        atomic: bool,
    },
    /// A Job of the cluster, with the image of the release.
    Job {
        /// What the container runs.
        command: Vec<String>,
        /// The workload whose pod's first container lends image, environment and volumes; `None` where there is one only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workload: Option<String>,
        /// As with a command.
        atomic: bool,
    },
}

/// Migrations in SQL, with a ledger in the database (`_sqlx_migrations`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlRun {
    /// The directory, relative to the configuration's folder.
    pub directory: String,
    /// Digest over the names and contents of its migrations: what runs is what was planned.
    pub digest: String,
    /// The environment variable that holds the database's URL.
    pub database: String,
    /// A statement waits so long for a lock that others hold, and so long does it keep those waiting that come after it.
    #[serde(with = "millis")]
    pub lock_timeout: Duration,
    /// A statement takes so long at most.
    #[serde(with = "millis")]
    pub statement_timeout: Duration,
    /// Migrations of the ledger that the directory does not have are no reason to refuse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_missing: bool,
}

/// A backup that is taken before a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum BackupPlan {
    /// `pg_dump` into a directory.
    Dump {
        /// The directory, relative to the configuration's folder.
        directory: String,
        /// The dump is read back into a database made for it, which is dropped again.
        restore_test: bool,
    },
    /// A program that says by its exit code whether it worked; the last line that it prints is the place.
    Command {
        /// Program and arguments.
        command: Vec<String>,
    },
}

/// What the ledger says once a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ledger {
    /// All that was to run has run.
    Applied,
    /// What failed has left nothing behind; what came before it stays, as its own.
    NotApplied,
    /// One has begun and not ended.
    PartlyApplied,
    /// It cannot be told.
    Unknown,
}

impl Ledger {
    /// Whether nothing may be deployed before a person has looked at the database.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::PartlyApplied | Self::Unknown)
    }
}

/// One migration by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The number that orders it.
    pub version: i64,
    /// What its file is called, without number and ending.
    pub description: String,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.description)
    }
}

/// A backup that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Where it lies.
    pub place: String,
    /// How large it is, in bytes; `None` where only its program knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The state of the database that it holds: what came later is lost with it (the recovery point).
    pub of: jiff::Timestamp,
    /// How long it took.
    #[serde(with = "millis")]
    pub took: Duration,
    /// How long reading it back took (the recovery time), where that was tried.
    #[serde(default, with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub restored_in: Option<Duration>,
}

/// How a run of migrations ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrated {
    /// Which of them.
    pub phase: Phase,
    /// What the ledger says.
    pub ledger: Ledger,
    /// What this run applied, in order; empty where nothing was to be done, or the runner has no ledger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<Named>,
    /// Something was changed, or may have been: also by a runner without a ledger.
    pub changed: bool,
    /// Stable code: `migrated`, `nothing-pending`, or the cause of a failure.
    pub code: String,
    /// One sentence that a person understands.
    pub sentence: String,
    /// The last lines that the runner wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
    /// What was saved before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
}
