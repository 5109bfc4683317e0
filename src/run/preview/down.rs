//! A preview goes: whoever works on it is asked to stop, everything is taken away, and it is called gone when it is seen gone.

use std::time::Duration;

use jiff::Timestamp;

use super::homes::{Home, Homes};
use super::{database, instance, told};
use crate::cli::{Common, ReportArgs};
use crate::error::{Error, ErrorKind};
use crate::github::Client;
use crate::journal::Holder;
use crate::preview::{Record, Stage};
use crate::rollout::event::Request;
use crate::run::busy::OnLock;
use crate::run::place::Place;
use crate::run::session::{Session, nonce, who};
use crate::settings::{Settings, TargetSettings};

/// So long is a run waited for that works on it and was asked to go back.
const ASKED: Duration = Duration::from_secs(20);

/// Whose preview goes, and why.
#[derive(Debug, Clone, Copy)]
pub struct Falling<'a> {
    /// The number of the pull request.
    pub number: u64,
    /// One sentence.
    pub why: &'a str,
    /// `OWNER/NAME` of the repository, where it is known.
    pub repository: Option<&'a str>,
    /// It does not come again by itself.
    pub is_stopped: bool,
    /// A rule would not have it any more: what somebody asked for stays.
    pub is_by_rule: bool,
}

/// Takes the preview of a pull request away, and tells GitHub; nothing where there is none.
///
/// # Errors
/// `still-there` with what it hangs on.
pub async fn down(
    common: &Common,
    settings: &Settings,
    client: Option<&Client>,
    falling: Falling<'_>,
) -> Result<Option<String>, Error> {
    let homes = Homes::of(common, settings).await?;
    // On this machine nothing comes up in a place that is being cleared.
    let _guard = homes.guard().await?;
    down_within(common, settings, client, &homes, falling).await
}

/// As [`down`], for whoever has the guard already.
///
/// # Errors
/// As [`down`].
pub(super) async fn down_within(
    common: &Common,
    settings: &Settings,
    client: Option<&Client>,
    homes: &Homes,
    falling: Falling<'_>,
) -> Result<Option<String>, Error> {
    let all = homes.all(&settings.app).await?;
    let found = all.iter().find_map(|home| Some((home, home.of_pull(falling.number, falling.repository)?)));
    let Some((home, record)) = found else { return Ok(None) };
    if falling.is_by_rule && record.is_asked {
        return Ok(Some(format!("{}, and somebody asked for its preview, which stays", falling.why)));
    }
    let Falling { why, is_stopped, .. } = falling;
    if let Some(client) = client.filter(|_| is_stopped) {
        told::stopping(client, &settings.app, record, why).await;
    }
    let sentence = take_away(common, settings, homes, home, why).await?;
    if let Some(client) = client {
        told::gone(client, &settings.app, record, why, is_stopped).await;
    }
    Ok(Some(sentence))
}

/// Takes away what was found, and tells it in a sentence.
///
/// # Errors
/// As [`down`].
pub async fn take_away(
    common: &Common,
    settings: &Settings,
    homes: &Homes,
    home: &Home,
    why: &str,
) -> Result<String, Error> {
    let Some(record) = home.record() else {
        let sentence = format!("{} is not taken away: that it is ours is not certain", home.found.place);
        return Err(Error::new(ErrorKind::Refused, "not-ours", sentence));
    };
    if !home.found.is_going {
        // A teardown that dies is taken up by the next sweep.
        let falling = Record { stage: Stage::Falling, sentence: why.to_owned(), ..record.clone() };
        homes.note(&home.found.place, &falling).await?;
        quieten(common, settings, home, record).await;
    }
    // First what is elsewhere: while its home stands, whoever comes next finds it.
    database::drop_of(record).await?;
    let patience = instance::template(settings)?.sample.budgets.back;
    homes.remove(home, patience).await?;
    Ok(format!("the preview of pull request {} is gone: {why}", record.number))
}

/// Has whoever works on it stop: asked first, and then by losing the lock. What cannot be quietened loses the ground under it all the same.
async fn quieten(common: &Common, settings: &Settings, home: &Home, record: &Record) {
    let place = match place(common, settings, home, record).await {
        Ok(place) => place,
        Err(error) => {
            tracing::warn!("whether a run works on {} is not known: {error}", record.name);
            return;
        }
    };
    match place.ground.sight().await {
        Ok(None) => return,
        Ok(Some(_)) => {}
        Err(error) => {
            tracing::warn!("whether a run works on {} is not known: {error}", record.name);
            return;
        }
    }
    let ground = place.ground.clone();
    let request = |environment: &crate::rollout::Environment| environment.open().map(|_| Request::Abort);
    let reports = ReportArgs::default();
    let asked =
        Session::with(place, common, &reports, "takes the preview away", OnLock::Ask(&request), async |_| {
            Ok(())
        });
    match tokio::time::timeout(ASKED, Box::pin(asked)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => {
            tracing::warn!("the run that works on {} was not asked to stop: {error}", record.name)
        }
        Err(_) => tracing::warn!(
            "the run that works on {} has not stopped within {ASKED:?}; the lock is taken from it",
            record.name
        ),
    }
    let holder = Holder {
        name: who(),
        reason: "takes the preview away".to_owned(),
        since: Timestamp::now(),
        nonce: nonce(),
    };
    if let Err(error) = ground.seize(&holder).await {
        tracing::warn!("the lock of {} was not taken: {error}", record.name);
    }
}

/// Where it is, whatever the template would say by now.
async fn place(common: &Common, settings: &Settings, home: &Home, record: &Record) -> Result<Place, Error> {
    let mut environment = instance::of_record(settings, record)?;
    environment.name.clone_from(&record.name);
    if let TargetSettings::Kubernetes(cluster) = &mut environment.target {
        cluster.namespace = Some(home.found.place.clone());
    }
    Place::at(common, settings, environment).await
}
