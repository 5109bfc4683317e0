//! What a rollout will do, from the settings, the journal and what is seen; and `plan`, which shows it.

use std::time::Duration;

use super::answer::PlanAnswer;
use super::ground::AnyTarget;
use super::place::Place;
use super::release::{self, Wanted};
use crate::cli::{Common, ReleaseArgs};
use crate::error::Error;
use crate::report::words;
use crate::rollout::strategy::{self, Setting, StrategyName};
use crate::rollout::{Budgets, Environment, Observation, Plan, Release, Weight};
use crate::settings::TargetSettings;
use crate::target::Target as _;

/// What a plan rests on besides the settings, the journal and what is seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    /// How many instances carry all of the traffic.
    pub instances: u32,
    /// What is there already, was not brought by Tidegate, and is gone back to.
    pub baseline: Option<Release>,
}

impl Basis {
    /// Asks the target.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn of(
        place: &Place,
        environment: &Environment,
        target: &AnyTarget,
        wanted: &Wanted,
    ) -> Result<Self, Error> {
        let instances = match (&place.environment.target, target, &wanted.bundle) {
            (TargetSettings::Local(local), ..) => local.instances,
            (_, AnyTarget::Kubernetes(target), Some(bundle)) => target.instances(bundle).await?,
            _ => carried(environment),
        };
        let baseline = match (target, &wanted.bundle) {
            (AnyTarget::Kubernetes(target), Some(bundle)) if environment.stable().is_none() => {
                target.baseline(bundle).await?
            }
            _ => None,
        };
        Ok(Self { instances, baseline })
    }

    /// Where nothing runs that could be asked.
    fn unseen(place: &Place, environment: &Environment) -> Self {
        let instances = match &place.environment.target {
            TargetSettings::Local(local) => local.instances,
            TargetSettings::Kubernetes(_) => carried(environment),
        };
        Self { instances, baseline: None }
    }
}

/// How many instances carried the traffic when a release was promoted last.
fn carried(environment: &Environment) -> u32 {
    let promoted = environment.rollouts.iter().filter_map(|rollout| Some((rollout.promoted?, rollout)));
    promoted.max_by_key(|(at, _)| *at).map_or(1, |(_, rollout)| rollout.plan.instances)
}

/// Whether that release is the live one, and serves.
#[must_use]
pub fn is_live(environment: &Environment, candidate: &Release, seen: &Observation) -> bool {
    let stable = environment.stable().is_some_and(|stable| stable.id == candidate.id);
    let serves = seen.weights.get(&candidate.id).is_some_and(|weight| *weight == Weight::FULL);
    stable && serves && seen.sets.get(&candidate.id).is_some_and(|set| set.ready > 0)
}

/// The plan that brings `candidate` live, given what the journal says and what is seen.
#[must_use]
pub fn plan(
    place: &Place,
    environment: &Environment,
    candidate: Release,
    seen: &Observation,
    basis: Basis,
) -> Plan {
    let settings = &place.environment;
    let Basis { instances, baseline } = basis;
    let setting = Setting { instances, verify: settings.verify.clone(), keep: settings.keep };
    let ready = |release: &Release| seen.sets.get(&release.id).map_or(0, |set| set.ready);
    let known = environment.stable().filter(|stable| stable.id != candidate.id).cloned();
    let compared = known.as_ref().is_some_and(|stable| ready(stable) > 0);
    let kept = ready(&candidate);
    let again = known.is_some() && kept >= setting.instances;
    let stable = known.or(baseline);
    let name = settings.strategy.name();
    let in_place = !again && replaces(&settings.target) && (!compared || takes_turns(name));
    let (strategy, steps) = match () {
        () if again => (StrategyName::BlueGreen, strategy::at_once(&setting)),
        () if in_place => (name, strategy::in_place(&setting, stable.is_some())),
        () if compared => (name, settings.strategy.compile(&setting)),
        () => (name, strategy::first(&setting)),
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
        in_place,
        steps,
        budgets: budgets(settings.budgets, settings.health.as_ref().map(|health| health.start_within)),
    }
}

/// Whether the target can replace the instances of a release by those of another itself.
const fn replaces(target: &TargetSettings) -> bool {
    matches!(target, TargetSettings::Kubernetes(_))
}

/// Whether the strategy leaves it to the target how one release's instances give way to the other's.
const fn takes_turns(strategy: StrategyName) -> bool {
    matches!(strategy, StrategyName::Rolling | StrategyName::Recreate)
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
pub async fn show(common: &Common, arguments: &ReleaseArgs) -> Result<PlanAnswer, Error> {
    let place = Place::find(common, arguments.environment.as_deref()).await?;
    let wanted = release::describe(&place, arguments.version.as_deref())?;
    let environment = place.ground.replay().await?;
    let (seen, basis) = match place.ground.existing_target().await {
        Some(target) => (
            target.observe(None, Duration::ZERO).await?,
            Basis::of(&place, &environment, &target, &wanted).await?,
        ),
        None => (Observation::default(), Basis::unseen(&place, &environment)),
    };
    let candidate = wanted.release;
    let live = is_live(&environment, &candidate, &seen);
    let plan = plan(&place, &environment, candidate, &seen, basis);
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
