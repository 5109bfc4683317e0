//! `validate`: the configuration, and the manifests that it names, checked without a cluster.

use super::answer::NoteAnswer;
use super::ground::{Cluster, config, policy};
use super::place::load;
use super::policy::Findings;
use super::release;
use crate::cli::Common;
use crate::error::Error;
use crate::settings::{EnvironmentSettings, KubernetesSettings, Settings, TargetSettings};
use crate::target::kubernetes::manifests::{Object, pin_images};

/// Stands for the digest that a deploy will find out.
const ANY: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Checks the configuration, and the manifests of environments in a cluster as far as they can be read here. No cluster is asked.
///
/// # Errors
/// When something is wrong: everything that is stands in the error, with its place.
pub async fn validate(common: &Common) -> Result<NoteAnswer, Error> {
    let settings = load(common)?;
    let mut findings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    let mut faults: Vec<Error> = Vec::new();
    let previews = settings.preview.as_ref();
    let all = settings.environments.iter().chain(previews.map(|preview| preview.sample.as_ref()));
    for environment in all {
        let TargetSettings::Kubernetes(cluster) = &environment.target else { continue };
        let told = match check(&settings, environment, cluster).await {
            Ok(found) => found,
            Err(error) => {
                // Environments share manifests, and so their faults.
                if faults.iter().all(|fault| fault.sentence != error.sentence) {
                    faults.push(error);
                }
                continue;
            }
        };
        findings.extend(told.into_iter().filter(|one| !findings.contains(one)).collect::<Vec<_>>());
    }
    if let Some(error) = faults.into_iter().reduce(Error::and) {
        return Err(error);
    }
    let names = settings.environments.iter().map(|environment| environment.name.as_str());
    let names: Vec<_> = names.chain(previews.map(|_| "preview")).collect();
    let sentence = format!("{} is right: {} in {}", settings.file.display(), settings.app, names.join(", "));
    Ok(NoteAnswer { sentence, findings })
}

/// What is to be told of the manifests of one environment.
async fn check(
    settings: &Settings,
    environment: &EnvironmentSettings,
    cluster: &KubernetesSettings,
) -> Result<Vec<String>, Error> {
    let mut objects = match release::objects(&cluster.manifests) {
        Err(error) if error.code == "no-kustomize" => {
            return Ok(vec![format!("the manifests of {} are not checked: {error}", environment.name)]);
        }
        objects => objects?,
    };
    release::fit(&mut objects, environment)?;
    for image in settings.images() {
        release::demand_use(&image.repository, &objects)?;
        // What it is called there counts for nothing: the digest is put in.
        pin_images(&mut objects, &image.repository, ANY);
    }
    let namespace = namespace(&settings.app, environment, cluster, &objects).await;
    let config = config(&settings.app, &environment.name, namespace, cluster);
    let bundle = release::bundle(objects, &config, environment.strategy.name())?;
    let findings = Findings::by(&policy(cluster, environment.preview.as_deref()), &bundle);
    findings.refusal().map_or(Ok(findings.sentences()), Err)
}

/// The namespace of the environment; where only a kubeconfig could tell and there is none here, the one that the manifests name.
async fn namespace(
    app: &str,
    environment: &EnvironmentSettings,
    cluster: &KubernetesSettings,
    objects: &[Object],
) -> String {
    if let Some(namespace) = &cluster.namespace {
        return namespace.clone();
    }
    match Cluster::reach(app, &environment.name, cluster, None).await {
        Ok(cluster) => cluster.config.namespace,
        Err(_) => objects.iter().find_map(|object| object.key.namespace.clone()).unwrap_or_default(),
    }
}
