//! `resume`, `abort`, `promote` and `pause`: a word to a rollout that has not ended.

use super::answer::{RolloutAnswer, exit_code};
use super::busy::{OnLock, Silence};
use super::place::Place;
use super::reports;
use super::reports::github::{GitHub, told};
use super::rollback::as_asked;
use super::session::{Session, again, has_died, nonce, who};
use crate::cli::{Common, PromoteArgs, ReportArgs, ResumeArgs, SteerArgs};
use crate::error::{Error, ErrorKind};
use crate::journal::Journal as _;
use crate::rollout::event::{Asked, Request, Way};
use crate::rollout::{Fact, Outcome, OutcomeKind, Rollout};

/// Goes on with what a process left that died, or that is stuck.
///
/// # Errors
/// When another process works on it, or it had to be left half way again.
pub async fn resume(common: &Common, arguments: &ResumeArgs) -> Result<RolloutAnswer, Error> {
    let (environment, reports) = (arguments.environment.as_deref(), &arguments.reports);
    reported(common, environment, reports, async |place| take_up(place, common, reports).await).await
}

/// As [`resume`], at a place that is known.
///
/// # Errors
/// As [`resume`].
pub async fn take_up(place: Place, common: &Common, reports: &ReportArgs) -> Result<RolloutAnswer, Error> {
    Session::with(place, common, reports, "resume", OnLock::TakeUp, go_on).await
}

async fn go_on(session: &mut Session) -> Result<RolloutAnswer, Error> {
    if let Some(rollout) = session.environment.open().cloned() {
        return drive(session, rollout, None, exit_code).await;
    }
    if let Some(rollout) = session.environment.stuck().cloned() {
        let first = again(&rollout);
        return drive(session, rollout, Some(first), exit_code).await;
    }
    let Some(last) = session.environment.rollouts.last() else { return Err(nothing_here(&session.place)) };
    // What is live may be down, after a restart of the machine or `local stop`: then this starts its supervisor.
    if session.place.ground.existing_target().await.is_none() {
        session.target().await?;
    }
    let name = &session.place.environment.name;
    let sentence =
        format!("no rollout of {name} is open; the last one, of {}, has ended", last.plan.candidate.version);
    let outcome = Outcome { kind: OutcomeKind::Nothing, reason: "nothing-open".to_owned(), sentence };
    Ok(RolloutAnswer::new(last, &outcome, session.place.url(), 0))
}

/// Turns the rollout under way back.
///
/// # Errors
/// When there is none, or it had to be left half way.
pub async fn abort(common: &Common, arguments: &SteerArgs) -> Result<RolloutAnswer, Error> {
    let (environment, reports) = (arguments.environment.as_deref(), &arguments.reports);
    let work = async |place| abort_at(place, common, reports, arguments.reason.clone()).await;
    reported(common, environment, reports, work).await
}

/// As [`abort`], at a place that is known.
///
/// # Errors
/// As [`abort`].
pub async fn abort_at(
    place: Place,
    common: &Common,
    reports: &ReportArgs,
    reason: Option<String>,
) -> Result<RolloutAnswer, Error> {
    steer(place, common, reports, Request::Abort, reason, as_asked).await
}

/// Lets a rollout go on that waits for a person.
///
/// # Errors
/// When there is none, or it had to be left half way.
pub async fn promote(common: &Common, arguments: &PromoteArgs) -> Result<RolloutAnswer, Error> {
    let (environment, reports) = (arguments.environment.as_deref(), &arguments.reports);
    let (full, reason) = (arguments.full, arguments.reason.clone());
    let work = async |place| promote_at(place, common, reports, full, reason).await;
    reported(common, environment, reports, work).await
}

/// As [`promote`], at a place that is known.
///
/// # Errors
/// As [`promote`].
pub async fn promote_at(
    place: Place,
    common: &Common,
    reports: &ReportArgs,
    full: bool,
    reason: Option<String>,
) -> Result<RolloutAnswer, Error> {
    steer(place, common, reports, Request::GoOn { full }, reason, exit_code).await
}

/// Keeps the rollout under way where it is.
///
/// # Errors
/// When there is none.
pub async fn pause(common: &Common, arguments: &SteerArgs) -> Result<RolloutAnswer, Error> {
    let paused = |outcome: &Outcome, signal| {
        if outcome.kind == OutcomeKind::Paused { 0 } else { exit_code(outcome, signal) }
    };
    let (environment, reports) = (arguments.environment.as_deref(), &arguments.reports);
    let work =
        async |place| steer(place, common, reports, Request::Pause, arguments.reason.clone(), paused).await;
    reported(common, environment, reports, work).await
}

/// Does the work on an environment, and tells GitHub where that is wanted.
async fn reported(
    common: &Common,
    environment: Option<&str>,
    reports: &ReportArgs,
    work: impl AsyncFnOnce(Place) -> Result<RolloutAnswer, Error>,
) -> Result<RolloutAnswer, Error> {
    let mut place = Place::find(common, environment).await?;
    let github = GitHub::wanted(reports, &mut place);
    told(github, work(place).await).await
}

/// Leaves the request with the process that works on the rollout, or takes its place where there is none.
async fn steer(
    place: Place,
    common: &Common,
    wanted: &ReportArgs,
    request: Request,
    reason: Option<String>,
    code: fn(&Outcome, Option<i32>) -> u8,
) -> Result<RolloutAnswer, Error> {
    let open = place.ground.replay().await?.open().cloned().ok_or_else(|| nothing_here(&place))?;
    if place.ground.sight().await?.is_some() {
        let asked = Asked { id: nonce(), request: request.clone(), by: who(), reason: reason.clone() };
        place.ground.journal()?.ask(&asked).await?;
        if let Some((rollout, outcome)) = follow(&place, &open, &request).await? {
            let code = code(&outcome, None);
            let (environment, journal) = (place.ground.replay().await?, place.ground.journal()?);
            let histories = journal.histories().await?;
            reports::write(wanted, &place, &environment, &rollout, &histories);
            return Ok(RolloutAnswer::new(&rollout, &outcome, place.url(), code));
        }
    }
    Session::with(place, common, wanted, "steer", OnLock::TakeUp, async |session| {
        let open = session.environment.open().cloned();
        let rollout = open.ok_or_else(|| nothing_here(&session.place))?;
        let first = session.asked(request, reason);
        drive(session, rollout, Some(first), code).await
    })
    .await
}

/// Takes back what a process left half way that does not live any more; nothing where none is open, or it waits for a person. One of
/// the same run that still lives is on its way back already, and is waited for; `process`, by the name that it gave itself, is not where it
/// has died. The exit code is that of the deploy which did not come to its end.
///
/// # Errors
/// When a living process works on the environment, or it cannot be taken back.
pub(super) async fn take_back(
    place: Place,
    common: &Common,
    reason: &str,
    process: Option<&str>,
) -> Result<Option<RolloutAnswer>, Error> {
    let word = (Request::Abort, reason.to_owned());
    left(place, common, Some(word), process.filter(|process| has_died(process)), exit_code).await
}

/// Whether something is left half way at a place, and nobody but this run can be working on it.
///
/// # Errors
/// When the journal cannot be read.
pub(super) async fn is_left_by_us(place: &Place) -> Result<bool, Error> {
    let holder = place.ground.sight().await?.map(|sighting| sighting.holder.name);
    Ok(holder.is_none_or(|name| name == who()) && place.ground.replay().await?.open().is_some_and(is_left))
}

/// Goes on with what a process left half way that does not live any more; nothing where none is open, it waits for a person, or
/// somebody works on it.
///
/// # Errors
/// When it had to be left half way again.
pub(super) async fn end_left(common: &Common, environment: &str) -> Result<Option<RolloutAnswer>, Error> {
    let place = Place::find(common, Some(environment)).await?;
    match left(place, common, None, None, exit_code).await {
        Err(error) if error.code == "locked" => Ok(None),
        ended => ended,
    }
}

async fn left(
    place: Place,
    common: &Common,
    word: Option<(Request, String)>,
    dead: Option<&str>,
    code: fn(&Outcome, Option<i32>) -> u8,
) -> Result<Option<RolloutAnswer>, Error> {
    if !place.ground.replay().await?.open().is_some_and(is_left) {
        return Ok(None);
    }
    let holder = place.ground.sight().await?.map(|sighting| sighting.holder.name);
    let is_ours = word.is_some() && holder.is_some_and(|name| name == who());
    let on_lock = match dead {
        Some(process) if is_ours => OnLock::OfDead(process),
        _ if is_ours => OnLock::Wait,
        _ => OnLock::TakeUp,
    };
    Session::with(place, common, &ReportArgs::default(), "finish", on_lock, async |session| {
        let Some(rollout) = session.environment.open().filter(|rollout| is_left(rollout)).cloned() else {
            return Ok(None);
        };
        // One that goes back already needs no word for it.
        let word = word.filter(|_| rollout.way == Way::Forward);
        let first = word.map(|(request, reason)| session.asked(request, Some(reason)));
        drive(session, rollout, first, code).await.map(Some)
    })
    .await
}

fn is_left(rollout: &Rollout) -> bool {
    rollout.paused.is_none()
}

/// Watches the rollout in another process until it has ended or waits; `None` when that process is gone and it has not.
async fn follow(
    place: &Place,
    open: &Rollout,
    request: &Request,
) -> Result<Option<(Rollout, Outcome)>, Error> {
    let mut silence = Silence::default();
    loop {
        let sighting = place.ground.sight().await?;
        silence.lasts(sighting.as_ref());
        let environment = place.ground.replay().await?;
        let Some(rollout) = environment.rollouts.iter().find(|rollout| rollout.id == open.id) else {
            return Ok(None);
        };
        if let Some((_, outcome)) = &rollout.outcome {
            return Ok(Some((rollout.clone(), outcome.clone())));
        }
        if let (Some((_, sentence)), Request::Pause) = (&rollout.paused, request) {
            let sentence = format!("{} waits: {sentence}", rollout.plan.candidate.version);
            let outcome = Outcome { kind: OutcomeKind::Paused, reason: "paused".to_owned(), sentence };
            return Ok(Some((rollout.clone(), outcome)));
        }
        if sighting.is_none() {
            return Ok(None);
        }
        tokio::time::sleep(place.ground.between_looks()).await;
    }
}

async fn drive(
    session: &mut Session,
    rollout: Rollout,
    first: Option<Fact>,
    code: fn(&Outcome, Option<i32>) -> u8,
) -> Result<RolloutAnswer, Error> {
    let target = session.target().await?;
    let (rollout, outcome) = session.drive(&target, rollout, first).await?;
    session.prune(&target).await;
    let code = code(&outcome, session.signal());
    Ok(RolloutAnswer::new(&rollout, &outcome, session.place.url(), code))
}

fn nothing_here(place: &Place) -> Error {
    let name = &place.environment.name;
    Error::new(ErrorKind::Refused, "nothing-open", format!("no rollout of {name} is under way"))
        .hint(format!("`tidegate history {name}` lists those that have ended"))
}
