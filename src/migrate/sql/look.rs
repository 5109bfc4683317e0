//! How the database stands to a release's migrations, before anything is done.

use std::path::Path;

use super::super::Unstarted;
use super::super::files;
use super::connection::{self, Connection};
use super::{ledger, planned};
use crate::rollout::migration::{Named, SqlRun};
use crate::rollout::{Phase, Release};

/// What would run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outlook {
    /// The pending migrations, with what each does to older releases.
    pub pending: Vec<(Named, Phase)>,
}

/// Asks the database which of the release's migrations it does not have. Nothing is written.
///
/// # Errors
/// When it cannot be asked, or what it has and the files do not fit.
pub async fn look(run: &SqlRun, folder: &Path, url: &str, release: &Release) -> Result<Outlook, Unstarted> {
    let files = planned(run, folder)?;
    let mut connection = Connection::open(url, &run.database, release, None).await?;
    let seen = read(&mut connection).await;
    connection.close().await;
    let (seen, is_under_way) = seen?;
    if let (Some(version), false) = (seen.partly, is_under_way) {
        let sentence =
            format!("migration {version} began once and did not end: the database is in a state of its own");
        return Err(Unstarted::fatal("migration-partly-applied", sentence).hint(format!(
            "mend the database by hand, then tell its ledger: `UPDATE _sqlx_migrations SET success = true WHERE version = {version}` \
             if the migration has now been done, or `DELETE FROM _sqlx_migrations WHERE version = {version}` if it is to run again"
        )));
    }
    ledger::check(&files, &seen, run)?;
    let pending = files.pending(&seen.applied).map(|file: &files::File| (file.named(), file.phase)).collect();
    Ok(Outlook { pending })
}

/// What the ledger says, and whether another run of migrations is under way: what that one has begun is not left half done.
async fn read(connection: &mut Connection) -> Result<(ledger::Seen, bool), Unstarted> {
    let unreadable = |error| connection::unreadable(&error);
    let seen = ledger::read(connection).await.map_err(unreadable)?;
    if seen.partly.is_none() {
        return Ok((seen, false));
    }
    if !connection.is_free().await? {
        return Ok((seen, true));
    }
    // It may have ended since.
    Ok((ledger::read(connection).await.map_err(unreadable)?, false))
}
