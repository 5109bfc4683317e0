//! What the registries say of the images, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{Verdict, namespace_of};
use crate::cluster::patiently;
use crate::registry::{Credentials, Image, Registries};
use crate::target::TargetError;
use crate::target::kubernetes::manifests::Object;

/// The service account of pods that name none.
const DEFAULT_ACCOUNT: &str = "default";

/// Asks the registries for every image of the pods, each once. The credentials are those that the cluster would use, as far as
/// this identity may read them, and after them those of this machine's Docker configuration. Images that are never pulled are
/// left out.
///
/// Nodes may have credentials of their own, which nobody can read: a refusal counts as [`Image::Forbidden`] `tried` only where a pull
/// secret was refused.
///
/// # Errors
/// `tls` when the HTTP client cannot be set up.
pub async fn look_up(
    client: &Client,
    namespace: &str,
    objects: &[Object],
) -> Result<BTreeMap<String, Image>, TargetError> {
    let registries = Registries::new().map_err(|error| TargetError {
        code: "tls",
        sentence: format!("the HTTP client cannot be set up: {error}"),
        hint: None,
        fatal: true,
    })?;
    let templates = objects.iter().filter_map(Object::pod_template);
    let images: BTreeSet<String> = templates.flat_map(of_template).map(str::to_owned).collect();
    if images.is_empty() {
        return Ok(BTreeMap::new());
    }
    let of_cluster = pull_credentials(client, namespace, objects).await;
    let mut credentials = of_cluster.clone();
    match Credentials::of_docker() {
        Ok(own) => credentials.extend(own),
        Err(error) => tracing::warn!(%error, "images are looked for without Docker's configuration"),
    }
    let mut found = registries.probe_all(images, &credentials).await;
    for (image, found) in &mut found {
        if let Image::Forbidden { tried } = found {
            *tried = of_cluster.know(image);
        }
    }
    Ok(found)
}

/// The credentials that the cluster would pull the images of these objects with, as far as this identity may read them.
pub async fn pull_credentials(client: &Client, namespace: &str, objects: &[Object]) -> Credentials {
    let mut credentials = Credentials::default();
    for (namespace, name) in pull_secrets(client, namespace, objects).await {
        let what = format!("Secret {name} in namespace {namespace}");
        let Some(json) = docker_config(client, &namespace, &name, objects).await else { continue };
        if let Err(error) = credentials.add(&what, &json) {
            tracing::warn!(%error, "images are looked for without this secret");
        }
    }
    credentials
}

/// The images that the pods of a template pull.
pub(super) fn of_template(template: &Value) -> impl Iterator<Item = &str> {
    let lists = ["containers", "initContainers"].into_iter();
    let containers = lists.flat_map(|list| template["spec"][list].as_array().into_iter().flatten());
    let pulled = containers.filter(|container| container["imagePullPolicy"] != "Never");
    pulled.filter_map(|container| container["image"].as_str()).filter(|image| !image.is_empty())
}

/// What follows from what the registries say.
pub(super) fn judge(objects: &[Object], images: &BTreeMap<String, Image>, verdict: &mut Verdict) {
    for (image, found) in images {
        let users = objects.iter().filter(|object| {
            object.pod_template().is_some_and(|template| of_template(template).any(|one| one == image))
        });
        let users: Vec<String> = users.map(|object| format!("{} ({})", object.key, object.source)).collect();
        let Some(first) = users.first() else { continue };
        let more = if users.len() > 1 { format!(" and {} more", users.len() - 1) } else { String::new() };
        let wanted = format!("{image}, which {first}{more} wants");
        let (code, sentence, hint) = match found {
            Image::Present { .. } => continue,
            Image::Absent => (
                "image-absent",
                format!("the registry has no {wanted}"),
                "push the image first, or correct its name",
            ),
            Image::Forbidden { tried: true } => (
                "image-forbidden",
                format!("the registry refuses the cluster's pull secrets for {wanted}"),
                "renew the pull secret, or correct the image's name: of what is not there registries say the same",
            ),
            Image::Forbidden { tried: false } => (
                "image-forbidden",
                format!("without credentials the registry does not give out {wanted}"),
                "name a pull secret in `imagePullSecrets`, unless the nodes have credentials of their own",
            ),
            Image::Unknown { why } => (
                "registry-unreachable",
                format!("it cannot be told from here whether there is {wanted}: {why}"),
                "the nodes may reach what this machine does not: nothing follows from it",
            ),
        };
        let fatal = !matches!(found, Image::Unknown { .. } | Image::Forbidden { tried: false });
        let told = TargetError { code, sentence, hint: Some(hint.to_owned()), fatal };
        if fatal { verdict.problems.push(told) } else { verdict.warnings.push(told) }
    }
}

/// Namespace and name of every secret that images are pulled with: of the pods, and of their service accounts.
async fn pull_secrets(client: &Client, namespace: &str, objects: &[Object]) -> BTreeSet<(String, String)> {
    let (mut secrets, mut accounts) = (BTreeSet::new(), BTreeSet::new());
    let names = |list: &Value| -> Vec<String> {
        let all = list.as_array().into_iter().flatten();
        all.filter_map(|one| Some(one["name"].as_str()?.to_owned())).collect()
    };
    for object in objects {
        let Some(template) = object.pod_template() else { continue };
        let namespace = namespace_of(object, namespace);
        let own = names(&template["spec"]["imagePullSecrets"]);
        // The service account's count only for pods that name none.
        if own.is_empty() {
            let account = template["spec"]["serviceAccountName"].as_str().unwrap_or(DEFAULT_ACCOUNT);
            accounts.insert((namespace.to_owned(), account.to_owned()));
        }
        secrets.extend(own.into_iter().map(|name| (namespace.to_owned(), name)));
    }
    for (namespace, account) in accounts {
        let written = written(objects, "ServiceAccount", &namespace, &account);
        let found = match written {
            Some(object) => names(&object.value["imagePullSecrets"]),
            None => {
                let api: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
                let account = found(patiently(|| api.get_opt(&account)).await, &account);
                let secrets = account.and_then(|account| account.image_pull_secrets).unwrap_or_default();
                secrets.into_iter().map(|secret| secret.name).collect()
            }
        };
        secrets.extend(found.into_iter().map(|name| (namespace.clone(), name)));
    }
    secrets
}

/// The configuration of Docker's that a secret holds, from the manifests or else from the cluster.
async fn docker_config(client: &Client, namespace: &str, name: &str, objects: &[Object]) -> Option<Vec<u8>> {
    const KEYS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];
    let (key, content) = match written(objects, "Secret", namespace, name) {
        Some(secret) => KEYS.iter().find_map(|key| {
            if let Some(text) = secret.value["stringData"][*key].as_str() {
                return Some((*key, text.as_bytes().to_vec()));
            }
            let encoded: String = secret.value["data"][*key].as_str()?.split_whitespace().collect();
            Some((*key, STANDARD.decode(encoded).ok()?))
        })?,
        None => {
            let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
            let mut data = found(patiently(|| api.get_opt(name)).await, name)?.data?;
            KEYS.iter().find_map(|key| Some((*key, data.remove(*key)?.0)))?
        }
    };
    if key == KEYS[0] {
        return Some(content);
    }
    // The older form is the part of the newer one that counts.
    let auths: Value = serde_json::from_slice(&content).ok()?;
    Some(json!({ "auths": auths }).to_string().into_bytes())
}

fn written<'a>(objects: &'a [Object], kind: &str, namespace: &str, name: &str) -> Option<&'a Object> {
    objects.iter().find(|object| {
        let own = object.key.namespace.as_deref().unwrap_or(namespace);
        object.key.group().is_empty()
            && object.key.kind == kind
            && object.key.name == name
            && own == namespace
    })
}

/// What could be read; without the right to, images are looked for without it.
fn found<T>(answer: Result<Option<T>, kube::Error>, name: &str) -> Option<T> {
    answer.unwrap_or_else(|error| {
        tracing::debug!(name, %error, "images are looked for without what this names");
        None
    })
}
