//! An environment that a person closed by hand: no deploy starts until it is opened again. One ConfigMap, there or not.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, Error};
use serde_json::json;

use super::{Scope, problem};
use crate::cluster::patiently;
use crate::journal::{Hold, JournalError};

/// The key under which the hold stands.
const HOLD: &str = "hold";

/// The hold on the environment, if there is one.
///
/// # Errors
/// When it is there but cannot be read: the environment then counts as closed.
pub async fn read(client: &Client, scope: &Scope) -> Result<Option<Hold>, JournalError> {
    let (maps, name) = place(client, scope);
    let there = patiently(|| maps.get_opt(&name)).await.map_err(|error| told("read", &name, &error))?;
    there.map(|map| parsed(&map, &name)).transpose()
}

/// Closes the environment.
///
/// # Errors
/// When the cluster does not take it.
pub async fn write(client: &Client, scope: &Scope, hold: &Hold) -> Result<(), JournalError> {
    let (maps, name) = place(client, scope);
    let text = serde_json::to_string(hold).unwrap_or_default();
    let metadata =
        ObjectMeta { name: Some(name.clone()), labels: Some(scope.labels("hold")), ..ObjectMeta::default() };
    let data = Some(BTreeMap::from([(HOLD.to_owned(), text.clone())]));
    let map = ConfigMap { metadata, data, ..ConfigMap::default() };
    let options = PostParams::default();
    let error = match patiently(|| maps.create(&options, &map)).await {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    if !matches!(&error, Error::Api(status) if status.code == 409) {
        return Err(told("write", &name, &error));
    }
    // It is there: our own whose answer was lost, or somebody closed it in the same moment. Either way it is closed.
    let change = Patch::Merge(json!({ "data": { HOLD: text } }));
    let options = PatchParams::default();
    let written = patiently(|| maps.patch(&name, &options, &change)).await;
    written.map(drop).map_err(|error| told("write", &name, &error))
}

/// Opens the environment again; tells whether it was closed.
///
/// # Errors
/// When the cluster does not remove it.
pub async fn remove(client: &Client, scope: &Scope) -> Result<bool, JournalError> {
    let (maps, name) = place(client, scope);
    let options = DeleteParams::default();
    match patiently(|| maps.delete(&name, &options)).await {
        Ok(_) => Ok(true),
        Err(Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(told("remove", &name, &error)),
    }
}

fn place(client: &Client, scope: &Scope) -> (Api<ConfigMap>, String) {
    (scope.api(client), format!("{}-hold", scope.prefix()))
}

fn parsed(map: &ConfigMap, name: &str) -> Result<Hold, JournalError> {
    let text = map.data.as_ref().and_then(|data| data.get(HOLD)).map_or("", String::as_str);
    serde_json::from_str(text).map_err(|error| JournalError {
        code: "corrupt",
        sentence: format!("ConfigMap {name} is damaged: {error}; it is left as it is"),
        hint: Some("`tidegate unlock` removes it".to_owned()),
    })
}

fn told(tried: &str, name: &str, error: &Error) -> JournalError {
    problem(tried, &format!("ConfigMap {name}"), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_that_cannot_be_read_is_told_with_its_cure() {
        let damaged = parsed(&ConfigMap::default(), "tidegate-shop-production-hold").unwrap_err();
        assert_eq!(damaged.code, "corrupt");
        assert!(damaged.sentence.starts_with("ConfigMap tidegate-shop-production-hold is damaged: "));
        assert_eq!(damaged.hint.as_deref(), Some("`tidegate unlock` removes it"));
    }
}
