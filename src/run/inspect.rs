//! `status` and `history`: looks without touching.

use std::time::Duration;

use super::answer::{
    DriftAnswer, HistoryAnswer, HistoryEntry, OpenAnswer, SetAnswer, StatusAnswer, gates, image_of,
};
use super::ground::AnyTarget;
use super::place::Place;
use crate::cli::{Common, EnvironmentArgs, HistoryArgs};
use crate::error::Error;
use crate::journal::Journal as _;
use crate::report::words;
use crate::rollout::event::Way;
use crate::rollout::{Environment, Event, Observation, Rollout};
use crate::target::Target as _;

/// What runs in an environment now.
///
/// # Errors
/// When the configuration or the journal is wrong.
pub async fn status(common: &Common, arguments: &EnvironmentArgs) -> Result<StatusAnswer, Error> {
    let place = Place::find(common, arguments.environment.as_deref()).await?;
    let environment = place.ground.replay().await?;
    let target = place.ground.existing_target().await;
    let seen = match &target {
        Some(target) => Some(target.observe(None, Duration::ZERO).await?),
        None => None,
    };
    let may_sleep = place.environment.preview.as_ref().is_some_and(|preview| preview.front.sleep.is_some());
    let asleep = match &target {
        Some(target) if may_sleep => target.is_asleep().await?,
        _ => false,
    };
    let drift = match &target {
        Some(target) => drift(target, &environment).await,
        None => None,
    };
    let holder = place.ground.sight().await?.map(|sighting| sighting.holder);
    let closed = place.ground.hold().await?;
    let last = environment.open().or(environment.stuck());
    Ok(StatusAnswer {
        app: place.app.clone(),
        environment: place.environment.name.clone(),
        live: environment.stable().map(|release| release.version.clone()),
        image: environment.stable().and_then(image_of),
        url: environment.stable().and_then(|_| place.url()),
        reachable: seen.is_some(),
        asleep,
        sets: seen.map(|seen| sets(&environment, &seen)).unwrap_or_default(),
        rollout: last.map(open),
        locked_by: holder
            .map(|holder| format!("{} works on it since {}: {}", holder.name, holder.since, holder.reason)),
        schema_hold: environment.schema_hold().map(|(_, migrated)| migrated.sentence.clone()),
        closed: closed.map(|hold| format!("closed by {} at {}: {}", hold.by, hold.since, hold.reason)),
        drift,
    })
}

/// What is no longer as the live release was applied. While a rollout is under way or stuck, everything is on its way.
async fn drift(target: &AnyTarget, environment: &Environment) -> Option<Vec<DriftAnswer>> {
    let (AnyTarget::Kubernetes(target), Some(live)) = (target, environment.stable()) else { return None };
    if environment.open().or(environment.stuck()).is_some() {
        return None;
    }
    let recreate = environment.rollouts.last().is_some_and(|last| last.plan.exclusive());
    match target.drift(live, recreate).await {
        Ok(found) => Some(found.into_iter().map(Into::into).collect()),
        Err(error) if error.code == "forbidden" => {
            tracing::debug!("drift is not looked for: {error}");
            None
        }
        Err(error) => {
            tracing::warn!("it cannot be told whether anything has drifted: {error}");
            None
        }
    }
}

fn sets(environment: &Environment, seen: &Observation) -> Vec<SetAnswer> {
    let answer = |(id, set): (&crate::rollout::ReleaseId, &crate::rollout::SetView)| SetAnswer {
        version: environment.rollouts.iter().rev().find_map(|r| words::version(r, id)).map(str::to_owned),
        release: id.to_string(),
        weight_percent: f64::from(seen.weights.get(id).copied().unwrap_or_default().basis_points()) / 100.0,
        desired: set.desired,
        ready: set.ready,
        running: set.running,
        in_flight: set.in_flight,
        retire_at: set.retire_at.map(|at| at.strftime("%F %T UTC").to_string()),
        trouble: set.trouble.as_ref().map(|trouble| trouble.sentence.clone()),
    };
    let mut sets: Vec<SetAnswer> = seen.sets.iter().map(answer).collect();
    // The one that serves most comes first: the target orders by digests, which say nothing to a person.
    sets.sort_by(|a, b| {
        b.weight_percent.total_cmp(&a.weight_percent).then_with(|| a.version.cmp(&b.version))
    });
    sets
}

fn open(rollout: &Rollout) -> OpenAnswer {
    let phase = match (&rollout.outcome, &rollout.paused, rollout.way) {
        (Some(_), _, _) => "stuck",
        (None, Some(_), _) => "paused",
        (None, None, Way::Forward) => "forward",
        (None, None, Way::Back) => "back",
    };
    let steps = rollout.steps();
    let step = rollout.step.as_ref().and_then(|current| steps.get(current.index));
    let ended = rollout.outcome.as_ref().map(|(_, outcome)| outcome.sentence.clone());
    let waits = rollout.paused.as_ref().map(|(_, sentence)| sentence.clone());
    OpenAnswer {
        id: rollout.id.to_string(),
        version: rollout.plan.candidate.version.clone(),
        phase: phase.to_owned(),
        step: step.map(|step| words::step(rollout, step)),
        started: rollout.started.to_string(),
        why: ended.or(waits).or_else(|| rollout.cause.as_ref().map(|cause| cause.sentence.clone())),
    }
}

/// What was rolled out, newest first.
///
/// # Errors
/// When the configuration or the journal is wrong.
pub async fn history(common: &Common, arguments: &HistoryArgs) -> Result<HistoryAnswer, Error> {
    let place = Place::find(common, arguments.environment.as_deref()).await?;
    let environment = place.ground.replay().await?;
    let histories = match place.ground.existing_journal() {
        Some(journal) if arguments.events => journal.histories().await?,
        _ => Vec::new(),
    };
    let newest = environment.rollouts.iter().rev().take(arguments.number);
    let rollouts = newest.map(|rollout| {
        let events = histories.iter().find(|events| events.first().is_some_and(|e| e.rollout == rollout.id));
        entry(rollout, events.map_or(&[], Vec::as_slice))
    });
    Ok(HistoryAnswer { environment: place.environment.name.clone(), rollouts: rollouts.collect() })
}

fn entry(rollout: &Rollout, events: &[Event]) -> HistoryEntry {
    let plan = &rollout.plan;
    let ended = rollout.outcome.as_ref();
    let line = |event: &Event| words::sentence(rollout, event).map(|text| format!("{} {text}", event.at));
    HistoryEntry {
        id: rollout.id.to_string(),
        started: rollout.started.strftime("%F %T UTC").to_string(),
        seconds: ended.map(|(at, _)| at.duration_since(rollout.started).as_secs_f64()),
        version: plan.candidate.version.clone(),
        previous_version: plan.stable.as_ref().map(|release| release.version.clone()),
        image: image_of(&plan.candidate),
        strategy: plan.strategy.to_string(),
        by: rollout.by.clone(),
        outcome: ended.map_or("open".to_owned(), |(_, outcome)| outcome.kind.to_string()),
        reason: ended.map(|(_, outcome)| outcome.reason.clone()),
        sentence: ended.map(|(_, outcome)| outcome.sentence.clone()),
        gates: gates(rollout),
        events: events.iter().filter_map(line).collect(),
    }
}
