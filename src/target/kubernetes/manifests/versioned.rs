//! ConfigMaps and Secrets that belong to a release: named by their content, so that the pods of two releases read each its own,
//! and a way back brings configuration and image back together.

use std::collections::HashMap;

use serde_json::Value;

use super::{Key, Object};
use crate::rollout::release::digest;

/// Digits of the digest at the end of a name: 32 bits, for the few that an app has of one name.
const DIGITS: usize = 8;

/// What became of the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// What it was called.
    pub key: Key,
    /// What it is called now.
    pub name: String,
}

/// Names each ConfigMap and Secret by its content, and has the pod templates of the same namespace say so. One whose
/// annotation `tidegate.dev/versioned` is `"false"`, and one that no pod template names, keeps its name.
pub fn version(objects: &mut [Object]) -> Vec<Versioned> {
    let mut names: HashMap<(Kind, Option<String>, String), String> = HashMap::new();
    let mut changed = Vec::new();
    for object in objects.iter() {
        let Some(kind) = Kind::of(object) else { continue };
        let kept = object.value.pointer("/metadata/annotations/tidegate.dev~1versioned");
        if kept.is_some_and(|value| value == "false") || !named(objects, kind, object) {
            continue;
        }
        let name = format!("{}-{}", object.key.name, content(object));
        let key = (kind, object.key.namespace.clone(), object.key.name.clone());
        names.insert(key, name.clone());
        changed.push(Versioned { key: object.key.clone(), name });
    }
    for object in objects.iter_mut() {
        let namespace = object.key.namespace.clone();
        if let Some(kind) = Kind::of(object)
            && let Some(name) = names.get(&(kind, namespace.clone(), object.key.name.clone()))
        {
            object.key.name.clone_from(name);
            if let Some(place) = object.value.pointer_mut("/metadata/name") {
                *place = Value::String(name.clone());
            }
        }
        let Some(spec) = object.pod_template_mut().and_then(|template| template.get_mut("spec")) else {
            continue;
        };
        each_reference(spec, &mut |kind, reference| {
            let known =
                reference.as_str().and_then(|name| names.get(&(kind, namespace.clone(), name.to_owned())));
            if let Some(name) = known {
                *reference = Value::String(name.clone());
            }
        });
    }
    changed
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    ConfigMap,
    Secret,
}

impl Kind {
    fn of(object: &Object) -> Option<Self> {
        match (object.key.group(), object.key.kind.as_str()) {
            ("", "ConfigMap") => Some(Self::ConfigMap),
            ("", "Secret") => Some(Self::Secret),
            _ => None,
        }
    }
}

/// The first digits of the digest of what pods can read of it.
fn content(object: &Object) -> String {
    let parts = ["data", "binaryData", "stringData", "type"].map(|part| &object.value[part]);
    let digest = digest(Value::Array(parts.into_iter().cloned().collect()).to_string().as_bytes());
    digest["sha256:".len()..].chars().take(DIGITS).collect()
}

/// Whether a pod template of its namespace names it.
fn named(objects: &[Object], kind: Kind, object: &Object) -> bool {
    let templates = objects.iter().filter(|other| other.key.namespace == object.key.namespace);
    templates.filter_map(Object::pod_template).filter_map(|template| template.get("spec")).any(|spec| {
        let mut found = false;
        each_reference(&mut spec.clone(), &mut |of, reference| {
            found |= of == kind && *reference == object.key.name.as_str();
        });
        found
    })
}

/// Visits every place of a pod's spec that names a ConfigMap or Secret which the pod reads.
fn each_reference(spec: &mut Value, visit: &mut impl FnMut(Kind, &mut Value)) {
    let mut at = |value: &mut Value, path: &str, kind: Kind| {
        if let Some(reference) = value.pointer_mut(path) {
            visit(kind, reference);
        }
    };
    for volume in list(spec, "/volumes") {
        at(volume, "/configMap/name", Kind::ConfigMap);
        at(volume, "/secret/secretName", Kind::Secret);
        for source in list(volume, "/projected/sources") {
            at(source, "/configMap/name", Kind::ConfigMap);
            at(source, "/secret/name", Kind::Secret);
        }
    }
    for containers in ["/containers", "/initContainers", "/ephemeralContainers"] {
        for container in list(spec, containers) {
            for source in list(container, "/envFrom") {
                at(source, "/configMapRef/name", Kind::ConfigMap);
                at(source, "/secretRef/name", Kind::Secret);
            }
            for variable in list(container, "/env") {
                at(variable, "/valueFrom/configMapKeyRef/name", Kind::ConfigMap);
                at(variable, "/valueFrom/secretKeyRef/name", Kind::Secret);
            }
        }
    }
}

fn list<'a>(value: &'a mut Value, path: &str) -> impl Iterator<Item = &'a mut Value> {
    value.pointer_mut(path).and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::kubernetes::manifests::parse;

    const ALL: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { colour: blue }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: shared, annotations: { tidegate.dev/versioned: "false" } }
data: { a: b }
---
apiVersion: v1
kind: Secret
metadata: { name: settings }
stringData: { key: hidden }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: unread }
data: { a: b }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  template:
    spec:
      volumes:
      - { name: a, configMap: { name: settings } }
      - { name: b, secret: { secretName: settings } }
      - { name: c, projected: { sources: [{ configMap: { name: settings } }, { secret: { name: settings } }] } }
      - { name: d, configMap: { name: shared } }
      initContainers: [{ name: i, envFrom: [{ configMapRef: { name: settings } }, { secretRef: { name: elsewhere } }] }]
      containers:
      - name: c
        env:
        - { name: A, valueFrom: { configMapKeyRef: { name: settings, key: colour } } }
        - { name: B, valueFrom: { secretKeyRef: { name: settings, key: key } } }
---
apiVersion: batch/v1
kind: CronJob
metadata: { name: nightly }
spec: { jobTemplate: { spec: { template: { spec: { volumes: [{ name: a, configMap: { name: settings } }] } } } } }
"#;

    fn versioned(text: &str) -> (Vec<Object>, Vec<Versioned>) {
        let mut objects = parse(Path::new("all.yaml"), text).unwrap();
        let changed = version(&mut objects);
        (objects, changed)
    }

    #[test]
    fn what_pods_read_is_named_by_its_content_wherever_they_name_it() {
        let (objects, changed) = versioned(ALL);
        let names: Vec<&str> = objects.iter().map(|object| object.key.name.as_str()).collect();
        let (map, secret) = (changed[0].name.as_str(), changed[1].name.as_str());
        assert_eq!(changed.len(), 2);
        assert!(map.starts_with("settings-") && map.len() == "settings-".len() + DIGITS);
        assert_ne!(map, secret);
        assert_eq!(names, [map, "shared", secret, "unread", "web", "nightly"]);
        assert_eq!(objects[0].value["metadata"]["name"], map);
        let spec = &objects[4].value["spec"]["template"]["spec"];
        let at = |path: &str| spec.pointer(path).unwrap().as_str().unwrap();
        assert_eq!(at("/volumes/0/configMap/name"), map);
        assert_eq!(at("/volumes/1/secret/secretName"), secret);
        assert_eq!(at("/volumes/2/projected/sources/0/configMap/name"), map);
        assert_eq!(at("/volumes/2/projected/sources/1/secret/name"), secret);
        assert_eq!(at("/volumes/3/configMap/name"), "shared");
        assert_eq!(at("/initContainers/0/envFrom/0/configMapRef/name"), map);
        assert_eq!(at("/initContainers/0/envFrom/1/secretRef/name"), "elsewhere");
        assert_eq!(at("/containers/0/env/0/valueFrom/configMapKeyRef/name"), map);
        assert_eq!(at("/containers/0/env/1/valueFrom/secretKeyRef/name"), secret);
        let nightly = objects[5].pod_template().unwrap();
        assert_eq!(nightly["spec"]["volumes"][0]["configMap"]["name"], map);
    }

    #[test]
    fn the_same_content_has_the_same_name_and_other_content_another() {
        let name = |text: &str| versioned(text).1[0].name.clone();
        assert_eq!(name(ALL), name(ALL));
        assert_ne!(name(ALL), name(&ALL.replace("blue", "green")));
        let labelled = ALL.replacen("{ name: settings }", "{ name: settings, labels: { a: b } }", 1);
        assert_eq!(name(ALL), name(&labelled), "pods cannot read its labels");
    }
}
