//! Whether the cluster knows the kinds of all objects.

use std::collections::BTreeMap;

use kube::Client;

use crate::target::TargetError;
use crate::target::kubernetes::apply::kinds::Kinds;
use crate::target::kubernetes::manifests::Object;

/// The resource of the API that stands for a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
}

/// Every object whose kind is known, with it; and what is wrong with the others, each kind once.
pub(super) async fn find<'a>(
    client: &Client,
    objects: &'a [Object],
) -> (Vec<(&'a Object, Kind)>, Vec<TargetError>) {
    let kinds = Kinds::new(client.clone());
    let mut asked: BTreeMap<(&str, &str), Option<Kind>> = BTreeMap::new();
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for object in objects {
        let key = (object.key.api_version.as_str(), object.key.kind.as_str());
        let kind = match asked.get(&key) {
            Some(known) => known.clone(),
            None => {
                let kind = match defined(object, objects) {
                    Some(kind) => Some(kind),
                    None => match kinds.find(&object.key).await {
                        Ok((resource, namespaced)) => {
                            Some(Kind { group: resource.group, plural: resource.plural, namespaced })
                        }
                        Err(error) => {
                            let sentence = format!("{} ({})", error.sentence, object.source);
                            problems.push(TargetError { sentence, ..error });
                            None
                        }
                    },
                };
                asked.insert(key, kind.clone());
                kind
            }
        };
        found.extend(kind.map(|kind| (object, kind)));
    }
    (found, problems)
}

/// The kind that a CustomResourceDefinition of the manifests is about to define.
pub(super) fn defined(object: &Object, objects: &[Object]) -> Option<Kind> {
    let version = object.key.api_version.split_once('/')?.1;
    objects.iter().filter(|one| one.key.kind == "CustomResourceDefinition").find_map(|definition| {
        let spec = &definition.value["spec"];
        let mut versions = spec["versions"].as_array()?.iter();
        let is_it = spec["group"] == *object.key.group()
            && spec["names"]["kind"] == *object.key.kind
            && versions.any(|one| one["name"] == *version);
        is_it.then(|| Kind {
            group: object.key.group().to_owned(),
            plural: spec["names"]["plural"].as_str().unwrap_or_default().to_owned(),
            namespaced: spec["scope"] == "Namespaced",
        })
    })
}
