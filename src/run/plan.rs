//! What a rollout will do, from the settings, the journal and what is seen; and `plan`, which shows it.

use std::time::Duration;

use super::answer::{MigrationAnswer, PlanAnswer, ProblemAnswer, image_of};
use super::ground::{AnyTarget, Ground};
use super::migrations::{Planned, Readiness};
use super::place::Place;
use super::policy::Findings;
use super::preflight;
use super::release::{self, Asked, Wanted};
use crate::cli::{Common, ReleaseArgs};
use crate::error::Error;
use crate::report::words;
use crate::rollout::strategy::{self, Setting, StrategyName};
use crate::rollout::{Budgets, Environment, Observation, Plan, Release, Weight};
use crate::settings::{EnvironmentSettings, TargetSettings};
use crate::target::Target as _;
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::preview::Forecast;

/// What a plan rests on besides the settings, the journal and what is seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    /// How many instances carry all of the traffic.
    pub instances: u32,
    /// What is there already, was not brought by Tidegate, and is gone back to.
    pub baseline: Option<Release>,
    /// Its objects.
    pub found: Option<Bundle>,
    /// The release was here before, and is gone back to by hand.
    pub returns: bool,
}

impl Basis {
    /// Asks the target. Nothing is written.
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
        let found = match (target, &wanted.bundle) {
            (AnyTarget::Kubernetes(target), Some(bundle)) if environment.stable().is_none() => {
                target.baseline(bundle).await?
            }
            _ => None,
        };
        let (baseline, found) = found.unzip();
        // Of a release that is put together anew its objects are known; those of an earlier one are kept.
        let returns = matches!(target, AnyTarget::Kubernetes(_)) && wanted.bundle.is_none();
        Ok(Self { instances, baseline, found, returns })
    }

    /// Has the target keep what it will need to go back to.
    ///
    /// # Errors
    /// When the target does not keep it.
    pub async fn keep(&self, target: &AnyTarget) -> Result<(), Error> {
        match (target, &self.baseline, &self.found) {
            (AnyTarget::Kubernetes(target), Some(release), Some(found)) => {
                Ok(target.keep_found(release, found).await?)
            }
            _ => Ok(()),
        }
    }

    /// Where nothing runs that could be asked.
    fn unseen(place: &Place, environment: &Environment) -> Self {
        let instances = match &place.environment.target {
            TargetSettings::Local(local) => local.instances,
            TargetSettings::Kubernetes(_) => carried(environment),
        };
        Self { instances, baseline: None, found: None, returns: false }
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
    app: &str,
    settings: &EnvironmentSettings,
    environment: &Environment,
    candidate: Release,
    seen: &Observation,
    basis: &Basis,
    migrations: Option<&Planned>,
) -> Plan {
    let setting =
        Setting { instances: basis.instances, verify: settings.verify.clone(), keep: settings.keep };
    let ready = |release: &Release| seen.sets.get(&release.id).map_or(0, |set| set.ready);
    let known = environment.stable().filter(|stable| stable.id != candidate.id).cloned();
    let compared = known.as_ref().is_some_and(|stable| ready(stable) > 0);
    let kept = ready(&candidate);
    let again = known.is_some() && kept >= setting.instances;
    let stable = known.or_else(|| basis.baseline.clone());
    let name = settings.strategy.name();
    let in_place = !again && replaces(&settings.target) && (!compared || takes_turns(name));
    let (strategy, steps) = match () {
        () if again => (StrategyName::BlueGreen, strategy::at_once(&setting)),
        () if in_place => (name, strategy::in_place(&setting, stable.is_some())),
        () if compared => (name, settings.strategy.compile(&setting)),
        () => (name, strategy::first(&setting)),
    };
    let steps = match migrations {
        // What still runs has had its migrations.
        Some(planned) if !again => strategy::migrating(steps, &planned.migration, &planned.phases),
        _ => steps,
    };
    Plan {
        app: app.to_owned(),
        environment: settings.name.clone(),
        strategy,
        candidate,
        stable,
        instances: setting.instances,
        kept,
        keep: settings.keep,
        in_place,
        returns: basis.returns,
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
    let asked = arguments.asked();
    match shown(&place, asked).await {
        Err(error) => Err(preflight::all_rights(error, &place).await),
        answer => answer,
    }
}

async fn shown(place: &Place, asked: Asked<'_>) -> Result<PlanAnswer, Error> {
    let wanted = release::describe(place, asked).await?;
    let findings = Findings::of(place, &wanted);
    findings.warn();
    let environment = place.ground.replay().await?;
    let target = place.ground.existing_target().await;
    let (seen, basis) = match &target {
        Some(target) => (
            target.observe(None, Duration::ZERO).await?,
            Basis::of(place, &environment, target, &wanted).await?,
        ),
        None => (Observation::default(), Basis::unseen(place, &environment)),
    };
    let candidate = wanted.release.clone();
    let live = is_live(&environment, &candidate, &seen);
    let planned = wanted.migrations.as_ref();
    let plan = plan(&place.app, &place.environment, &environment, candidate, &seen, &basis, planned);
    let planned = planned.filter(|_| !live);
    let readiness = Readiness::of(planned, place, &plan, &plan.candidate).await;
    let mut forecast = Forecast::default();
    if let Some(target) = target.filter(|_| !live) {
        forecast = look_ahead(place, &target, &wanted, &plan, &basis).await?;
    }
    let refused = findings.refusal().map(ProblemAnswer::from);
    let steps =
        if live { Vec::new() } else { plan.steps.iter().map(|step| words::planned(&plan, step)).collect() };
    let way_back = match &plan.stable {
        _ if live => format!("{} is live already; there is nothing to do", plan.candidate.version),
        Some(stable) => format!("a failure takes everything back to {}", stable.version),
        None => "a failure takes the release away again; there is none to go back to".to_owned(),
    };
    let way_back = match readiness.sentence {
        Some(sentence) => format!("{way_back}; {sentence}"),
        None => way_back,
    };
    let (pending, problem) = (readiness.pending, readiness.problem.map(ProblemAnswer::from));
    Ok(PlanAnswer {
        app: plan.app.clone(),
        environment: plan.environment.clone(),
        version: plan.candidate.version.clone(),
        release: plan.candidate.id.to_string(),
        image: image_of(&plan.candidate),
        previous_version: plan.stable.as_ref().map(|stable| stable.version.clone()),
        strategy: plan.strategy.to_string(),
        hash: plan.hash(),
        steps,
        migrations: pending.into_iter().map(MigrationAnswer::from).collect(),
        way_back,
        changes: forecast.changes.into_iter().map(Into::into).collect(),
        problems: refused
            .into_iter()
            .chain(problem)
            .chain(forecast.problems.into_iter().map(Into::into))
            .collect(),
        warnings: forecast.warnings.into_iter().map(Into::into).collect(),
        findings: findings.sentences(),
    })
}

/// What the rollout would change in a cluster, and what would be in its way. Nothing is written.
async fn look_ahead(
    place: &Place,
    target: &AnyTarget,
    wanted: &Wanted,
    plan: &Plan,
    basis: &Basis,
) -> Result<Forecast, Error> {
    let (Ground::Cluster(cluster), AnyTarget::Kubernetes(kubernetes), Some(bundle)) =
        (&place.ground, target, &wanted.bundle)
    else {
        return Ok(Forecast::default());
    };
    let (verdict, forecast) = tokio::join!(
        preflight::ask(cluster, place, target, bundle, plan),
        kubernetes.forecast(plan, bundle, basis.found.as_ref()),
    );
    let (mut verdict, mut forecast) = (verdict?, forecast?);
    // Of an image that is made before the deploy it is known already that it is not there.
    let is_known =
        |repository: &str| plan.candidate.artifacts.iter().any(|artifact| artifact.name == repository);
    for image in place.images().filter(|image| image.is_made() && !is_known(&image.repository)) {
        // Not of another one whose name begins with that of this one.
        let is_it = |sentence: &str| {
            sentence.split(&image.repository).skip(1).any(|rest| rest.starts_with([':', '@']))
        };
        verdict.problems.retain(|problem| problem.code != "image-absent" || !is_it(&problem.sentence));
    }
    // What is told of the cluster as a whole is not told again of each object.
    let is_told = |code: &str| {
        matches!(code, "forbidden" | "not-found" | "unknown-kind")
            && verdict.problems.iter().any(|problem| problem.code == code)
    };
    forecast.problems.retain(|problem| !is_told(problem.code));
    forecast.problems.splice(0..0, verdict.problems);
    forecast.warnings.splice(0..0, verdict.warnings);
    Ok(forecast)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use jiff::Timestamp;

    use super::*;
    use crate::rollout::{Event, Fact, Rollout, RolloutId, SetView};
    use crate::settings::parse;

    fn settings(target: &str, strategy: &str) -> EnvironmentSettings {
        let text =
            format!("app: shop\nenvironments: {{ e: {{ target: {target}, strategy: {strategy} }} }}\n");
        parse(Path::new("tidegate.yaml"), &text).unwrap().environments.remove(0)
    }

    fn cluster(strategy: &str) -> EnvironmentSettings {
        settings("{ kubernetes: { manifests: deploy } }", strategy)
    }

    fn release(version: &str) -> Release {
        Release::new("shop", version, None, Vec::new(), serde_json::Value::Null, Timestamp::UNIX_EPOCH)
    }

    /// What is seen when so many instances of each are ready.
    fn seen(ready: &[(&str, u32)]) -> Observation {
        let set = |(version, ready): &(&str, u32)| {
            (release(version).id, SetView { desired: *ready, ready: *ready, ..SetView::default() })
        };
        Observation { sets: ready.iter().map(set).collect::<BTreeMap<_, _>>(), ..Observation::default() }
    }

    /// An environment to which v1 was brought with four instances.
    fn with_v1() -> Environment {
        let first = planned(&cluster("rolling"), &Environment::default(), "v1", &seen(&[]), None);
        let at = Timestamp::UNIX_EPOCH;
        let fact = Fact::Started { hash: first.hash(), plan: Box::new(first), by: "ada".into() };
        let event = Event { seq: 0, at, rollout: RolloutId::begun(at, 1), fact };
        let mut rollout = Rollout::replay([&event]).unwrap();
        rollout.promoted = Some(at);
        Environment { rollouts: vec![rollout] }
    }

    fn planned(
        settings: &EnvironmentSettings,
        known: &Environment,
        version: &str,
        seen: &Observation,
        baseline: Option<Release>,
    ) -> Plan {
        plan(
            "shop",
            settings,
            known,
            release(version),
            seen,
            &Basis { instances: 4, baseline, found: None, returns: false },
            None,
        )
    }

    #[test]
    fn a_cluster_replaces_pods_itself_where_nothing_is_compared() {
        let ready = seen(&[("v1", 4)]);
        for (strategy, in_place) in
            [("rolling", true), ("recreate", true), ("blue-green", false), ("canary", false)]
        {
            let settings = cluster(strategy);
            let plan = planned(&settings, &with_v1(), "v2", &ready, None);
            assert_eq!((plan.in_place, plan.strategy), (in_place, settings.strategy.name()), "{strategy}");
            assert_eq!(plan.stable, Some(release("v1")));
            let first = planned(&settings, &Environment::default(), "v1", &seen(&[]), None);
            assert!(first.in_place && first.stable.is_none(), "{strategy}: there is nothing to compare with");
            let down = planned(&settings, &with_v1(), "v2", &seen(&[]), None);
            assert!(
                down.in_place && down.stable.is_some(),
                "{strategy}: what is down cannot be compared with"
            );
            assert_eq!(
                down.steps,
                strategy::in_place(&Setting { instances: 4, verify: vec![], keep: settings.keep }, true)
            );
        }
    }

    #[test]
    fn what_was_there_before_tidegate_is_gone_back_to_but_not_compared_with() {
        let there = seen(&[("v0", 4)]);
        let plan = planned(&cluster("canary"), &Environment::default(), "v1", &there, Some(release("v0")));
        assert_eq!((plan.in_place, plan.stable), (true, Some(release("v0"))));
    }

    #[test]
    fn a_kept_set_comes_back_at_once() {
        let both = seen(&[("v1", 4), ("v2", 4)]);
        let plan = planned(&cluster("canary"), &with_v1(), "v2", &both, None);
        assert_eq!((plan.in_place, plan.strategy, plan.kept), (false, StrategyName::BlueGreen, 4));
    }

    #[test]
    fn this_machine_moves_the_traffic_for_every_strategy() {
        for strategy in ["rolling", "recreate", "blue-green", "canary"] {
            let settings = settings("{ local: { command: x, listen: \"127.0.0.1:1\" } }", strategy);
            for known in [Environment::default(), with_v1()] {
                assert!(!planned(&settings, &known, "v2", &seen(&[("v1", 4)]), None).in_place, "{strategy}");
            }
        }
    }

    #[test]
    fn a_way_back_wants_as_many_instances_as_there_were() {
        assert_eq!((carried(&with_v1()), carried(&Environment::default())), (4, 1));
    }
}
