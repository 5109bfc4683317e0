//! The ledger: which migrations the database has, and whether each one ended.

use sqlx::migrate::{AppliedMigration, MigrateError};

use super::super::Unstarted;
use super::super::files::Files;
use super::connection::Connection;
use super::out_of_order;
use crate::rollout::migration::SqlRun;

/// What the ledger says.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The numbers of those that have run, in order; one that began and did not end is not among them.
    pub(super) applied: Vec<i64>,
    /// What they were, by their checksums.
    sums: Vec<AppliedMigration>,
    /// The first one that began and did not end.
    pub(super) partly: Option<i64>,
}

/// Reads it. A database without a ledger has had no migration.
pub(super) async fn read(connection: &mut Connection) -> Result<Seen, MigrateError> {
    let migrate = connection.migrate()?;
    let partly = match migrate.dirty_version().await {
        Ok(partly) => partly,
        Err(error) if is_absent(&error) => return Ok(Seen::default()),
        Err(error) => return Err(error),
    };
    let sums = migrate.list_applied_migrations().await?;
    let applied = sums.iter().map(|one| one.version).filter(|version| partly != Some(*version)).collect();
    Ok(Seen { applied, sums, partly })
}

/// Whether the error means that there is no such table.
fn is_absent(error: &MigrateError) -> bool {
    let MigrateError::Execute(sqlx::Error::Database(error)) = error else { return false };
    match error.code().as_deref() {
        // PostgreSQL's undefined_table, MySQL's no such table.
        Some("42P01" | "42S02") => true,
        _ => error.message().starts_with("no such table"),
    }
}

/// What does not fit between the files and the ledger.
pub(super) fn check(files: &Files, seen: &Seen, run: &SqlRun) -> Result<(), Unstarted> {
    for applied in &seen.sums {
        let Some(file) = files.all.iter().find(|file| file.script.version == applied.version) else {
            if run.ignore_missing {
                continue;
            }
            let sentence = format!(
                "the database has migration {}, which is not in {}: it belongs to another release",
                applied.version, run.directory
            );
            return Err(Unstarted::fatal("migration-missing", sentence)
                .hint("deploy a release that has it; if this one works with it all the same, set `ignore-missing: true`"));
        };
        if file.script.checksum != applied.checksum && seen.partly != Some(applied.version) {
            let sentence = format!("{} has changed since it ran", file.path.display());
            return Err(Unstarted::fatal("migration-changed", sentence)
                .hint("take its old text back, and write the change as a new migration"));
        }
    }
    if let Some((contract, expand)) = out_of_order(files, &seen.applied) {
        let sentence = format!(
            "{} takes away, and runs after the new release has taken over; {} comes after it and would have to run before",
            contract.path.display(),
            expand.path.display()
        );
        return Err(Unstarted::fatal("migration-order", sentence)
            .hint("deploy the first one in a release of its own, or give it the higher number"));
    }
    Ok(())
}
