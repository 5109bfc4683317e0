//! What is saved before a database is changed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::{Order, Unstarted, Watcher, sql};
use crate::program::{self, Stop};
use crate::rollout::migration::{Backup, BackupPlan};

/// Takes the backup, and reads it back where that is wanted.
///
/// # Errors
/// When it was not taken, or what was taken cannot be read back. Nothing is changed then.
pub async fn take(
    plan: &BackupPlan,
    place: sql::Place<'_>,
    order: Order<'_>,
    watcher: &Watcher,
) -> Result<Backup, Unstarted> {
    let (of, began) = (Timestamp::now(), Instant::now());
    match plan {
        BackupPlan::Command { command } => {
            watcher.say("takes a backup of the database");
            let ended = run(command, place.folder, |_| {}, order, watcher).await?;
            let place =
                ended.last().cloned().unwrap_or_else(|| "a place that its program did not tell".to_owned());
            Ok(Backup { place, bytes: None, of, took: began.elapsed(), restored_in: None })
        }
        BackupPlan::Dump { directory, restore_test } => {
            let login = Login::of(place.url)?;
            let file = destination(&place.folder.join(directory), order)?;
            watcher.say(format!("takes a backup of the database to {}", file.display()));
            let command = ["pg_dump", "--format=custom", "--no-password", "--file"].map(str::to_owned);
            let command: Vec<String> = command.into_iter().chain([file.display().to_string()]).collect();
            run(&command, place.folder, |prepared| login.give(prepared, None), order, watcher).await?;
            let bytes = std::fs::metadata(&file).map(|data| data.len()).ok();
            let took = began.elapsed();
            let restored_in = if *restore_test {
                watcher.say("reads the backup back into a database of its own");
                Some(login.restore(&file, place.folder, order, watcher).await?)
            } else {
                None
            };
            Ok(Backup { place: file.display().to_string(), bytes, of, took, restored_in })
        }
    }
}

/// The backup in words.
#[must_use]
pub fn in_words(backup: &Backup) -> String {
    let bytes = backup.bytes.map_or_else(String::new, |bytes| format!(" ({bytes} bytes)"));
    let restored =
        backup.restored_in.map_or_else(String::new, |time| format!(", read back on trial in {time:.1?}"));
    format!(
        "a backup of the state at {} lies in {}{bytes}, taken in {:.1?}{restored}",
        backup.of.strftime("%F %T UTC"),
        backup.place,
        backup.took
    )
}

fn failed(sentence: String) -> Unstarted {
    Unstarted::fatal("backup-failed", sentence)
}

/// Runs a program to its end; what it printed is the answer.
async fn run(
    command: &[String],
    folder: &Path,
    set_up: impl FnOnce(&mut tokio::process::Command),
    order: Order<'_>,
    watcher: &Watcher,
) -> Result<Vec<String>, Unstarted> {
    let at_most = order.migration.at_most;
    let stop = async {
        tokio::select! {
            () = tokio::time::sleep(at_most) => Stop::Late(at_most),
            () = watcher.cancelled() => Stop::Cancelled,
        }
    };
    let name = command.first().map_or("", String::as_str);
    let ended = program::run(command, folder, set_up, stop)
        .await
        .map_err(|why| failed(format!("the backup cannot be taken: {why}")))?;
    if ended.is_well {
        return Ok(ended.tail);
    }
    let said = ended.tail.last().map_or_else(String::new, |line| format!(": {line}"));
    Err(failed(format!(
        "no backup was taken, and nothing was changed: `{name}` failed ({}){said}",
        ended.how
    )))
}

/// A file that does not exist yet, in a directory that does, for nobody else to read.
fn destination(directory: &Path, order: Order<'_>) -> Result<PathBuf, Unstarted> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let cannot =
        |error: std::io::Error| failed(format!("{} cannot hold a backup: {error}", directory.display()));
    std::fs::create_dir_all(directory).map_err(cannot)?;
    let file = directory.join(format!("{}-{}.dump", order.release.app, order.rollout));
    let mut open = std::fs::OpenOptions::new();
    open.write(true).create(true).truncate(true).mode(0o600).open(&file).map_err(cannot)?;
    Ok(file)
}

/// How the tools of PostgreSQL reach the database: by their environment, so that no secret stands among their arguments.
struct Login {
    options: PgConnectOptions,
    url: reqwest::Url,
}

impl Login {
    fn of(url: &str) -> Result<Self, Unstarted> {
        let wrong = || {
            Unstarted::fatal(
                "backup-failed",
                "`backup: { dump: … }` is for PostgreSQL, which the database's URL does not name",
            )
            .hint("use `backup: { command: … }`")
        };
        let parsed = reqwest::Url::parse(url).map_err(|_| wrong())?;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(wrong());
        }
        let options = url.parse::<PgConnectOptions>().map_err(|_| wrong())?.disable_statement_logging();
        Ok(Self { options, url: parsed })
    }

    fn give(&self, command: &mut tokio::process::Command, database: Option<&str>) {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        command.env("PGHOST", self.options.get_host()).env("PGPORT", self.options.get_port().to_string());
        command.env("PGUSER", self.options.get_username());
        let own = self.options.get_database().unwrap_or_else(|| self.options.get_username());
        command.env("PGDATABASE", database.unwrap_or(own));
        if let Some(password) = self.url.password() {
            command.env("PGPASSWORD", decode(password));
        }
        for (key, value) in self.url.query_pairs() {
            let name = match &*key {
                "sslmode" | "ssl-mode" => "PGSSLMODE",
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => "PGSSLROOTCERT",
                "sslcert" | "ssl-cert" => "PGSSLCERT",
                "sslkey" | "ssl-key" => "PGSSLKEY",
                "host" => "PGHOST",
                _ => continue,
            };
            command.env(name, &*value);
        }
    }

    /// Reads the dump back into a database that is made for it, and dropped whatever comes of it. The answer is how long that took.
    async fn restore(
        &self,
        file: &Path,
        folder: &Path,
        order: Order<'_>,
        watcher: &Watcher,
    ) -> Result<Duration, Unstarted> {
        let name = format!("tidegate_restore_{}", order.rollout.as_str().replace('-', "_").to_lowercase());
        let cannot = |error: sqlx::Error| failed(format!("the backup cannot be read back on trial: {error}"));
        let mut connection: PgConnection = self.options.connect().await.map_err(cannot)?;
        connection.execute(format!("CREATE DATABASE \"{name}\"").as_str()).await.map_err(cannot)?;
        let began = Instant::now();
        let command =
            ["pg_restore", "--exit-on-error", "--no-owner", "--no-password", "--dbname"].map(str::to_owned);
        let command: Vec<String> =
            command.into_iter().chain([name.clone(), file.display().to_string()]).collect();
        let restored =
            run(&command, folder, |prepared| self.give(prepared, Some(&name)), order, watcher).await;
        let took = began.elapsed();
        let dropped = connection.execute(format!("DROP DATABASE \"{name}\" WITH (FORCE)").as_str()).await;
        if let Err(error) = dropped {
            watcher.say(format!("the database {name}, made on trial, could not be dropped: {error}"));
        }
        let _ = connection.close().await;
        restored.map(|_| took)
    }
}
