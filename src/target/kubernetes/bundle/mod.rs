//! All objects of one release, checked as a whole, and what each is to the rollout.

mod render;
mod shape;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::manifests::{Key, Object, Source, in_order, version};
use super::{KubernetesConfig, TargetError};
use crate::rollout::release::{Artifact, digest};
use crate::rollout::strategy::StrategyName;

pub(super) use render::{Rendering, render};
pub(super) use shape::{Shape, Workload};

/// What the manifests as a whole are called among the artifacts of a release.
pub const MANIFESTS: &str = "manifests";

/// All objects of one release.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    objects: Vec<Object>,
    shape: Shape,
    /// What was there before the first release, as `Kind name`: it does not go with a release.
    found: Vec<String>,
}

impl Bundle {
    /// Puts the objects in order, names configuration by its content, and finds the workloads and what leads traffic to them.
    ///
    /// # Errors
    /// `no-workload`, `other-namespace`, `no-service`, `no-route` with the place in the manifests.
    pub fn new(mut objects: Vec<Object>, config: &KubernetesConfig) -> Result<Self, TargetError> {
        version(&mut objects);
        in_order(&mut objects);
        let shape = Shape::of(&objects, config)?;
        Ok(Self { objects, shape, found: Vec::new() })
    }

    /// Checks that its workloads can be rolled out by that strategy with the target's traffic.
    ///
    /// # Errors
    /// `strategy-not-possible` with the workload, its place and the cure.
    pub fn check(&self, strategy: StrategyName) -> Result<(), TargetError> {
        match strategy {
            StrategyName::Rolling | StrategyName::Recreate if self.shape.router.is_none() => Ok(()),
            StrategyName::Rolling | StrategyName::Recreate => Err(impossible(
                format!("`{strategy}` moves no traffic by a router: `traffic` would have no effect"),
                "take `traffic` out, or use `canary` or `blue-green`",
            )),
            StrategyName::Canary | StrategyName::BlueGreen => self.check_beside(strategy),
        }
    }

    fn check_beside(&self, strategy: StrategyName) -> Result<(), TargetError> {
        if self.shape.service.is_none() {
            let known = self.shape.services.join(", ");
            return Err(match self.shape.services.len() {
                0 => impossible(
                    format!(
                        "`{strategy}` divides traffic, and no Service of the manifests selects a Deployment"
                    ),
                    "add the Service, or use `rolling`",
                ),
                _ => impossible(
                    format!(
                        "`{strategy}` divides traffic, and more than one Service leads to a workload: {known}"
                    ),
                    "name the one that visitors use: `traffic: { service: { name: NAME } }`",
                ),
            });
        }
        match self.shape.carriers.iter().find(|workload| workload.kind != "Deployment") {
            Some(other) => Err(impossible(
                format!("`{strategy}` runs two releases side by side, which a {other} cannot"),
                "use `rolling` for it",
            )),
            None => Ok(()),
        }
    }

    /// What a release says of itself: small, without any secret.
    #[must_use]
    pub fn spec(&self) -> Value {
        let configuration = self.objects.iter().filter(|object| {
            object.key.group().is_empty() && matches!(object.key.kind.as_str(), "ConfigMap" | "Secret")
        });
        let configuration: Vec<String> = configuration.map(|object| object.key.to_string()).collect();
        json!({ "manifests": self.digest(), "configuration": configuration })
    }

    /// The images of its workloads by digest where the manifests name one, that of the repository `own` before the others; and the
    /// manifests as a whole.
    #[must_use]
    pub fn artifacts(&self, own: Option<&str>) -> Vec<Artifact> {
        let images = self.images();
        let pinned = images.keys().filter_map(|image| image.split_once('@'));
        let mut all: Vec<Artifact> = pinned
            .map(|(name, digest)| Artifact { name: name.to_owned(), digest: digest.to_owned() })
            .collect();
        all.sort_by_key(|artifact| own != Some(artifact.name.as_str()));
        all.push(Artifact { name: MANIFESTS.to_owned(), digest: self.digest() });
        all
    }

    /// Every image that its pods take, with the first object that names it.
    #[must_use]
    pub fn images(&self) -> BTreeMap<String, &Object> {
        let mut images = BTreeMap::new();
        for object in &self.objects {
            let Some(spec) = object.pod_template().and_then(|template| template.get("spec")) else {
                continue;
            };
            let lists = ["containers", "initContainers"].into_iter().filter_map(|list| spec[list].as_array());
            for image in lists.flatten().filter_map(|container| container["image"].as_str()) {
                images.entry(image.to_owned()).or_insert(object);
            }
        }
        images
    }

    /// Its objects, in the order in which they are applied.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(super) fn find(&self, kind: &str, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.key.kind == kind && object.key.name == name)
    }

    pub(super) fn note_found(&mut self, found: Vec<String>) {
        self.found = found;
    }

    pub(super) fn found_before(&self) -> &[String] {
        &self.found
    }

    pub(super) fn was_found(&self, name: &str) -> bool {
        self.found.iter().any(|found| found == name)
    }

    fn digest(&self) -> String {
        let values: Vec<&Value> = self.objects.iter().map(|object| &object.value).collect();
        digest(serde_json::to_string(&values).unwrap_or_default().as_bytes())
    }

    /// As it is kept in the cluster.
    pub(super) fn packed(&self) -> Value {
        let objects = self.objects.iter().map(
            |object| json!({ "file": object.source.file, "line": object.source.line, "value": object.value }),
        );
        json!({ "shape": self.shape, "found": self.found, "objects": objects.collect::<Vec<_>>() })
    }

    /// From what was kept. What leads traffic to it is what the settings say now, where they still fit it.
    pub(super) fn unpacked(mut packed: Value, config: &KubernetesConfig) -> Option<Self> {
        let shape = serde_json::from_value(packed["shape"].take()).ok()?;
        let found = serde_json::from_value(packed["found"].take()).ok()?;
        let Value::Array(list) = packed["objects"].take() else { return None };
        let objects = list.into_iter().map(|mut one| {
            let source = Source {
                file: one["file"].as_str()?.into(),
                line: usize::try_from(one["line"].as_u64()?).ok()?,
            };
            let value = one["value"].take();
            Some(Object { key: key(&value)?, source, value })
        });
        let objects: Vec<Object> = objects.collect::<Option<_>>()?;
        let shape = Shape::of(&objects, config).unwrap_or(shape);
        Some(Self { objects, shape, found })
    }

    /// Of objects that are in a cluster, with the shape of the bundle that will take their place.
    pub(super) fn found(values: Vec<Value>, like: &Self) -> Self {
        let source = |key: &Key| {
            let same = like.find(&key.kind, &key.name);
            same.map_or_else(
                || Source { file: "the cluster".into(), line: 0 },
                |object| object.source.clone(),
            )
        };
        let objects = values.into_iter().filter_map(|value| {
            let key = key(&value)?;
            Some(Object { source: source(&key), key, value })
        });
        let mut found = Self { objects: objects.collect(), shape: like.shape.clone(), found: Vec::new() };
        let Shape { carriers, others, .. } = &found.shape;
        let now = |workload: &Workload| {
            let object = found.find(&workload.kind, &workload.name);
            let replicas = object.and_then(|object| object.value["spec"]["replicas"].as_u64());
            let replicas = replicas.and_then(|n| u32::try_from(n).ok()).unwrap_or(workload.replicas);
            Workload { replicas, ..workload.clone() }
        };
        let (carriers, others) = (carriers.iter().map(now).collect(), others.iter().map(now).collect());
        (found.shape.carriers, found.shape.others) = (carriers, others);
        found
    }
}

fn key(value: &Value) -> Option<Key> {
    Some(Key {
        api_version: value["apiVersion"].as_str()?.to_owned(),
        kind: value["kind"].as_str()?.to_owned(),
        namespace: value["metadata"]["namespace"].as_str().map(str::to_owned),
        name: value["metadata"]["name"].as_str()?.to_owned(),
    })
}

fn impossible(sentence: String, hint: &str) -> TargetError {
    TargetError { code: "strategy-not-possible", sentence, hint: Some(hint.to_owned()), fatal: true }
}
