//! Migrations in SQL: run by sqlx's migrator statements, one file at a time, in the light of the ledger.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::files::{self, File, Files};
use super::{Order, Unstarted, Watcher, backup};
use crate::rollout::action::Begin;
use crate::rollout::migration::{Backup, Named, SqlRun};
use crate::rollout::{Ledger, Migrated, Phase};

mod apply;
mod connection;
mod ledger;
mod look;
mod waits;

use connection::Connection;
pub use look::{Outlook, look};

/// How long it is looked for an answer about migrations whose run broke off.
const SETTLE: Duration = Duration::from_secs(20);

/// What a run needs besides the order.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What relative paths begin at.
    pub folder: &'a Path,
    /// The database's URL, with what secrets it has.
    pub url: &'a str,
}

/// Runs what is pending of the order's phase, or finds out how an earlier run ended.
///
/// # Errors
/// When nothing was begun.
pub async fn run(
    order: Order<'_>,
    at: &SqlRun,
    place: Place<'_>,
    watcher: &Watcher,
) -> Result<Migrated, Unstarted> {
    let until = Instant::now() + order.migration.at_most;
    let files = planned(at, place.folder)?;
    let mut connection = Connection::open(place.url, &at.database, order.release, Some(at)).await?;
    let run = Run { order, at, place, files: &files, until, watcher };
    let result = match connection.lock(until, watcher, order.begin != Begin::Anew).await {
        Ok(()) => run.locked(&mut connection).await,
        Err(_) if order.begin != Begin::Anew => Ok(run.answer(
            Ledger::Unknown,
            "migration-unknown",
            format!("a run of migrations has not ended within {:?}", order.migration.at_most),
        )),
        Err(error) => Err(error),
    };
    connection.close().await;
    result
}

/// The files that were planned.
fn planned(at: &SqlRun, folder: &Path) -> Result<Files, Unstarted> {
    let files = files::read(&folder.join(&at.directory))?;
    if files.digest == at.digest {
        return Ok(files);
    }
    let sentence = format!("the migrations in {} are not those that were planned", at.directory);
    Err(Unstarted::fatal("migrations-differ", sentence)
        .hint("go on from a checkout of the release's commit, or deploy anew"))
}

struct Run<'a> {
    order: Order<'a>,
    at: &'a SqlRun,
    place: Place<'a>,
    files: &'a Files,
    until: Instant,
    watcher: &'a Watcher,
}

impl Run<'_> {
    /// With the lock of the database's migrations held: nobody else runs any.
    async fn locked(&self, connection: &mut Connection) -> Result<Migrated, Unstarted> {
        let seen = ledger::read(connection).await.map_err(|error| connection::unreadable(&error))?;
        if let Some(version) = seen.partly {
            return Ok(self.partly(version, None));
        }
        ledger::check(self.files, &seen, self.at)?;
        let pending: Vec<&File> = self.pending(&seen.applied);
        if pending.is_empty() {
            return Ok(self.done(Vec::new(), None));
        }
        if self.order.begin == Begin::Settle {
            let sentence = format!("{} have not run: it turned back before", count(&pending));
            return Ok(self.answer(Ledger::NotApplied, "migration-not-applied", sentence));
        }
        // What adds is the first to change anything; what takes away has a state of its own to save.
        let saved = match &self.order.migration.backup {
            Some(plan) => Some(backup::take(plan, self.place, self.order, self.watcher).await?),
            None => None,
        };
        self.apply_all(connection, pending, saved).await
    }

    fn pending<'f>(&'f self, applied: &'f [i64]) -> Vec<&'f File> {
        let phase = self.order.phase;
        let of_phase = |file: &&File| file.phase == phase;
        self.files.pending(applied).filter(of_phase).collect()
    }

    async fn apply_all(
        &self,
        connection: &mut Connection,
        pending: Vec<&File>,
        saved: Option<Backup>,
    ) -> Result<Migrated, Unstarted> {
        connection.prepare_ledger().await.map_err(|error| connection::unreadable(&error))?;
        let mut applied = Vec::new();
        for (index, file) in pending.iter().enumerate() {
            let (name, all) = (file.named(), pending.len());
            self.watcher.say(format!("migration {} of {all}: {name}", index + 1));
            let failed = apply::apply(connection, file, self.at, self.until, self.watcher).await.err();
            let Some(failure) = failed else {
                applied.push(name);
                continue;
            };
            let mut migrated = self.after(connection, file, &failure).await;
            migrated.applied.splice(0..0, applied);
            migrated.changed |= !migrated.applied.is_empty();
            migrated.backup = saved;
            if migrated.ledger == Ledger::Applied && index + 1 < all {
                // The word that it had run was lost on the way; the rest is not begun on a connection that fails.
                let left = count(&pending[index + 1..]);
                migrated.ledger = Ledger::NotApplied;
                migrated.code = "migration-not-applied".to_owned();
                migrated.sentence = format!(
                    "{left} did not run: the connection broke with the one before ({})",
                    failure.sentence
                );
            }
            return Ok(migrated);
        }
        Ok(self.done(applied, saved))
    }

    /// What the ledger says after a failure, read by another connection once the first one is seen to have ended.
    async fn after(&self, connection: &mut Connection, file: &File, failure: &apply::Failure) -> Migrated {
        connection.abandon().await;
        let name = file.named();
        let version = file.script.version;
        let why = failure.sentence.trim_end_matches('.');
        match tokio::time::timeout(SETTLE, self.read_anew()).await {
            Ok(Ok(seen)) if seen.applied.contains(&version) => {
                let mut migrated = self.done(vec![name], None);
                migrated.sentence = format!("{}, though its connection broke", migrated.sentence);
                migrated
            }
            Ok(Ok(seen)) if seen.partly.is_some() => self.partly(version, Some(why)),
            Ok(Ok(_)) => {
                let sentence = format!("migration {name} failed and changed nothing: {why}");
                self.answer(Ledger::NotApplied, failure.code, sentence)
            }
            Ok(Err(error)) => self.unknown(&name, why, &error.sentence),
            Err(_) => self.unknown(&name, why, "the database did not tell in time"),
        }
    }

    async fn read_anew(&self) -> Result<ledger::Seen, Unstarted> {
        let until = Instant::now() + SETTLE;
        let (url, variable) = (self.place.url, &self.at.database);
        let mut connection = Connection::open(url, variable, self.order.release, Some(self.at)).await?;
        connection.lock(until, self.watcher, true).await?;
        let seen = ledger::read(&mut connection).await.map_err(|error| connection::unreadable(&error));
        connection.close().await;
        seen
    }

    fn unknown(&self, name: &Named, why: &str, silence: &str) -> Migrated {
        let sentence = format!("migration {name} failed ({why}), and what it left cannot be told: {silence}");
        self.answer(Ledger::Unknown, "migration-unknown", sentence)
    }

    fn partly(&self, version: i64, why: Option<&str>) -> Migrated {
        let name = self.files.all.iter().find(|file| file.script.version == version).map(File::named);
        let name = name.map_or_else(|| version.to_string(), |name| name.to_string());
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        let sentence = format!("migration {name} is partly applied: it began and did not end{why}");
        self.answer(Ledger::PartlyApplied, "migration-partly-applied", sentence)
    }

    fn done(&self, applied: Vec<Named>, backup: Option<Backup>) -> Migrated {
        let phase = self.order.phase;
        let (code, sentence) = match applied.as_slice() {
            [] => ("nothing-pending", format!("the database has all migrations of the phase {phase}")),
            [only] => ("migrated", format!("migration {only} has run ({phase})")),
            many => {
                let names: Vec<String> = many.iter().map(ToString::to_string).collect();
                ("migrated", format!("{} migrations have run ({phase}): {}", many.len(), names.join(", ")))
            }
        };
        let sentence = match &backup {
            Some(backup) => format!("{sentence}; {}", backup::in_words(backup)),
            None => sentence,
        };
        let changed = !applied.is_empty();
        Migrated { applied, backup, changed, ..self.answer(Ledger::Applied, code, sentence) }
    }

    /// An answer in which nothing is known to have been changed by this run. Of a run that another process began it is not known.
    fn answer(&self, ledger: Ledger, code: &str, sentence: String) -> Migrated {
        Migrated {
            phase: self.order.phase,
            ledger,
            applied: Vec::new(),
            changed: ledger.holds() || self.order.begin != Begin::Anew,
            code: code.to_owned(),
            sentence,
            log_tail: Vec::new(),
            backup: None,
        }
    }
}

/// The migrations in words, as the beginning of a sentence.
fn count(pending: &[&File]) -> String {
    match pending {
        [only] => format!("migration {}", only.named()),
        many => format!("{} migrations", many.len()),
    }
}

/// A contract migration that others, which add, come after: they would have to run before it.
pub(super) fn out_of_order<'a>(files: &'a Files, applied: &'a [i64]) -> Option<(&'a File, &'a File)> {
    let first = files.pending(applied).find(|file| file.phase == Phase::Contract)?;
    let later = files.pending(applied).filter(|file| file.script.version > first.script.version);
    later.into_iter().find(|file| file.phase == Phase::Expand).map(|file| (first, file))
}
