//! One object of a manifest.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

/// What tells one object from another in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Group and version, such as `apps/v1`, or `v1` for the core group.
    pub api_version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Namespace, where the manifest names one.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl Key {
    /// The API group: empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Where an object was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file, as it was named by the caller.
    pub file: PathBuf,
    /// The line on which the object begins, from 1.
    pub line: usize,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// An object as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// What it is called.
    pub key: Key,
    /// Where it stands.
    pub source: Source,
    /// All of it.
    pub value: Value,
}

impl Object {
    /// The template of its pods, where it is a workload that has one: of Deployments, StatefulSets, DaemonSets, ReplicaSets and
    /// Jobs, of CronJobs the template in the template, and of a Pod itself.
    #[must_use]
    pub fn pod_template(&self) -> Option<&Value> {
        self.value.pointer(template_path(&self.key)?)
    }

    /// As [`Object::pod_template`], to change it.
    pub fn pod_template_mut(&mut self) -> Option<&mut Value> {
        let path = template_path(&self.key)?;
        self.value.pointer_mut(path)
    }
}

fn template_path(key: &Key) -> Option<&'static str> {
    match (key.group(), key.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
            Some("/spec/template")
        }
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        ("", "Pod") => Some(""),
        _ => None,
    }
}
