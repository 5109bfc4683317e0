//! What the objects of a release are to a rollout: which workloads carry its traffic, and what leads it to them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::manifests::Object;
use super::super::router::Router;
use super::super::{KubernetesConfig, TargetError};

/// What the objects of a release are to a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in super::super) struct Shape {
    /// The workloads whose instances are counted: those that the Service selects, or else all Deployments, or else all others.
    pub(in super::super) carriers: Vec<Workload>,
    /// The other workloads that run all the time.
    pub(in super::super) others: Vec<Workload>,
    /// The Service whose traffic is divided.
    pub(in super::super) service: Option<String>,
    /// Every Service that selects a carrier.
    pub(in super::super) services: Vec<String>,
    /// The router's object whose traffic is divided.
    #[serde(default)]
    pub(in super::super) router: Option<Router>,
}

/// A workload by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Workload {
    pub(in super::super) kind: String,
    pub(in super::super) name: String,
    /// How many instances the manifest wants.
    pub(in super::super) replicas: u32,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl Shape {
    pub(super) fn of(objects: &[Object], config: &KubernetesConfig) -> Result<Self, TargetError> {
        let running: Vec<&Object> = objects.iter().filter(|object| runs(object)).collect();
        if running.is_empty() {
            return Err(fault(
                "no-workload",
                "the manifests have no workload that runs all the time".to_owned(),
                "add a Deployment, a StatefulSet or a DaemonSet",
            ));
        }
        at_home(objects, config)?;
        let services: Vec<&Object> = objects.iter().filter(|object| is(object, "", "Service")).collect();
        let (named, router) = (config.traffic.service(), config.traffic.router());
        let leads = |service: &Object| running.iter().any(|workload| selects(service, workload));
        let leading: Vec<&Object> = services.iter().copied().filter(|service| leads(service)).collect();
        let route = match router {
            Some(router) => Some((router, find_route(objects, router)?)),
            None => None,
        };
        let behind = route.map(|(router, route)| router.services(&route.value, &config.namespace));
        let in_route =
            |service: &&Object| behind.as_ref().is_none_or(|behind| behind.contains(&service.key.name));
        let service = match named {
            Some(name) => Some(find_service(&leading, name)?),
            None => {
                let found = || leading.iter().copied().filter(in_route);
                // Beside the app's own there is often one that gives the pods of a StatefulSet their names.
                only(found())
                    .or_else(|| only(found().filter(|service| leads_to_deployment(service, &running))))
            }
        };
        if let (Some((router, route)), None) = (route, service) {
            return Err(fault(
                "no-service",
                format!(
                    "{} ({}) leads to no Service that selects a workload, or to more than one",
                    route.key, route.source
                ),
                &format!("name it: `{}`", router.kind.naming()),
            ));
        }
        let carriers = carriers(&running, service);
        let others =
            running.iter().filter(|object| !carriers.iter().any(|carrier| carrier.key == object.key));
        Ok(Self {
            others: others.map(|object| workload(object)).collect(),
            services: leading
                .iter()
                .filter(|service| carriers.iter().any(|carrier| selects(service, carrier)))
                .map(|service| service.key.name.clone())
                .collect(),
            carriers: carriers.into_iter().map(workload).collect(),
            service: service.map(|service| service.key.name.clone()),
            router: router.cloned(),
        })
    }

    pub(in super::super) fn carries(&self, object: &Object) -> bool {
        self.carriers
            .iter()
            .any(|workload| workload.kind == object.key.kind && workload.name == object.key.name)
    }
}

fn carriers<'a>(running: &[&'a Object], service: Option<&Object>) -> Vec<&'a Object> {
    let all = |wanted: &dyn Fn(&Object) -> bool| -> Vec<&'a Object> {
        running.iter().copied().filter(|object| wanted(object)).collect()
    };
    if let Some(service) = service {
        return all(&|object| selects(service, object));
    }
    let deployments = all(&|object| object.key.kind == "Deployment");
    if deployments.is_empty() { all(&|_| true) } else { deployments }
}

fn leads_to_deployment(service: &Object, running: &[&Object]) -> bool {
    running.iter().any(|object| object.key.kind == "Deployment" && selects(service, object))
}

fn workload(object: &Object) -> Workload {
    let replicas = object.value["spec"]["replicas"].as_u64().and_then(|n| u32::try_from(n).ok());
    Workload { kind: object.key.kind.clone(), name: object.key.name.clone(), replicas: replicas.unwrap_or(1) }
}

fn is(object: &Object, group: &str, kind: &str) -> bool {
    object.key.group() == group && object.key.kind == kind
}

fn runs(object: &Object) -> bool {
    ["Deployment", "StatefulSet", "DaemonSet"].iter().any(|kind| is(object, "apps", kind))
}

/// Whether a Service leads to the pods of a workload.
fn selects(service: &Object, workload: &Object) -> bool {
    let Some(selector) = service.value["spec"]["selector"].as_object().filter(|all| !all.is_empty()) else {
        return false;
    };
    let labels = workload.pod_template().map_or(&Value::Null, |template| &template["metadata"]["labels"]);
    selector.iter().all(|(name, value)| labels[name] == *value)
}

/// What a rollout watches and divides must be in the environment's own namespace.
fn at_home(objects: &[Object], config: &KubernetesConfig) -> Result<(), TargetError> {
    let routes = |object: &Object| {
        object.key.kind == "HTTPRoute" || config.traffic.router().is_some_and(|router| router.is(&object.key))
    };
    let concerned = |object: &&Object| runs(object) || is(object, "", "Service") || routes(object);
    let away =
        |object: &&Object| object.key.namespace.as_ref().is_some_and(|other| *other != config.namespace);
    match objects.iter().filter(concerned).find(away) {
        Some(object) => Err(fault(
            "other-namespace",
            format!(
                "{} ({}) is for namespace {}, and the environment is in {}",
                object.key,
                object.source,
                object.key.namespace.as_deref().unwrap_or_default(),
                config.namespace
            ),
            "give it an environment of its own, or take `namespace` out of the manifest",
        )),
        None => Ok(()),
    }
}

fn find_service<'a>(leading: &[&'a Object], name: &str) -> Result<&'a Object, TargetError> {
    leading.iter().copied().find(|service| service.key.name == name).ok_or_else(|| {
        fault(
            "no-service",
            format!("`traffic` names the Service {name}, and no Service of that name in the manifests selects a workload"),
            "correct the name, or the Service's selector",
        )
    })
}

fn find_route<'a>(objects: &'a [Object], router: &Router) -> Result<&'a Object, TargetError> {
    objects.iter().find(|object| router.is(&object.key)).ok_or_else(|| {
        fault(
            "no-route",
            format!("`traffic` names the {router}, which is not in the manifests"),
            "correct the name, or add it to the manifests",
        )
    })
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next();
    if all.next().is_some() { None } else { first }
}

fn fault(code: &'static str, sentence: String, hint: &str) -> TargetError {
    TargetError { code, sentence, hint: Some(hint.to_owned()), fatal: true }
}
