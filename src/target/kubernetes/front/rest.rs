//! Sleep in a cluster: Deployments without pods. How many each had is written down before it lies down, and struck out once it is up again, so that
//! whoever dies in the middle leaves what the next one goes on from; every step may be done again.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, Error};
use serde_json::{Value, json};

use super::{NAME, PART};
use crate::cluster::{patiently, trouble};
use crate::target::TargetError;
use crate::target::kubernetes::apply::{HOLDER, told};

/// Annotation of the front's ConfigMap: until when nothing lies down, whoever comes.
const AWAKE: &str = "tidegate.dev/awake-until";
/// How the name of every Lease begins by which Tidegate holds an environment; an app may have Leases of its own.
const LOCKS: &str = "tidegate-";
/// So long a run that begins has for taking the lock, by which it is seen from then on.
const BEGINNING: Duration = Duration::from_secs(15 * 60);

/// What is written down of an app that may sleep.
#[derive(Debug, Default)]
struct Ledger {
    /// The Deployments that sleep, with how many instances each had.
    had: BTreeMap<String, i32>,
    /// Until then nothing lies down.
    awake_until: Option<Timestamp>,
}

async fn ledger(client: &Client, namespace: &str) -> Result<Ledger, TargetError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let there = patiently(|| api.get_opt(NAME)).await;
    let there = there.map_err(|error| told(trouble("read", &format!("ConfigMap {NAME}"), &error)))?;
    let Some(map) = there else { return Ok(Ledger::default()) };
    let had = map.data.into_iter().flatten().filter_map(|(name, had)| Some((name, had.parse().ok()?)));
    let until = map.metadata.annotations.and_then(|all| all.get(AWAKE)?.parse().ok());
    Ok(Ledger { had: had.collect(), awake_until: until })
}

/// Changes the ledger; tells whether there is one.
async fn write(client: &Client, namespace: &str, change: Value) -> Result<bool, TargetError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let (options, patch) = (options(), Patch::Merge(change));
    match patiently(|| api.patch(NAME, &options, &patch)).await {
        Ok(_) => Ok(true),
        Err(Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(told(trouble("write", &format!("ConfigMap {NAME}"), &error))),
    }
}

async fn scale(client: &Client, namespace: &str, name: &str, replicas: i32) -> Result<(), TargetError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let (options, patch) = (options(), Patch::Merge(json!({ "spec": { "replicas": replicas } })));
    match patiently(|| api.patch_scale(name, &options, &patch)).await {
        Ok(_) => Ok(()),
        // It went with a release.
        Err(Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(told(trouble("scale", &format!("deployment {name}"), &error))),
    }
}

fn options() -> PatchParams {
    PatchParams { field_manager: Some(HOLDER.to_owned()), ..PatchParams::default() }
}

/// The Deployments that sleep.
///
/// # Errors
/// What the API server says.
pub async fn asleep(client: &Client, namespace: &str) -> Result<Vec<String>, TargetError> {
    Ok(ledger(client, namespace).await?.had.into_keys().collect())
}

/// Has every Deployment but the front's own lie down.
///
/// # Errors
/// What the API server says; those before it sleep then.
pub async fn lie_down(client: &Client, namespace: &str) -> Result<(), TargetError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let every = ListParams::default().labels(&format!("!{PART}"));
    let listed = patiently(|| api.list(&every)).await;
    let listed =
        listed.map_err(|error| told(trouble("list", &format!("deployments of {namespace}"), &error)))?;
    for deployment in listed.items {
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let Some(name) = deployment.metadata.name.filter(|_| replicas > 0) else { continue };
        if !write(client, namespace, json!({ "data": { &name: replicas.to_string() } })).await? {
            let sentence =
                format!("there is no ConfigMap {NAME} to write down in how many instances {name} has");
            let hint = Some("the next push makes it again".to_owned());
            return Err(TargetError { code: "not-found", sentence, hint, fatal: false });
        }
        scale(client, namespace, &name, 0).await?;
    }
    Ok(())
}

/// Has whatever sleeps come up again, and, where `for_a_run`, sees to it that nothing lies down before that run has its lock.
///
/// # Errors
/// What the API server says.
pub async fn wake(client: &Client, namespace: &str, for_a_run: bool) -> Result<(), TargetError> {
    if for_a_run {
        stay_awake(client, namespace, Some(Timestamp::now() + BEGINNING)).await?;
    }
    let mut failure = None;
    for (name, replicas) in ledger(client, namespace).await?.had {
        // One that cannot be woken keeps none of the others asleep.
        match scale(client, namespace, &name, replicas).await {
            Ok(()) => drop(write(client, namespace, json!({ "data": { &name: null } })).await?),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(()), Err)
}

/// A run that nothing was to lie down for is over.
///
/// # Errors
/// What the API server says.
pub async fn settle(client: &Client, namespace: &str) -> Result<(), TargetError> {
    stay_awake(client, namespace, None).await
}

async fn stay_awake(client: &Client, namespace: &str, until: Option<Timestamp>) -> Result<(), TargetError> {
    let until = until.map(|until| until.to_string());
    write(client, namespace, json!({ "metadata": { "annotations": { AWAKE: until } } })).await.map(drop)
}

/// Whether a run is at work in the namespace, or is about to begin.
///
/// # Errors
/// What the API server says.
pub async fn is_held(client: &Client, namespace: &str) -> Result<bool, TargetError> {
    if ledger(client, namespace).await?.awake_until.is_some_and(|until| until > Timestamp::now()) {
        return Ok(true);
    }
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let every = ListParams::default();
    let held = patiently(|| leases.list(&every)).await;
    let held = held.map_err(|error| told(trouble("list", &format!("leases of {namespace}"), &error)))?;
    Ok(held.items.iter().any(|lease| is_in_force(lease, Timestamp::now())))
}

fn is_in_force(lease: &Lease, now: Timestamp) -> bool {
    let is_lock = lease.metadata.name.as_deref().is_some_and(|name| name.starts_with(LOCKS));
    let Some(spec) = lease.spec.as_ref().filter(|_| is_lock) else { return false };
    let lasts = jiff::SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or(0).into());
    let has_holder = spec.holder_identity.as_deref().is_some_and(|holder| !holder.is_empty());
    has_holder && spec.renew_time.as_ref().is_some_and(|renewed| renewed.0 + lasts > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_counts_while_somebody_renews_it() {
        let now: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
        let lease = |name: &str, holder: &str, renewed: &str| -> Lease {
            serde_json::from_value(json!({ "metadata": { "name": name }, "spec": {
                "holderIdentity": holder, "leaseDurationSeconds": 30, "renewTime": renewed } }))
            .unwrap()
        };
        let lock = "tidegate-shop-preview-7";
        assert!(is_in_force(&lease(lock, "ada", "2026-01-01T00:00:01.000000Z"), now));
        assert!(!is_in_force(&lease(lock, "ada", "2026-01-01T00:00:00.000000Z"), now));
        assert!(!is_in_force(&lease(lock, "", "2026-01-01T00:00:20.000000Z"), now));
        let own = lease("leader-of-the-app", "pod", "2026-01-01T00:00:20.000000Z");
        assert!(!is_in_force(&own, now), "the app's own");
        assert!(!is_in_force(&Lease::default(), now));
    }
}
