//! What the programs of a preview are given and nobody else is to read: a Secret of its namespace.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::cluster::{patiently, trouble};
use crate::target::TargetError;
use crate::target::kubernetes::apply::{MANAGER, told};
use crate::target::kubernetes::names::MANAGED_BY;

/// The value of a key; nothing where there is no such Secret, or no such key in it.
///
/// # Errors
/// What the API server says.
pub async fn read(
    client: &Client,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Option<String>, TargetError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let there = patiently(|| api.get_opt(name)).await;
    let there =
        there.map_err(|error| told(trouble("read", &format!("secret {namespace}/{name}"), &error)))?;
    let value = there.and_then(|secret| secret.data?.remove(key));
    Ok(value.and_then(|bytes| String::from_utf8(bytes.0).ok()))
}

/// Writes a key; the others of a Secret that is there stay.
///
/// # Errors
/// What the API server says.
pub async fn write(
    client: &Client,
    namespace: &str,
    name: &str,
    (key, value): (&str, &str),
) -> Result<(), TargetError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "labels": { MANAGED_BY: MANAGER } },
        "stringData": { key: value },
    });
    let options = PatchParams {
        field_manager: Some(format!("{MANAGER}-preview")),
        force: true,
        ..PatchParams::default()
    };
    let change = Patch::Apply(&secret);
    let written = patiently(|| api.patch(name, &options, &change)).await;
    written.map(drop).map_err(|error| told(trouble("write", &format!("secret {namespace}/{name}"), &error)))
}
