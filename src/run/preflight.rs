//! Before a rollout in a cluster: everything that would be refused on the way is asked for now, and told at once.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::ground::{AnyTarget, Cluster, Ground};
use super::place::Place;
use super::release::{self, Wanted};
use super::session::Session;
use crate::error::{Error, ErrorKind};
use crate::rollout::gate::Probe;
use crate::rollout::strategy::Strategy;
use crate::rollout::{Condition, Plan};
use crate::settings::{EnvironmentSettings, MigrationRunner, RouterKind, TargetSettings, TrafficSettings};
use crate::target::TargetError;
use crate::target::kubernetes::CountSource;
use crate::target::kubernetes::bundle::Bundle;
use crate::target::kubernetes::preflight::{Feature, Needs, Verdict, look_up, preflight};

/// After how long it is told that registries are waited for.
const TELL: Duration = Duration::from_secs(3);
/// How often a signal is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// Asks, and gives up when something stands in the way of the plan. Nothing is changed. A release that was deployed before is not
/// asked about: nothing is to delay a way back.
///
/// # Errors
/// With all that stands in the way; when the command is told to stop meanwhile.
pub async fn demand(
    session: &Session,
    target: &AnyTarget,
    wanted: &Wanted,
    plan: &Plan,
) -> Result<(), Error> {
    let (Ground::Cluster(cluster), Some(bundle)) = (&session.place.ground, &wanted.bundle) else {
        return Ok(());
    };
    let asked = ask(cluster, &session.place, target, bundle, plan);
    let verdict = unless_told_to_stop(session, asked).await??;
    for warning in &verdict.warnings {
        let hint = warning.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
        tracing::warn!("{}: {}{hint}", warning.code, warning.sentence);
    }
    refusal(verdict.problems).map_or(Ok(()), Err)
}

/// Asks what can be asked without a plan, where another release is under way: that one is not to be taken back for one that the
/// cluster would refuse. Nothing is changed.
///
/// # Errors
/// With all that stands in the way.
pub async fn before_superseding(place: &Place, wanted: &Wanted) -> Result<(), Error> {
    let (Ground::Cluster(cluster), Some(bundle)) = (&place.ground, &wanted.bundle) else { return Ok(()) };
    let environment = place.ground.replay().await?;
    if environment.open().is_none_or(|open| open.plan.candidate.id == wanted.release.id) {
        return Ok(());
    }
    let (client, namespace) = (&cluster.client, &cluster.config.namespace);
    let images = telling(look_up(client, namespace, bundle.objects())).await?;
    let needs = Needs { images, ..needs_of(place, bundle) };
    let verdict = preflight(client, namespace, bundle.objects(), &needs).await;
    refusal(verdict.problems).map_or(Ok(()), Err)
}

/// What the cluster would refuse of a plan, and what may be wrong.
///
/// # Errors
/// When the cluster cannot be looked at.
pub async fn ask(
    cluster: &Cluster,
    place: &Place,
    target: &AnyTarget,
    bundle: &Bundle,
    plan: &Plan,
) -> Result<Verdict, Error> {
    let (client, namespace) = (&cluster.client, &cluster.config.namespace);
    let extra_pods = match target {
        AnyTarget::Kubernetes(target) => target.extra_pods(plan, bundle).await?,
        AnyTarget::Local(_) => BTreeMap::new(),
    };
    let images = telling(look_up(client, namespace, bundle.objects())).await?;
    let needs = Needs { extra_pods, images, ..needs_of(place, bundle) };
    Ok(preflight(client, namespace, bundle.objects(), &needs).await)
}

/// Waits for the registries, and says so when that takes long.
async fn telling<T>(asked: impl Future<Output = T>) -> T {
    let mut asked = pin!(asked);
    if let Ok(found) = tokio::time::timeout(TELL, &mut asked).await {
        return found;
    }
    tracing::warn!("a registry has not told of its images for {TELL:?}; it is waited for, up to a minute");
    asked.await
}

async fn unless_told_to_stop<T>(session: &Session, work: impl Future<Output = T>) -> Result<T, Error> {
    let stopped = async {
        loop {
            if let Some(signal) = session.signal() {
                return signal;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        done = work => Ok(done),
        signal = stopped => Err(Error::new(
            ErrorKind::Cancelled(signal),
            "cancelled",
            "the command was told to stop before the rollout had begun; nothing was changed",
        )),
    }
}

/// What Tidegate is going to do, and where.
fn needs_of(place: &Place, bundle: &Bundle) -> Needs {
    let watchdog = place.watchdog.as_ref().map(|_| Feature::Watchdog);
    let preview = place.environment.preview.as_ref();
    let database = preview.and_then(|preview| preview.database.as_ref()).map(|_| Feature::OwnDatabase);
    let front = preview.and_then(|preview| preview.front.image.as_ref()).map(|_| Feature::Front);
    let preview = preview.map(|_| Feature::Previews);
    let features = features(&place.environment, bundle)
        .into_iter()
        .chain(watchdog)
        .chain(preview)
        .chain(database)
        .chain(front)
        .collect();
    let routers = match &place.ground {
        Ground::Cluster(cluster) => match &cluster.config.counts {
            CountSource::Routers(source) => Some(source.clone()),
            CountSource::Pods | CountSource::Prometheus(_) => None,
        },
        Ground::Machine(_) => None,
    };
    Needs { features, routers, ..Needs::default() }
}

/// What Tidegate is going to do in the cluster, by the settings and the manifests.
fn features(settings: &EnvironmentSettings, bundle: &Bundle) -> Vec<Feature> {
    let TargetSettings::Kubernetes(cluster) = &settings.target else { return Vec::new() };
    let sets = matches!(settings.strategy, Strategy::Canary(_) | Strategy::BlueGreen(_));
    let before = settings.strategy.before().iter().any(Condition::needs_address);
    let is_errand =
        |one: &Condition| matches!(one, Condition::Gate(gate) if matches!(gate.probe, Probe::Job { .. }));
    let has_errands = settings.conditions().any(is_errand);
    let secret = bundle.objects().iter().any(|one| one.key.kind == "Secret" && one.key.group().is_empty());
    // A Prometheus is asked past the API server.
    let compares = settings.strategy.comparison().is_some();
    let asks_routers = cluster.metrics.as_ref().is_some_and(|metrics| metrics.routers().is_some());
    let migrations = settings.migrate.as_ref().map(|migrate| &migrate.runner);
    let is_job = matches!(migrations, Some(MigrationRunner::Job { .. }));
    let wanted = [
        (true, Feature::Look),
        (true, Feature::Deploy),
        (secret, Feature::Secrets),
        (sets, Feature::Sets),
        (compares && cluster.metrics.is_none(), Feature::Comparison),
        (compares && asks_routers, Feature::RouterCounts),
        (before, Feature::DirectChecks),
        (is_job || has_errands, Feature::Jobs),
    ];
    let wanted = wanted.into_iter().filter_map(|(is_wanted, feature)| is_wanted.then_some(feature));
    wanted.chain(router(&cluster.traffic)).collect()
}

/// What it needs to tell the router in front of the Service.
fn router(traffic: &TrafficSettings) -> Option<Feature> {
    let TrafficSettings::Router { router, .. } = traffic else { return None };
    Some(match router {
        RouterKind::GatewayApi => Feature::GatewayApi,
        RouterKind::IngressNginx => Feature::IngressNginx,
        RouterKind::Traefik => Feature::Traefik,
        RouterKind::Istio => Feature::Istio,
    })
}

/// One error with all problems, if there are any.
fn refusal(problems: Vec<TargetError>) -> Option<Error> {
    let first = problems.first()?;
    let is_right = |problem: &TargetError| ErrorKind::of(problem.code) == ErrorKind::Refused;
    let kind = if problems.iter().any(is_right) { ErrorKind::Refused } else { ErrorKind::Failed };
    let code = if problems.iter().all(|one| one.code == first.code) { first.code } else { "preflight" };
    let sentence = match problems.as_slice() {
        [only] => only.sentence.clone(),
        all => {
            let lines: Vec<String> =
                all.iter().map(|one| format!("\n  {}: {}", one.code, one.sentence)).collect();
            format!("nothing was begun, for {} things stand in the way:{}", all.len(), lines.concat())
        }
    };
    let mut hints: Vec<String> = problems.into_iter().filter_map(|one| one.hint).collect();
    hints.dedup();
    Some(hints.into_iter().fold(Error::new(kind, code, sentence), Error::hint))
}

/// Of an identity that may not even do the first thing: all rights that it lacks, in place of the one that it ran into.
pub async fn all_rights(error: Error, place: &Place) -> Error {
    let (Ground::Cluster(cluster), "forbidden", ErrorKind::Refused) =
        (&place.ground, error.code.as_str(), error.kind)
    else {
        return error;
    };
    let Ok(bundle) = release::without_image(cluster, place) else { return error };
    let needs = needs_of(place, &bundle);
    let verdict = preflight(&cluster.client, &cluster.config.namespace, bundle.objects(), &needs).await;
    let rights = verdict.problems.into_iter().find(|problem| problem.code == "forbidden");
    rights.map_or(error, Error::from)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::run::ground::config;
    use crate::settings::{KubernetesSettings, parse};
    use crate::target::kubernetes::manifests;

    const WEB: &str = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: { name: web }\n";

    fn features_by(manifests: &str, target: &str, more: &str) -> Vec<Feature> {
        let target = format!("kubernetes: {{ manifests: deploy, {target} }}");
        let text = format!("app: shop\nenvironments: {{ e: {{ target: {{ {target} }}, {more} }} }}\n");
        let settings = parse(Path::new("tidegate.yaml"), &text).unwrap_or_else(|error| panic!("{error}"));
        let TargetSettings::Kubernetes(cluster) = &settings.environments[0].target else { panic!() };
        let plain =
            KubernetesSettings { traffic: TrafficSettings::Service { name: None }, ..cluster.clone() };
        let config = config("shop", "e", "shop".to_owned(), &plain);
        let bundle = Bundle::new(manifests::parse(Path::new("x.yaml"), manifests).unwrap(), &config).unwrap();
        features(&settings.environments[0], &bundle)
    }

    #[test]
    fn only_what_the_settings_need_is_asked_for() {
        use Feature::{Comparison, Deploy, DirectChecks, GatewayApi, Look, Secrets, Sets};
        let service = "traffic: service";
        assert_eq!(features_by(WEB, service, "strategy: rolling"), [Look, Deploy]);
        assert_eq!(features_by(WEB, service, "strategy: recreate"), [Look, Deploy]);
        assert_eq!(features_by(WEB, service, "strategy: blue-green"), [Look, Deploy, Sets]);
        let secret = format!("{WEB}---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: own }}\n");
        assert_eq!(features_by(&secret, service, "strategy: rolling"), [Look, Deploy, Secrets]);
        let all = "strategy: { canary: { weights: [5], compare: { errors: 1% }, before: [{ get: / }] } }";
        assert_eq!(
            features_by(WEB, "traffic: { gateway-api: { route: shop } }", all),
            [Look, Deploy, Sets, Comparison, DirectChecks, GatewayApi]
        );
        assert_eq!(
            features_by(WEB, "metrics: { prometheus: { address: \"http://p:9090\" } }", all),
            [Look, Deploy, Sets, DirectChecks],
            "the pods are not asked"
        );
        assert_eq!(
            features_by(
                WEB,
                "traffic: { gateway-api: { route: shop } }, metrics: { routers: { counter: contour } }",
                all
            ),
            [Look, Deploy, Sets, Feature::RouterCounts, DirectChecks, GatewayApi]
        );
        assert_eq!(
            features_by(
                WEB,
                "traffic: { traefik: { ingress-route: shop } }",
                "strategy: { canary: { compare: false } }"
            ),
            [Look, Deploy, Sets, Feature::Traefik]
        );
    }

    fn problem(code: &'static str, hint: &str) -> TargetError {
        TargetError { code, sentence: format!("{code} happened"), hint: Some(hint.to_owned()), fatal: true }
    }

    #[test]
    fn all_problems_stand_in_one_error() {
        assert!(refusal(Vec::new()).is_none());
        let one = refusal(vec![problem("image-absent", "push it")]).unwrap();
        assert_eq!(
            (one.code.as_str(), one.kind, one.sentence.as_str()),
            ("image-absent", ErrorKind::Failed, "image-absent happened")
        );
        let same =
            refusal(vec![problem("image-absent", "push it"), problem("image-absent", "push it")]).unwrap();
        assert_eq!((same.code.as_str(), same.hints.len()), ("image-absent", 1));
        let both = refusal(vec![problem("image-absent", "push it"), problem("forbidden", "ask")]).unwrap();
        assert_eq!((both.code.as_str(), both.kind), ("preflight", ErrorKind::Refused));
        assert_eq!(
            both.sentence,
            "nothing was begun, for 2 things stand in the way:\n  image-absent: image-absent happened\n  forbidden: forbidden happened"
        );
        assert_eq!(both.hints, ["push it", "ask"]);
    }
}
