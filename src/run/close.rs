//! `lock` and `unlock`: an environment closed and opened by hand.

use jiff::Timestamp;

use super::answer::NoteAnswer;
use super::busy::OnLock;
use super::place::Place;
use super::session::{Session, nonce, who};
use crate::cli::{Common, LockArgs, ReportArgs, UnlockArgs};
use crate::error::{Error, ErrorKind};
use crate::journal::{Hold, Holder};

/// Closes an environment for deploys. A rollout under way goes on; what people ask of it is still heard.
///
/// # Errors
/// When it is closed already, or the state cannot be written.
pub async fn lock(common: &Common, arguments: &LockArgs) -> Result<NoteAnswer, Error> {
    let place = Place::find(common, arguments.environment.as_deref()).await?;
    let name = &place.environment.name;
    if let Some(hold) = place.ground.hold().await? {
        let sentence =
            format!("{name} is closed already, by {} since {}: {}", hold.by, hold.since, hold.reason);
        return Err(Error::new(ErrorKind::Refused, "closed", sentence));
    }
    let hold = Hold { by: who(), reason: arguments.reason.clone(), since: Timestamp::now() };
    place.ground.close(&hold).await?;
    let sentence =
        format!("{name} is closed for deploys: {}; `tidegate unlock {name}` opens it", hold.reason);
    Ok(NoteAnswer { sentence, findings: Vec::new() })
}

/// Opens an environment again; with force also takes the lock from a run that holds it.
///
/// # Errors
/// When a run holds the lock and force was not asked for.
pub async fn unlock(common: &Common, arguments: &UnlockArgs) -> Result<NoteAnswer, Error> {
    let place = Place::find(common, arguments.environment.as_deref()).await?;
    let name = &place.environment.name;
    // Who takes a lock from a run has not looked at a database.
    if !arguments.force
        && let Some(sentence) = answer_for_database(&place, common).await?
    {
        return Ok(NoteAnswer { sentence, findings: Vec::new() });
    }
    let opened = place.ground.open().await?;
    let holder = place.ground.sight().await?.map(|sighting| sighting.holder);
    let sentence = match (opened, holder, arguments.force) {
        (_, Some(holder), true) => {
            let now = Timestamp::now();
            let taker =
                Holder { name: who(), reason: "unlock --force".to_owned(), since: now, nonce: nonce() };
            place.ground.seize(&taker).await?;
            format!(
                "the lock of {name} was taken from {}; `tidegate resume {name}` goes on with its rollout",
                holder.name
            )
        }
        (true, _, _) => format!("{name} is open again"),
        (false, Some(holder), false) => {
            let sentence =
                format!("{} works on {name} since {}: {}", holder.name, holder.since, holder.reason);
            let hint = "`tidegate abort` turns its rollout back; `--force` takes the lock from it";
            return Err(Error::new(ErrorKind::Refused, "locked", sentence).hint(hint));
        }
        (false, None, _) => format!("{name} was not closed"),
    };
    Ok(NoteAnswer { sentence, findings: Vec::new() })
}

/// Where migrations have left the database in a state that nobody knew, whoever opens the environment answers for it.
async fn answer_for_database(place: &Place, common: &Common) -> Result<Option<String>, Error> {
    if place.ground.replay().await?.schema_hold().is_none() {
        return Ok(None);
    }
    let reports = ReportArgs::default();
    let known = place.clone();
    let answered = Session::with(known, common, &reports, "unlock", OnLock::Refuse, async |session| {
        session.acknowledge().await
    });
    let Some(version) = answered.await? else { return Ok(None) };
    place.ground.open().await?;
    let name = &place.environment.name;
    Ok(Some(format!("{name} is open again: you answer for its database after the migrations of {version}")))
}
