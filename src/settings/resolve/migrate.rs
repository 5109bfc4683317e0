//! How the database follows a release.

use std::time::Duration;

use super::local::{command, text_path};
use super::{Findings, env, positive, required};
use crate::rollout::Phase;
use crate::rollout::migration::BackupPlan;
use crate::settings::file::{Backup, Job, Migrate, Target};
use crate::settings::model::{EnvValue, MigrateSettings, MigrationRunner};
use crate::yaml::Path;

const DATABASE: &str = "write `database: $DATABASE_URL`, and give the URL to the environment of `tidegate`";

pub(super) fn resolve(
    raw: Migrate,
    target: Option<&Target>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<MigrateSettings> {
    let given: Vec<&str> =
        [("sql", raw.sql.is_some()), ("command", raw.command.is_some()), ("job", raw.job.is_some())]
            .into_iter()
            .filter_map(|(key, is_given)| is_given.then_some(key))
            .collect();
    check_keys(&raw, &given, path, findings);
    let at_most = positive(raw.at_most, Duration::from_secs(1800), &path.key("at-most"), findings);
    let is_sql = given == ["sql"];
    let backup = raw.backup.and_then(|raw| backup(raw, is_sql, &path.key("backup"), findings));
    let (phase, atomic) = (raw.phase.unwrap_or(Phase::Expand), raw.atomic.unwrap_or(false));
    let runner = match given.as_slice() {
        ["sql"] => {
            let directory = raw.sql?;
            text_path(&directory, &path.key("sql"), findings);
            let database = required(raw.database, &path.key("database"), DATABASE, findings)?;
            let database = variable(database, &path.key("database"), findings)?;
            let mut read = |raw, default, key: &str| {
                positive(raw, Duration::from_secs(default), &path.key(key), findings)
            };
            MigrationRunner::Sql {
                directory,
                database,
                lock_timeout: read(raw.lock_timeout, 3, "lock-timeout"),
                statement_timeout: read(raw.statement_timeout, 600, "statement-timeout"),
                ignore_missing: raw.ignore_missing.unwrap_or(false),
            }
        }
        ["command"] => {
            let command = command(raw.command?, &path.key("command"), findings)?;
            MigrationRunner::Command { command, phase, atomic }
        }
        ["job"] => job(raw.job?, (phase, atomic), target, &path.key("job"), findings)?,
        [] => {
            findings.missing(&path.key("sql"), "write `sql: migrations/`, or `command`, or `job`");
            return None;
        }
        _ => return None,
    };
    Some(MigrateSettings { runner, at_most, backup })
}

/// Keys that do nothing beside what runs the migrations.
fn check_keys(raw: &Migrate, given: &[&str], path: &Path, findings: &mut Findings<'_>) {
    if let [first, others @ ..] = given {
        for other in others {
            let message = format!("`{other}` stands beside `{first}`: one of them runs the migrations");
            findings.error(&path.key(other), message, "take one of them out");
        }
    }
    let of_sql = [
        ("database", raw.database.is_some()),
        ("lock-timeout", raw.lock_timeout.is_some()),
        ("statement-timeout", raw.statement_timeout.is_some()),
        ("ignore-missing", raw.ignore_missing.is_some()),
    ];
    let of_programs = [("phase", raw.phase.is_some()), ("atomic", raw.atomic.is_some())];
    let is_sql = given.contains(&"sql");
    for (key, is_given) in if is_sql { of_programs.as_slice() } else { of_sql.as_slice() } {
        if *is_given && !given.is_empty() {
            let (message, help) = if is_sql {
                let help = "take it out; an SQL file says `-- tidegate: contract` in a line of its own";
                (format!("`{key}` has no effect with `sql`"), help)
            } else {
                (format!("`{key}` has no effect without `sql`"), "take it out")
            };
            findings.conflict(&path.key(key), message, help);
        }
    }
}

fn job(
    raw: Job,
    (phase, atomic): (Phase, bool),
    target: Option<&Target>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<MigrationRunner> {
    if let Some(Target::Local(_)) = target {
        let message = "a Job needs a cluster, and this environment runs on a machine";
        findings.conflict(path, message, "use `command`, which runs where Tidegate runs");
    }
    let at = path.key("command");
    let help = "write what the container runs, such as `[./shop, migrate]`";
    let command = command(required(raw.command, &at, help, findings)?, &at, findings)?;
    Some(MigrationRunner::Job { command, workload: raw.workload, phase, atomic })
}

fn backup(raw: Backup, is_sql: bool, path: &Path, findings: &mut Findings<'_>) -> Option<BackupPlan> {
    if raw.restore_test.is_some() && raw.dump.is_none() {
        let message = "`restore-test` has no effect without `dump`";
        findings.conflict(&path.key("restore-test"), message, "take it out, or use `dump`");
    }
    match (raw.dump, raw.command) {
        (Some(_), Some(_)) => {
            let message = "`command` stands beside `dump`: one of them takes the backup";
            findings.error(&path.key("command"), message, "take one of them out");
            None
        }
        (Some(directory), None) => {
            let at = path.key("dump");
            text_path(&directory, &at, findings);
            if !is_sql {
                let message = "`dump` needs to know the database, which only `sql` names";
                findings.conflict(&at, message, "use `command` for the backup");
            }
            Some(BackupPlan::Dump { directory, restore_test: raw.restore_test.unwrap_or(false) })
        }
        (None, Some(raw)) => {
            command(raw, &path.key("command"), findings).map(|command| BackupPlan::Command { command })
        }
        (None, None) => {
            findings.missing(&path.key("dump"), "write `dump: backups/`, or `command`");
            None
        }
    }
}

/// The variable that a value of the form `$NAME` names.
fn variable(text: String, path: &Path, findings: &mut Findings<'_>) -> Option<String> {
    match env::value(text) {
        EnvValue::FromEnvironment(name) => Some(name),
        EnvValue::Literal(_) => {
            findings.error_of_secret(
                path,
                "the URL of a database holds a secret, and is not kept in files",
                DATABASE,
            );
            None
        }
    }
}
