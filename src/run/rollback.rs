//! `rollback`: the way back by hand.

use super::answer::{RolloutAnswer, exit_code};
use super::busy::OnLock;
use super::deploy;
use super::ground::AnyTarget;
use super::place::Place;
use super::release::Wanted;
use super::reports::github::{GitHub, told};
use super::session::{Session, again};
use crate::cli::{Common, RollbackArgs};
use crate::error::{Error, ErrorKind};
use crate::rollout::event::Request;
use crate::rollout::{Environment, Outcome, OutcomeKind, Release, Rollout, RolloutId};

/// Takes the environment back: turns the rollout under way round, or else brings an earlier release live again.
///
/// # Errors
/// When there is nothing to go back to, or it had to be left half way.
pub async fn rollback(common: &Common, arguments: &RollbackArgs) -> Result<RolloutAnswer, Error> {
    let mut place = Place::find(common, arguments.environment.as_deref()).await?;
    let github = GitHub::wanted(&arguments.reports, &mut place);
    let result = take_back(place, common, arguments).await;
    told(github, result).await
}

/// As [`rollback`], at a place that is known.
///
/// # Errors
/// As [`rollback`].
pub async fn take_back(
    place: Place,
    common: &Common,
    arguments: &RollbackArgs,
) -> Result<RolloutAnswer, Error> {
    let known = place.ground.replay().await?;
    let wanted = arguments.to.as_deref();
    if let Some(version) = wanted.filter(|version| known.version(version).is_none()) {
        return Err(unknown_version(&place, &known, version));
    }
    let under_way = known.open().or(known.stuck()).map(|rollout| rollout.id.clone());
    if under_way.is_none() && choose(&known, wanted).is_none() {
        return Err(no_earlier(&place));
    }
    let abort = |environment: &Environment| environment.open().map(|_| Request::Abort);
    let on_lock = OnLock::Ask(&abort);
    Session::with(place, common, &arguments.reports, "rollback", on_lock, async |session| {
        go_back(session, wanted, under_way.as_ref(), arguments.force).await
    })
    .await
}

async fn go_back(
    session: &mut Session,
    wanted: Option<&str>,
    under_way: Option<&RolloutId>,
    is_forced: bool,
) -> Result<RolloutAnswer, Error> {
    // The process that worked on it may have turned it round itself.
    let ended = |session: &Session| {
        session.environment.rollouts.iter().find(|r| Some(&r.id) == under_way).and_then(ending)
    };
    let turned = turn(session).await?.or_else(|| ended(session));
    if let Some((rollout, outcome)) = turned
        // One that was promoted before it could be turned round is gone back from below.
        && (wanted.is_none() && outcome.kind != OutcomeKind::Promoted || outcome.kind == OutcomeKind::Stuck)
    {
        let code = as_asked(&outcome, session.signal());
        return Ok(RolloutAnswer::new(&rollout, &outcome, session.place.url(), code));
    }
    let Some(release) = choose(&session.environment, wanted).cloned() else {
        return Err(no_earlier(&session.place));
    };
    demand_front(session, &release).await?;
    deploy::bring(session, Wanted::again(release, is_forced)).await
}

/// Refuses a release of a preview whose routes lead to a front that its settings do not have any more, and so is not there.
async fn demand_front(session: &mut Session, release: &Release) -> Result<(), Error> {
    let without = session.place.environment.preview.as_ref().is_some_and(|its| its.front.image.is_none());
    if !without {
        return Ok(());
    }
    let AnyTarget::Kubernetes(target) = session.target().await? else { return Ok(()) };
    if !target.leads_to_front(release).await? {
        return Ok(());
    }
    let sentence = format!(
        "the routes of {} lead to the front of the preview, and its settings have neither `sleep` nor `access` any more",
        release.version
    );
    Err(Error::new(ErrorKind::Refused, "no-front", sentence)
        .hint("deploy that commit again, or put `sleep` or `access` back into `preview` and push"))
}

/// The release to go back to.
fn choose<'a>(known: &'a Environment, wanted: Option<&str>) -> Option<&'a Release> {
    match wanted {
        Some(version) => known.version(version),
        None => known.promoted().nth(1),
    }
}

/// Turns the rollout round that no process works on any more, if there is one.
async fn turn(session: &mut Session) -> Result<Option<(Rollout, Outcome)>, Error> {
    let Some(rollout) = session.environment.open().or(session.environment.stuck()).cloned() else {
        return Ok(None);
    };
    let first = if rollout.open() { session.asked(Request::Abort, None) } else { again(&rollout) };
    let target = session.target().await?;
    session.drive(&target, rollout, Some(first)).await.map(Some)
}

fn ending(rollout: &Rollout) -> Option<(Rollout, Outcome)> {
    rollout.outcome.clone().map(|(_, outcome)| (rollout.clone(), outcome))
}

/// The exit code of a command that wanted the way back.
#[must_use]
pub fn as_asked(outcome: &Outcome, signal: Option<i32>) -> u8 {
    match outcome.kind {
        OutcomeKind::RolledBack | OutcomeKind::Failed => 0,
        _ => exit_code(outcome, signal),
    }
}

fn unknown_version(place: &Place, known: &Environment, version: &str) -> Error {
    let versions: Vec<_> = known.promoted().map(|release| release.version.as_str()).take(10).collect();
    let choice = if versions.is_empty() { "nothing".to_owned() } else { versions.join(", ") };
    let (name, version) = (&place.environment.name, version.escape_debug());
    let sentence = format!("{name} has no release `{version}` in its history; there is {choice}");
    Error::new(ErrorKind::Usage, "unknown-version", sentence)
        .hint(format!("`tidegate history {name}` lists them"))
}

fn no_earlier(place: &Place) -> Error {
    let name = &place.environment.name;
    let sentence = format!("{name} has no earlier release to go back to");
    Error::new(ErrorKind::Refused, "no-earlier-release", sentence)
}
