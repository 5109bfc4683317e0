//! Sleep in a cluster: Deployments without pods that know how many they had. The API server's `resourceVersion` has nobody act on what another one
//! has changed meanwhile, and every step may be done again.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, Error};
use serde_json::json;

use super::{NAME, PART};
use crate::cluster::{patiently, trouble};
use crate::target::TargetError;
use crate::target::kubernetes::apply::{HOLDER, told};

/// Annotation of a Deployment that sleeps: how many instances it had.
const HAD: &str = "tidegate.dev/asleep-replicas";
/// Annotation of the front's Deployment: until when nothing lies down, whoever comes.
const AWAKE: &str = "tidegate.dev/awake-until";
/// So long a run that begins has for taking the lock, by which it is seen from then on.
const BEGINNING: Duration = Duration::from_secs(15 * 60);

fn deployments(client: &Client, namespace: &str) -> Api<Deployment> {
    Api::namespaced(client.clone(), namespace)
}

async fn all(client: &Client, namespace: &str) -> Result<Vec<Deployment>, TargetError> {
    let api = deployments(client, namespace);
    let options = ListParams::default().labels(&format!("!{PART}"));
    let listed = patiently(|| api.list(&options)).await;
    let listed =
        listed.map_err(|error| told(trouble("list", &format!("deployments of {namespace}"), &error)))?;
    Ok(listed.items)
}

fn had(deployment: &Deployment) -> Option<i32> {
    deployment.metadata.annotations.as_ref()?.get(HAD)?.parse().ok()
}

/// The Deployments that sleep.
///
/// # Errors
/// What the API server says.
pub async fn asleep(client: &Client, namespace: &str) -> Result<Vec<String>, TargetError> {
    let all = all(client, namespace).await?;
    Ok(all.into_iter().filter(|one| had(one).is_some()).filter_map(|one| one.metadata.name).collect())
}

/// Has every Deployment but the front's own lie down.
///
/// # Errors
/// What the API server says, or that somebody has changed one meanwhile; those before it sleep then.
pub async fn lie_down(client: &Client, namespace: &str) -> Result<(), TargetError> {
    for deployment in all(client, namespace).await? {
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        if replicas > 0 && had(&deployment).is_none() {
            change(client, namespace, &deployment, 0, Some(replicas)).await?;
        }
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
    for deployment in all(client, namespace).await? {
        let Some(replicas) = had(&deployment) else { continue };
        change(client, namespace, &deployment, replicas, None).await?;
    }
    Ok(())
}

/// A run that nothing was to lie down for is over.
///
/// # Errors
/// What the API server says.
pub async fn settle(client: &Client, namespace: &str) -> Result<(), TargetError> {
    stay_awake(client, namespace, None).await
}

async fn stay_awake(client: &Client, namespace: &str, until: Option<Timestamp>) -> Result<(), TargetError> {
    let change = json!({ "metadata": { "annotations": { AWAKE: until.map(|until| until.to_string()) } } });
    let (api, options, patch) = (deployments(client, namespace), options(), Patch::Merge(change));
    match patiently(|| api.patch_metadata(NAME, &options, &patch)).await {
        Ok(_) => Ok(()),
        Err(Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(told(trouble("write", &format!("deployment {NAME}"), &error))),
    }
}

/// Whether a run is at work in the namespace, or is about to begin.
///
/// # Errors
/// What the API server says.
pub async fn is_held(client: &Client, namespace: &str) -> Result<bool, TargetError> {
    let (api, leases) = (deployments(client, namespace), Api::<Lease>::namespaced(client.clone(), namespace));
    let own = patiently(|| api.get_opt(NAME)).await;
    let own = own.map_err(|error| told(trouble("read", &format!("deployment {NAME}"), &error)))?;
    let until = own.and_then(|own| own.metadata.annotations?.get(AWAKE)?.parse::<Timestamp>().ok());
    if until.is_some_and(|until| until > Timestamp::now()) {
        return Ok(true);
    }
    let every = ListParams::default();
    let held = patiently(|| leases.list(&every)).await;
    let held = held.map_err(|error| told(trouble("list", &format!("leases of {namespace}"), &error)))?;
    Ok(held.items.iter().any(|lease| is_in_force(lease, Timestamp::now())))
}

fn is_in_force(lease: &Lease, now: Timestamp) -> bool {
    let Some(spec) = &lease.spec else { return false };
    let lasts = jiff::SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or(0).into());
    let has_holder = spec.holder_identity.as_deref().is_some_and(|holder| !holder.is_empty());
    has_holder && spec.renew_time.as_ref().is_some_and(|renewed| renewed.0 + lasts > now)
}

fn options() -> PatchParams {
    PatchParams { field_manager: Some(HOLDER.to_owned()), ..PatchParams::default() }
}

async fn change(
    client: &Client,
    namespace: &str,
    deployment: &Deployment,
    replicas: i32,
    had: Option<i32>,
) -> Result<(), TargetError> {
    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    let change = json!({
        "metadata": {
            "annotations": { HAD: had.map(|had| had.to_string()) },
            "resourceVersion": deployment.metadata.resource_version,
        },
        "spec": { "replicas": replicas },
    });
    let (api, options, patch) = (deployments(client, namespace), options(), Patch::Merge(change));
    let changed = patiently(|| api.patch(name, &options, &patch)).await;
    changed.map(drop).map_err(|error| told(trouble("scale", &format!("deployment {name}"), &error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_while_somebody_renews_it() {
        let now: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
        let lease = |holder: &str, renewed: &str| -> Lease {
            serde_json::from_value(json!({ "metadata": { "name": "x" }, "spec": {
                "holderIdentity": holder, "leaseDurationSeconds": 30, "renewTime": renewed } }))
            .unwrap()
        };
        assert!(is_in_force(&lease("ada", "2026-01-01T00:00:01.000000Z"), now));
        assert!(!is_in_force(&lease("ada", "2026-01-01T00:00:00.000000Z"), now));
        assert!(!is_in_force(&lease("", "2026-01-01T00:00:20.000000Z"), now));
        assert!(!is_in_force(&Lease::default(), now));
    }
}
