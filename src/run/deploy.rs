//! `deploy`: from a wanted release to its rollout.

use std::time::{Duration, Instant};

use super::answer::{RolloutAnswer, exit_code};
use super::busy::OnLock;
use super::ground::AnyTarget;
use super::migrations;
use super::place::Place;
use super::places::in_repository;
use super::plan::{Basis, is_live, plan};
use super::policy::Findings;
use super::preflight;
use super::preview::homes;
use super::release::{self, Asked, Wanted};
use super::reports::github::{GitHub, told};
use super::rules;
use super::session::Session;
use super::watchdog;
use crate::cli::{Busy, Common, DeployArgs, ReportArgs};
use crate::error::{Error, ErrorKind};
use crate::preview::Stage;
use crate::report::Sink;
use crate::rollout::event::Request;
use crate::rollout::{Environment, Observation, OutcomeKind, Release, SetView};
use crate::target::Target as _;
use crate::target::local::Health;

/// How often a live release that is starting is looked at, at least: a signal ends the wait.
const LOOK: Duration = Duration::from_millis(250);

/// Rolls a release out.
///
/// # Errors
/// When it could not be begun, or had to be left half way.
pub async fn deploy(common: &Common, arguments: &DeployArgs) -> Result<RolloutAnswer, Error> {
    let mut place = Place::find(common, arguments.release.environment.as_deref()).await?;
    place.watchdog = watchdog::wanted(common, &place, arguments)?;
    let asked = arguments.release.asked();
    let github = GitHub::wanted(&arguments.reports, &mut place);
    let result = roll_out(place, common, asked, arguments.if_busy, &arguments.reports, Vec::new()).await;
    told(github, result).await
}

/// Rolls out what the settings and the working tree of `place` describe, as the wish has it.
///
/// # Errors
/// As [`deploy`].
pub async fn roll_out(
    place: Place,
    common: &Common,
    wish: Asked<'_>,
    if_busy: Busy,
    reports: &ReportArgs,
    sinks: Vec<Box<dyn Sink>>,
) -> Result<RolloutAnswer, Error> {
    let asked = place.clone();
    match begin(place, common, wish, if_busy, reports, sinks).await {
        Err(error) => Err(preflight::all_rights(error, &asked).await),
        answer => answer,
    }
}

async fn begin(
    place: Place,
    common: &Common,
    wish: Asked<'_>,
    if_busy: Busy,
    reports: &ReportArgs,
    sinks: Vec<Box<dyn Sink>>,
) -> Result<RolloutAnswer, Error> {
    refuse_when_closed(&place).await?;
    let wanted = release::build(&place, wish).await?;
    let findings = Findings::of(&place, &wanted);
    if let Some(annotator) = &place.annotator {
        annotator.annotate(in_repository(&findings.annotations()));
    }
    findings.tell()?;
    rules::demand(&place, common, &wanted.release).await?;
    if if_busy == Busy::Supersede {
        preflight::before_superseding(&place, &wanted).await?;
        migrations::before_superseding(&place, &wanted).await?;
    }
    let candidate = wanted.release.clone();
    let request = |environment: &Environment| supersede(environment, &candidate);
    let on_lock = match if_busy {
        Busy::Supersede => OnLock::Ask(&request),
        Busy::Wait => OnLock::Wait,
        Busy::Refuse => OnLock::Refuse,
    };
    let reason = format!("deploy of {}", candidate.version);
    Session::with(place, common, reports, &reason, on_lock, async |session| {
        sinks.into_iter().for_each(|sink| session.listen(sink));
        // A person may have closed it while this waited for the lock.
        refuse_when_closed(&session.place).await?;
        refuse_when_falling(&session.place).await?;
        bring(session, wanted).await
    })
    .await
}

/// A release that is already being rolled out is waited for; any other one is asked to go back.
fn supersede(environment: &Environment, candidate: &Release) -> Option<Request> {
    let open = environment.open()?;
    (open.plan.candidate.id != candidate.id)
        .then(|| Request::Supersede { version: candidate.version.clone() })
}

/// Brings a release live with a session that holds the lock.
///
/// # Errors
/// When it had to be left half way.
pub(super) async fn bring(session: &mut Session, wanted: Wanted) -> Result<RolloutAnswer, Error> {
    let target = session.target().await?;
    let id = &wanted.release.id;
    let open = session.environment.open().filter(|open| open.plan.candidate.id == *id).cloned();
    let (rollout, outcome) = match open {
        // The same release again: an earlier run died, or waits for a person. Go on from there.
        Some(open) => session.drive(&target, open, None).await?,
        None => {
            session.clear(&target, &wanted.release).await?;
            let seen = settled(session, &target).await?;
            if is_live(&session.environment, &wanted.release, &seen) {
                // Its run may have died before it told anybody, and nobody looks after a preview but the reports.
                if session.place.environment.preview.is_some() {
                    session.tell_again(id).await;
                }
                return Ok(nothing(session, &wanted.release));
            }
            migrations::demand(&session.place, &session.environment, &wanted).await?;
            let basis = Basis::of(&session.place, &session.environment, &target, &wanted).await?;
            let (app, settings) = (&session.place.app, &session.place.environment);
            let (known, release) = (&session.environment, wanted.release.clone());
            let plan = plan(app, settings, known, release, &seen, &basis, wanted.migrations.as_ref());
            preflight::demand(session, &target, &wanted, &plan).await?;
            wanted.keep(&target).await?;
            basis.keep(&target).await?;
            session.start(&target, plan).await?
        }
    };
    session.prune(&target).await;
    let code = exit_code(&outcome, session.signal());
    Ok(RolloutAnswer::new(&rollout, &outcome, session.place.url(), code))
}

/// What is there, once the live release has had its time to start. Right after a start of the supervisor nothing is ready yet;
/// who planned from that would roll out with nothing to compare with, and nothing to go back to.
async fn settled(session: &Session, target: &AnyTarget) -> Result<Observation, Error> {
    let health = session.place.environment.health.as_ref();
    let patience = health.map_or(Health::default().start_within, |health| health.start_within);
    let until = Instant::now() + patience;
    let mut seen = target.observe(None, Duration::ZERO).await?;
    while let Some(live) = session.environment.stable()
        && seen.sets.get(&live.id).is_some_and(starts)
        && session.signal().is_none()
        && Instant::now() < until
    {
        seen = target.observe(Some(seen.generation), LOOK).await?;
    }
    Ok(seen)
}

/// True while it is worth waiting for an instance of the set.
fn starts(set: &SetView) -> bool {
    set.desired > 0 && set.ready == 0 && set.trouble.is_none()
}

async fn refuse_when_closed(place: &Place) -> Result<(), Error> {
    let name = &place.environment.name;
    let Some(hold) = place.ground.hold().await? else { return Ok(()) };
    let since = hold.since.strftime("%F %T UTC");
    let sentence = format!("{name} was closed by {} at {since}: {}", hold.by, hold.reason);
    Err(Error::new(ErrorKind::Refused, "closed", sentence)
        .hint(format!("`tidegate unlock {name}` opens it again")))
}

/// While this waited for the lock, its pull request may have been closed, and the preview taken away.
async fn refuse_when_falling(place: &Place) -> Result<(), Error> {
    if place.environment.preview.is_none() {
        return Ok(());
    }
    match homes::stage(&place.ground, &place.app).await? {
        Some(stage) if stage != Stage::Falling => Ok(()),
        _ => {
            let sentence = format!("{} is being taken away, or is gone", place.environment.name);
            Err(Error::new(ErrorKind::Refused, "preview-gone", sentence)
                .hint("open its pull request again, or push to it"))
        }
    }
}

fn nothing(session: &Session, candidate: &Release) -> RolloutAnswer {
    let place = &session.place;
    RolloutAnswer {
        outcome: OutcomeKind::Nothing.to_string(),
        reason: "already-live".to_owned(),
        sentence: format!("{} is live in {} already", candidate.version, place.environment.name),
        app: place.app.clone(),
        environment: place.environment.name.clone(),
        version: candidate.version.clone(),
        previous_version: None,
        digest: candidate.artifacts.first().map(|artifact| artifact.digest.clone()),
        rollout_id: None,
        strategy: None,
        url: place.url(),
        seconds: 0.0,
        gates: Vec::new(),
        log_tail: Vec::new(),
        exit_code: 0,
    }
}
