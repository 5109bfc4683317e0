//! A router's objects as they were seen last.

use std::sync::Arc;

use kube::ResourceExt;
use kube::api::DynamicObject;

/// A router's objects as they were seen last, by kind.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Live(Vec<(String, Vec<Arc<DynamicObject>>)>);

impl Live {
    /// Adds the objects of a kind.
    pub(in super::super) fn add(&mut self, kind: &str, objects: Vec<Arc<DynamicObject>>) {
        self.0.push((kind.to_owned(), objects));
    }

    /// The objects of a kind.
    pub(in super::super) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a DynamicObject> {
        self.0.iter().filter(move |(other, _)| other == kind).flat_map(|(_, all)| all).map(AsRef::as_ref)
    }

    /// The object of a kind and name.
    pub(in super::super) fn find(&self, kind: &str, name: &str) -> Option<&DynamicObject> {
        let all = self.0.iter().filter(|(other, _)| other == kind).flat_map(|(_, all)| all);
        all.map(AsRef::as_ref).find(|one: &&DynamicObject| one.name_any() == name)
    }
}
