//! Before anything is applied: everything that the cluster would refuse later, asked for now and told at once.
//!
//! ```text
//! namespaces there? ─┐
//! kinds there? → rights given? ─┤
//! room in the quotas? ──────────┼→ Verdict
//! a node for each image and pod? ┤
//! images there? (asked before) ─┘
//! ```
//! What this identity may not look at, but could do without (namespaces, nodes, quotas), is left out with a word in the log.

mod images;
mod kinds;
mod need;
mod nodes;
mod quantity;
mod quota;
mod rights;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Error};

pub use images::{look_up, pull_credentials};
pub use need::{Feature, Need};

use super::manifests::{Key, Object};
use super::meter::{RouterSource, objection};
use crate::cluster::{Trouble, patiently, trouble};
use crate::registry::Image;
use crate::target::TargetError;

/// What a rollout is going to need, beside the objects.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// What Tidegate is to do.
    pub features: Vec<Feature>,
    /// The router whose pods are asked, for [`Feature::RouterCounts`].
    pub routers: Option<RouterSource>,
    /// How many pods there will be at most beyond those that run now, by workload. Workloads that are not named add none.
    pub extra_pods: BTreeMap<Key, u32>,
    /// What the registries say of the images, as [`look_up`] found it. Images that are not named are not judged.
    pub images: BTreeMap<String, Image>,
}

/// What the cluster would refuse.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What stands in the way. Those whose `fatal` is false may pass by themselves: an API server that does not answer.
    pub problems: Vec<TargetError>,
    /// What may be wrong: an image of which nothing can be told from here, nodes that cannot run an image.
    pub warnings: Vec<TargetError>,
}

/// Asks the cluster for everything that the objects need. Nothing is changed. `namespace` is that of objects that name none.
pub async fn preflight(client: &Client, namespace: &str, objects: &[Object], needs: &Needs) -> Verdict {
    let wanted: Vec<(&Object, u32)> = objects
        .iter()
        .filter_map(|object| Some((object, *needs.extra_pods.get(&object.key)?)))
        .filter(|(_, extra)| *extra > 0)
        .collect();
    let (places, (unknown, rights), quotas, nodes, silence) = tokio::join!(
        namespaces(client, namespace, objects),
        kinds_and_rights(client, namespace, objects, needs),
        quota::check(client, namespace, &wanted),
        nodes::check(client, objects, &needs.images),
        silent_router(client, namespace, needs),
    );
    let mut verdict = nodes;
    images::judge(objects, &needs.images, &mut verdict);
    let found = [places, unknown, rights, quotas, silence, std::mem::take(&mut verdict.problems)];
    verdict.problems = distinct(found.into_iter().flatten());
    verdict
}

/// A router that shows no counts lets no canary pass: that is better known before one has traffic.
async fn silent_router(client: &Client, namespace: &str, needs: &Needs) -> Vec<TargetError> {
    let asked = needs.routers.as_ref().filter(|_| needs.features.contains(&Feature::RouterCounts));
    let Some(source) = asked else { return Vec::new() };
    let silence = objection(client, source, namespace).await;
    let problem = |sentence| TargetError {
        code: "router-silent",
        sentence,
        hint: Some(
            "name its pods by `namespace`, `selector` and `port`, and see that it shows metrics".to_owned(),
        ),
        fatal: true,
    };
    silence.map(problem).into_iter().collect()
}

/// Each problem once; what is wrong with the connection as such, only the first that shows it.
fn distinct(problems: impl Iterator<Item = TargetError>) -> Vec<TargetError> {
    let mut seen = BTreeSet::new();
    problems
        .filter(|problem| {
            let of_all = matches!(problem.code, "unreachable" | "unauthorized");
            seen.insert((problem.code, if of_all { String::new() } else { problem.sentence.clone() }))
        })
        .collect()
}

/// The kinds that are not there, and the rights that are missing for those that are.
async fn kinds_and_rights(
    client: &Client,
    namespace: &str,
    objects: &[Object],
    needs: &Needs,
) -> (Vec<TargetError>, Vec<TargetError>) {
    let (found, mut unknown) = kinds::find(client, objects).await;
    if needs.features.contains(&Feature::Previews) {
        let shared = found.iter().filter(|(_, kind)| !kind.namespaced);
        unknown.extend(shared.map(|(object, _)| super::manifests::shared(object)));
    }
    let mut wanted = rights::Wanted::default();
    for feature in &needs.features {
        let routers = needs.routers.as_ref().filter(|_| *feature == Feature::RouterCounts);
        let namespace = routers.map_or(namespace, |routers| &routers.namespace);
        feature.needs().iter().for_each(|need| wanted.need(need, namespace));
    }
    found.iter().for_each(|(object, kind)| wanted.object(object, kind, namespace));
    (unknown, rights::missing(client, &wanted).await)
}

/// The namespaces that are neither there nor about to be made.
async fn namespaces(client: &Client, namespace: &str, objects: &[Object]) -> Vec<TargetError> {
    let named = objects.iter().filter_map(|object| object.key.namespace.as_deref());
    let wanted: BTreeSet<&str> = std::iter::once(namespace).chain(named).collect();
    let is_made = |name: &str| {
        objects
            .iter()
            .any(|one| one.key.group().is_empty() && one.key.kind == "Namespace" && one.key.name == name)
    };
    let api: Api<Namespace> = Api::all(client.clone());
    let mut problems = Vec::new();
    for name in wanted.into_iter().filter(|name| !is_made(name)) {
        let object = format!("namespace {name}");
        let (sentence, hint) = match patiently(|| api.get_opt(name)).await {
            Ok(Some(found)) if found.metadata.deletion_timestamp.is_some() => {
                (format!("{object} is being removed"), "wait until it is gone, and make it anew")
            }
            Ok(Some(_)) => continue,
            Ok(None) => (format!("{object} is not there"), "create it, or put it into the manifests"),
            Err(error) => {
                problems.extend(unless_forbidden("read", &object, &error));
                continue;
            }
        };
        problems.push(TargetError { code: "not-found", sentence, hint: Some(hint.to_owned()), fatal: true });
    }
    problems
}

/// What an answer means where the question may be left out: nothing, when this identity has no right to ask.
fn unless_forbidden(tried: &str, object: &str, error: &Error) -> Option<TargetError> {
    if matches!(error, Error::Api(status) if status.code == 403) {
        tracing::debug!(object, "not looked at before the rollout: this identity may not {tried} it");
        return None;
    }
    Some(told(trouble(tried, object, error)))
}

fn told(trouble: Trouble) -> TargetError {
    let Trouble { code, sentence, hint, passing } = trouble;
    TargetError { code, sentence, hint, fatal: !passing }
}

/// The namespace of an object.
fn namespace_of<'a>(object: &'a Object, namespace: &'a str) -> &'a str {
    object.key.namespace.as_deref().unwrap_or(namespace)
}
