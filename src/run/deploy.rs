//! `deploy` and `plan`: from a wanted release to its rollout.

use std::time::{Duration, Instant};

use super::answer::{PlanAnswer, RolloutAnswer, exit_code};
use super::place::Place;
use super::release;
use super::session::{OnLock, Session};
use crate::cli::{Busy, Common, DeployArgs, ReleaseArgs, ReportArgs};
use crate::error::{Error, ErrorKind};
use crate::journal::file::hold;
use crate::report::{Sink, words};
use crate::rollout::event::Request;
use crate::rollout::strategy::{self, Setting, StrategyName};
use crate::rollout::{Budgets, Environment, Observation, OutcomeKind, Plan, Release, SetView, Weight};
use crate::target::Target as _;
use crate::target::local::{Health, LocalTarget};

/// How often a live release that is starting is looked at, at least: a signal ends the wait.
const LOOK: Duration = Duration::from_millis(250);

/// Rolls a release out.
///
/// # Errors
/// When it could not be begun, or had to be left half way.
pub async fn deploy(common: &Common, arguments: &DeployArgs) -> Result<RolloutAnswer, Error> {
    let place = Place::find(common, arguments.release.environment.as_deref())?;
    let version = arguments.release.version.as_deref();
    roll_out(place, common, version, arguments.if_busy, &arguments.reports, Vec::new()).await
}

/// Rolls out what the settings and the working tree of `place` describe, under `version`.
///
/// # Errors
/// As [`deploy`].
pub async fn roll_out(
    place: Place,
    common: &Common,
    version: Option<&str>,
    if_busy: Busy,
    reports: &ReportArgs,
    sinks: Vec<Box<dyn Sink>>,
) -> Result<RolloutAnswer, Error> {
    refuse_when_closed(&place)?;
    release::secrets(&place)?;
    let candidate = release::build(&place, version)?;
    let wish = |environment: &Environment| supersede(environment, &candidate);
    let on_lock = match if_busy {
        Busy::Supersede => OnLock::Ask(&wish),
        Busy::Wait => OnLock::Wait,
        Busy::Refuse => OnLock::Refuse,
    };
    let reason = format!("deploy of {}", candidate.version);
    let mut session = Session::begin(place, common, reports, &reason, on_lock).await?;
    for sink in sinks {
        session.listen(sink);
    }
    // A person may have closed it while this waited for the lock.
    refuse_when_closed(&session.place)?;
    run(&mut session, candidate).await
}

/// A release that is already being rolled out is waited for; any other one is asked to go back.
fn supersede(environment: &Environment, candidate: &Release) -> Option<Request> {
    let open = environment.open()?;
    (open.plan.candidate.id != candidate.id)
        .then(|| Request::Supersede { version: candidate.version.clone() })
}

/// Brings `candidate` live with a session that holds the lock, and ends the session's work.
///
/// # Errors
/// When it had to be left half way.
pub(super) async fn run(session: &mut Session, candidate: Release) -> Result<RolloutAnswer, Error> {
    let result = bring(session, candidate).await;
    session.leave().await;
    result
}

async fn bring(session: &mut Session, candidate: Release) -> Result<RolloutAnswer, Error> {
    let target = session.target().await?;
    let open = session.environment.open().filter(|open| open.plan.candidate.id == candidate.id).cloned();
    let (rollout, outcome) = match open {
        // The same release again: an earlier run died, or waits for a person. Go on from there.
        Some(open) => session.drive(&target, open, None).await?,
        None => {
            session.clear(&target, &candidate).await?;
            let seen = settled(session, &target).await?;
            if is_live(&session.environment, &candidate, &seen) {
                return Ok(nothing(session, &candidate));
            }
            let plan = plan(&session.place, &session.environment, candidate, &seen);
            session.start(&target, plan).await?
        }
    };
    session.prune(&target).await;
    let code = exit_code(&outcome, session.signal());
    Ok(RolloutAnswer::new(&rollout, &outcome, Some(session.place.url()), code))
}

/// What is there, once the live release has had its time to start. Right after a start of the supervisor nothing is ready yet;
/// who planned from that would roll out with nothing to compare with, and nothing to go back to.
async fn settled(session: &Session, target: &LocalTarget) -> Result<Observation, Error> {
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

fn refuse_when_closed(place: &Place) -> Result<(), Error> {
    let name = &place.environment.name;
    let Some(hold) = hold::read(&place.journal_directory())? else { return Ok(()) };
    let since = hold.since.strftime("%F %T UTC");
    let sentence = format!("{name} was closed by {} at {since}: {}", hold.by, hold.reason);
    Err(Error::new(ErrorKind::Refused, "closed", sentence)
        .hint(format!("`tidegate unlock {name}` opens it again")))
}

fn is_live(environment: &Environment, candidate: &Release, seen: &Observation) -> bool {
    let stable = environment.stable().is_some_and(|stable| stable.id == candidate.id);
    let serves = seen.weights.get(&candidate.id).is_some_and(|weight| *weight == Weight::FULL);
    stable && serves && seen.sets.get(&candidate.id).is_some_and(|set| set.ready > 0)
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
        url: Some(place.url()),
        seconds: 0.0,
        gates: Vec::new(),
        log_tail: Vec::new(),
        exit_code: 0,
    }
}

/// The plan that brings `candidate` live, given what the journal says and what is seen.
fn plan(place: &Place, environment: &Environment, candidate: Release, seen: &Observation) -> Plan {
    let settings = &place.environment;
    let setting =
        Setting { instances: place.local().instances, verify: settings.verify.clone(), keep: settings.keep };
    let stable = environment.stable().filter(|stable| stable.id != candidate.id).cloned();
    let ready = |release: &Release| seen.sets.get(&release.id).map_or(0, |set| set.ready);
    let kept = ready(&candidate);
    let again = stable.is_some() && kept >= setting.instances;
    let compared = stable.as_ref().is_some_and(|stable| ready(stable) > 0);
    let (strategy, steps) = match () {
        () if again => (StrategyName::BlueGreen, strategy::at_once(&setting)),
        () if compared => (settings.strategy.name(), settings.strategy.compile(&setting)),
        () => (settings.strategy.name(), strategy::first(&setting)),
    };
    Plan {
        app: place.app.clone(),
        environment: settings.name.clone(),
        strategy,
        candidate,
        stable,
        instances: setting.instances,
        kept,
        keep: settings.keep,
        in_place: false,
        steps,
        budgets: budgets(settings.budgets, settings.health.as_ref().map(|health| health.start_within)),
    }
}

/// A provision step must outlast the time that an instance may take to start, or its own word about the cause is lost.
fn budgets(budgets: Budgets, start_within: Option<Duration>) -> Budgets {
    let least = start_within.unwrap_or_default() + Duration::from_secs(10);
    Budgets { step: budgets.step.max(least), ..budgets }
}

/// What a deploy would do; changes nothing.
///
/// # Errors
/// When the configuration or the journal is wrong.
pub async fn show_plan(common: &Common, arguments: &ReleaseArgs) -> Result<PlanAnswer, Error> {
    let place = Place::find(common, arguments.environment.as_deref())?;
    let candidate = release::describe(&place, arguments.version.as_deref())?;
    let environment = place.replay()?;
    let seen = match LocalTarget::existing(&place.target_directory()).await {
        Some(target) => target.observe(None, Duration::ZERO).await?,
        None => Observation::default(),
    };
    let live = is_live(&environment, &candidate, &seen);
    let plan = plan(&place, &environment, candidate, &seen);
    let steps =
        if live { Vec::new() } else { plan.steps.iter().map(|step| words::planned(&plan, step)).collect() };
    let way_back = match &plan.stable {
        _ if live => format!("{} is live already; there is nothing to do", plan.candidate.version),
        Some(stable) => format!("a failure takes everything back to {}", stable.version),
        None => "a failure takes the release away again; there is none to go back to".to_owned(),
    };
    Ok(PlanAnswer {
        app: plan.app.clone(),
        environment: plan.environment.clone(),
        version: plan.candidate.version.clone(),
        release: plan.candidate.id.to_string(),
        previous_version: plan.stable.as_ref().map(|stable| stable.version.clone()),
        strategy: plan.strategy.to_string(),
        hash: plan.hash(),
        steps,
        way_back,
    })
}
