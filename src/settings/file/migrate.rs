//! A release's migrations as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Command, Time};
use crate::rollout::Phase;

/// How the database follows the release: one of `sql`, `command` and `job`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with `sql`, `command` or `job`"
)]
pub(in crate::settings) struct Migrate {
    /// A directory with one SQL file a migration, `NUMBER_NAME.sql` or `NUMBER_NAME.up.sql`, relative to the folder of this file. What
    /// has run is written in the table `_sqlx_migrations`.
    pub(in crate::settings) sql: Option<String>,
    /// The environment variable that holds the URL of the database, as `$NAME`: `postgres://…`, `mysql://…` or `sqlite:…`.
    #[schemars(regex(pattern = "^\\$"))]
    pub(in crate::settings) database: Option<String>,
    /// How long a statement waits for a lock that others hold; those who come after it wait as long. Only with `sql`.
    #[schemars(extend("default" = "3s"))]
    pub(in crate::settings) lock_timeout: Option<Time>,
    /// How long a statement may take. Only with `sql`.
    #[schemars(extend("default" = "10m"))]
    pub(in crate::settings) statement_timeout: Option<Time>,
    /// Go on if the database has migrations that the directory does not have. Only with `sql`.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) ignore_missing: Option<bool>,
    /// A program, run on the machine that deploys, in the folder of this file; as a list or as one line with quotes. It ends with 0 if all is
    /// well.
    pub(in crate::settings) command: Option<Command>,
    /// A Job in the cluster, with the image of the release. Only with `kubernetes`.
    pub(in crate::settings) job: Option<Job>,
    /// What they do: `expand` adds only, and runs first; `contract` takes away what older releases need, and runs at the end. Only with
    /// `command` and `job`: SQL files say it themselves.
    #[schemars(extend("default" = "expand"))]
    pub(in crate::settings) phase: Option<Phase>,
    /// A failure means that nothing was changed. Without it, no deploy starts after a failure before a person has looked at the database.
    /// Only with `command` and `job`.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) atomic: Option<bool>,
    /// They are done within this time.
    #[schemars(extend("default" = "30m"))]
    pub(in crate::settings) at_most: Option<Time>,
    /// What is saved before anything is changed.
    pub(in crate::settings) backup: Option<Backup>,
}

/// A Job in the cluster, with the image of the release.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with the settings of the Job")]
pub(in crate::settings) struct Job {
    /// What its container runs, as a list or as one line with quotes.
    #[schemars(required)]
    pub(in crate::settings) command: Option<Command>,
    /// The workload, by name, whose first container lends the Job its image, environment and volumes. By default the only one.
    pub(in crate::settings) workload: Option<String>,
}

/// A backup before migrations: one of `dump` and `command`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with `dump` or `command`")]
pub(in crate::settings) struct Backup {
    /// The directory into which `pg_dump` writes, relative to the folder of this file. Only with `sql` and PostgreSQL.
    pub(in crate::settings) dump: Option<String>,
    /// Read the dump back into a database that is made for it, and dropped again. Only with `dump`.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) restore_test: Option<bool>,
    /// A program that takes the backup; the last line that it prints is told as its place.
    pub(in crate::settings) command: Option<Command>,
}
