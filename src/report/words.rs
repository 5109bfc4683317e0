//! Events in words: the one place where facts become sentences, so that every report says the same.

use crate::rollout::event::{Request, Way};
use crate::rollout::unwind::unwind;
use crate::rollout::{
    Action, Event, Fact, OutcomeKind, Plan, Release, ReleaseId, Role, Rollout, Split, Step, Verdict, Weight,
};

/// One sentence for the event; `None` for those that only the journal needs.
#[must_use]
pub fn sentence(rollout: &Rollout, event: &Event) -> Option<String> {
    let plan = &rollout.plan;
    Some(match &event.fact {
        Fact::Started { plan, by, .. } => {
            let place = plan
                .stable
                .as_ref()
                .map_or("as its first release".to_owned(), |s| format!("in place of {}", s.version));
            format!(
                "{by} rolls {} out to {} by {}, {place}",
                plan.candidate.version, plan.environment, plan.strategy
            )
        }
        Fact::Entered { way, step: index } => {
            // The event may be older than the present way: its own way tells which steps it counts.
            let steps = match way {
                Way::Forward => plan.steps.clone(),
                Way::Back => unwind(plan, rollout.reached),
            };
            let text = step(rollout, steps.get(*index)?);
            match way {
                Way::Forward => format!("step {} of {}: {text}", index + 1, steps.len()),
                Way::Back => format!("back, step {} of {}: {text}", index + 1, steps.len()),
            }
        }
        Fact::Acting { action: Action::Route { .. } | Action::Verify { .. } } | Fact::Acting { .. } => {
            return None;
        }
        Fact::Acted { action: Action::Route { weights } } => {
            let split = Split {
                stable: Weight::ZERO,
                candidate: weights.get(&plan.candidate.id).copied().unwrap_or_default(),
            };
            if weights.is_empty() {
                "requests are held at the router".to_owned()
            } else {
                format!("{} gets {}", plan.candidate.version, split.candidate)
            }
        }
        Fact::Acted { .. } | Fact::Looked { .. } | Fact::Left { .. } => return None,
        Fact::ActFailed { action, sentence, .. } => {
            format!("could not {}: {sentence}", self::action(rollout, action))
        }
        Fact::Migrated { migrated, .. } => migrated.sentence.clone(),
        Fact::Acknowledged { by, .. } => format!("{by} answers for the database"),
        Fact::Progressed { sentence } => sentence.clone(),
        Fact::Judged { judgement, .. } => format!("{}: {}", verdict(judgement.verdict), judgement.sentence),
        Fact::Asked(asked) => match asked.request {
            Request::Abort => format!("{} asks to go back", asked.by),
            Request::Cancel { signal } => format!("the command was told to stop (signal {signal})"),
            Request::Supersede { ref version } => format!("{} comes with {version}", asked.by),
            Request::Pause => format!("{} asks for a pause", asked.by),
            Request::GoOn { full: true } => format!("{} says to go on without further analysis", asked.by),
            Request::GoOn { full: false } => format!("{} says to go on", asked.by),
        },
        Fact::Paused { sentence } => format!("waits for a person: {sentence}"),
        Fact::Resumed { by } => format!("{by} takes it up again"),
        Fact::WentOn { by } => format!("{by} lets it go on"),
        Fact::Promoted => {
            format!("{} is now the good release of {}", plan.candidate.version, plan.environment)
        }
        Fact::TurnedBack { cause } => format!("goes back: {}", cause.sentence),
        Fact::GivenUp { sentence, .. } | Fact::Warned { sentence, .. } => format!("warning: {sentence}"),
        Fact::Finished { outcome } => format!("{}: {}", outcome.kind, outcome.sentence),
    })
}

/// How a rollout stands, in one sentence: how it ended, what it waits for, or what it is doing.
#[must_use]
pub fn standing(rollout: &Rollout) -> String {
    if let Some((_, outcome)) = &rollout.outcome {
        return outcome.sentence.clone();
    }
    if let Some((_, sentence)) = &rollout.paused {
        return format!("waits for a person: {sentence}");
    }
    let steps = rollout.steps();
    let back = if rollout.way == Way::Back { "back, " } else { "" };
    match rollout.step.as_ref().and_then(|current| Some((current.index, steps.get(current.index)?))) {
        Some((index, step)) => {
            format!("{back}step {} of {}: {}", index + 1, steps.len(), self::step(rollout, step))
        }
        None => format!("{back}{} of {} steps are done", rollout.done, steps.len()),
    }
}

/// What a way back from where it stands would be, in one sentence.
#[must_use]
pub fn way_back(rollout: &Rollout) -> String {
    let plan = &rollout.plan;
    let (environment, candidate) = (&plan.environment, &plan.candidate.version);
    let stable = plan.stable.as_ref().map(|release| release.version.as_str());
    match (rollout.outcome.as_ref(), stable) {
        (Some((_, outcome)), _) if outcome.kind == OutcomeKind::Stuck => {
            format!("tidegate resume {environment} goes on with it, once a person has mended the cause")
        }
        (Some(_), Some(stable)) if rollout.promoted.is_some() && rollout.contracted().is_some() => {
            format!("there is no safe way back to {stable}: contract migrations of {candidate} have run")
        }
        (Some((at, _)), Some(stable)) if rollout.promoted.is_some() => {
            let kept = plan.steps.iter().find_map(|step| match step {
                Step::Retire { role: Role::Stable, instances: 0, after } if !after.is_zero() => Some(*after),
                _ => None,
            });
            let until = kept.and_then(|kept| at.checked_add(kept).ok());
            let how = match until {
                Some(until) => format!("at once until {}, started anew later", until.strftime("%F %T UTC")),
                None => "started anew".to_owned(),
            };
            format!("tidegate rollback {environment} brings {stable} back: {how}")
        }
        (Some(_), None) if rollout.promoted.is_some() => {
            "there is no earlier release to go back to".to_owned()
        }
        (Some(_), Some(stable)) => format!("done: {stable} serves"),
        (Some(_), None) => "done: nothing is left of it".to_owned(),
        (None, Some(stable)) => {
            format!("tidegate abort {environment} takes {candidate} back, and {stable} serves")
        }
        (None, None) => format!("tidegate abort {environment} takes {candidate} away"),
    }
}

/// The step with the versions' names in it.
#[must_use]
pub fn step(rollout: &Rollout, step: &Step) -> String {
    planned(&rollout.plan, step)
}

/// As [`step`], for a plan that is not run yet.
#[must_use]
pub fn planned(plan: &Plan, step: &Step) -> String {
    let stable = plan.stable.as_ref().map_or("stable", |release| release.version.as_str());
    let name = |word: &str| match word {
        "candidate" => plan.candidate.version.clone(),
        "stable" => stable.to_owned(),
        other => other.to_owned(),
    };
    step.to_string().split(' ').map(name).collect::<Vec<_>>().join(" ")
}

/// The action with the versions' names in it.
#[must_use]
pub fn action(rollout: &Rollout, action: &Action) -> String {
    let mut text = action.to_string();
    for release in rollout.plan.stable.iter().chain([&rollout.plan.candidate]) {
        text = text.replace(release.id.as_str(), &release.version);
    }
    text
}

/// The verdict's name.
#[must_use]
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NoData => "no data",
    }
}

/// The version of that release, as far as the rollout knows it.
#[must_use]
pub fn version<'a>(rollout: &'a Rollout, id: &ReleaseId) -> Option<&'a str> {
    let known = |release: &&'a Release| release.id == *id;
    rollout
        .plan
        .stable
        .iter()
        .chain([&rollout.plan.candidate])
        .find(known)
        .map(|release| release.version.as_str())
}
