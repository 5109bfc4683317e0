//! How the database follows a release.

use std::time::Duration;

use crate::rollout::Phase;
use crate::rollout::migration::BackupPlan;

/// How the database follows a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrateSettings {
    /// What runs the migrations.
    pub runner: MigrationRunner,
    /// They are done within this time.
    pub at_most: Duration,
    /// What is saved before.
    pub backup: Option<BackupPlan>,
}

/// What runs migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationRunner {
    /// Tidegate, from SQL files.
    Sql {
        /// The directory, relative to the configuration's folder.
        directory: String,
        /// The environment variable with the database's URL.
        database: String,
        /// Longest wait for a lock.
        lock_timeout: Duration,
        /// Longest statement.
        statement_timeout: Duration,
        /// The ledger may name migrations that the directory does not have.
        ignore_missing: bool,
    },
    /// A program on the machine that deploys.
    Command {
        /// Program and arguments; at least the program.
        command: Vec<String>,
        /// When it runs.
        phase: Phase,
        /// A failure changes nothing.
        atomic: bool,
    },
    /// A Job with the image of the release.
    Job {
        /// What its container runs; at least one word.
        command: Vec<String>,
        /// The workload that lends the container.
        workload: Option<String>,
        /// When it runs.
        phase: Phase,
        /// A failure changes nothing.
        atomic: bool,
    },
}
