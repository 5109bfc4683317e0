//! Which rights are wanted, and which of them the API server does not give.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client, Error};

use super::kinds::Kind;
use super::need::Need;
use super::{namespace_of, told};
use crate::cluster::{patiently, trouble};
use crate::target::TargetError;
use crate::target::kubernetes::manifests::Object;

/// How many questions are asked at a time.
const AT_A_TIME: usize = 16;
/// Kinds that are never removed with a release: everything else would go with them.
const KEPT: [&str; 2] = ["Namespace", "CustomResourceDefinition"];

/// A right, in the words of RBAC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    /// `None` for the cluster as a whole.
    namespace: Option<String>,
    group: String,
    /// With a subresource, such as `pods/log`.
    resource: String,
    verb: &'static str,
}

/// All rights that are wanted, each with the names of the objects that it is enough to have it for; none where it is wanted for all.
#[derive(Debug, Default)]
pub(super) struct Wanted(BTreeMap<Right, BTreeSet<String>>);

impl Wanted {
    /// Adds what Tidegate needs for itself in its namespace.
    pub(super) fn need(&mut self, need: &Need, namespace: &str) {
        for resource in need.resources {
            for verb in need.verbs {
                let right = Right {
                    namespace: Some(namespace.to_owned()),
                    group: need.group.to_owned(),
                    resource: (*resource).to_owned(),
                    verb,
                };
                self.0.insert(right, BTreeSet::new());
            }
        }
    }

    /// Adds what it needs to apply an object and to remove it.
    pub(super) fn object(&mut self, object: &Object, kind: &Kind, namespace: &str) {
        for verb in Need::OF_OBJECTS {
            if *verb == "delete" && KEPT.contains(&object.key.kind.as_str()) {
                continue;
            }
            let right = Right {
                namespace: kind.namespaced.then(|| namespace_of(object, namespace).to_owned()),
                group: kind.group.clone(),
                resource: kind.plural.clone(),
                verb,
            };
            // A right to create cannot be given for a name; and who needs a right for all needs it for no name in particular.
            let is_for_all = *verb == "create" || self.0.get(&right).is_some_and(BTreeSet::is_empty);
            let names = self.0.entry(right).or_default();
            if !is_for_all {
                names.insert(object.key.name.clone());
            }
        }
    }
}

/// One problem that names all missing rights; none when nothing is missing.
pub(super) async fn missing(client: &Client, wanted: &Wanted) -> Vec<TargetError> {
    let answers: Vec<(&Right, Result<bool, Error>)> = futures_util::stream::iter(
        wanted.0.iter().map(|(right, names)| async move { (right, given(client, right, names).await) }),
    )
    .buffered(AT_A_TIME)
    .collect()
    .await;
    let (mut problems, mut missing) = (Vec::new(), Vec::new());
    for (right, answer) in answers {
        match answer {
            Ok(true) => {}
            Ok(false) => missing.push(right),
            Err(error) => {
                problems.push(told(trouble("ask for the rights of", "this identity", &error)));
            }
        }
    }
    problems.extend(sentence(&missing).map(|sentence| TargetError {
        code: "forbidden",
        sentence,
        hint: Some("give it a Role with these rights: docs/rbac.md has the least ones".to_owned()),
        fatal: true,
    }));
    problems
}

/// Whether a right is given: for all objects, or at least for each of these names.
async fn given(client: &Client, right: &Right, names: &BTreeSet<String>) -> Result<bool, Error> {
    if review(client, right, None).await? {
        return Ok(true);
    }
    for name in names {
        if !review(client, right, Some(name)).await? {
            return Ok(false);
        }
    }
    Ok(!names.is_empty())
}

async fn review(client: &Client, right: &Right, name: Option<&str>) -> Result<bool, Error> {
    let (resource, subresource) =
        right.resource.split_once('/').map_or((right.resource.as_str(), None), |(one, sub)| (one, Some(sub)));
    let attributes = ResourceAttributes {
        verb: Some(right.verb.to_owned()),
        group: Some(right.group.clone()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        namespace: right.namespace.clone(),
        name: name.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let parameters = PostParams::default();
    let answer = patiently(|| api.create(&parameters, &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// `this identity may not create, patch deployments.apps in namespace shop; get pods/log in namespace shop`.
pub(super) fn sentence(missing: &[&Right]) -> Option<String> {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for right in missing {
        let object = match right.resource.split_once('/') {
            _ if right.group.is_empty() => right.resource.clone(),
            Some((resource, sub)) => format!("{resource}.{}/{sub}", right.group),
            None => format!("{}.{}", right.resource, right.group),
        };
        let place = right.namespace.as_ref().map_or_else(
            || format!("{object} in the cluster as a whole"),
            |namespace| format!("{object} in namespace {namespace}"),
        );
        match told.last_mut() {
            Some((last, verbs)) if *last == place => verbs.push(right.verb),
            _ => told.push((place, vec![right.verb])),
        }
    }
    let told: Vec<String> =
        told.into_iter().map(|(place, verbs)| format!("{} {place}", verbs.join(", "))).collect();
    (!told.is_empty()).then(|| format!("this identity may not {}", told.join("; ")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::need::Feature;
    use super::*;
    use crate::target::kubernetes::manifests::parse;

    fn told(wanted: &Wanted) -> String {
        sentence(&wanted.0.keys().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn all_missing_rights_stand_in_one_sentence_in_the_words_of_rbac() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\n---\n\
                    apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n---\n\
                    apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: other, namespace: b }\n";
        let objects = parse(Path::new("x.yaml"), text).unwrap();
        let kind = |group: &str, plural: &str, namespaced| Kind {
            group: group.to_owned(),
            plural: plural.to_owned(),
            namespaced,
        };
        let mut wanted = Wanted::default();
        for object in &objects {
            let kind = if object.key.kind == "Namespace" {
                kind("", "namespaces", false)
            } else {
                kind("apps", "deployments", true)
            };
            wanted.object(object, &kind, "a");
        }
        Feature::DirectChecks.needs().iter().for_each(|need| wanted.need(need, "a"));
        let expected = "this identity may not create, get, patch namespaces in the cluster as a whole; \
                        create, get pods/portforward in namespace a; \
                        create, delete, get, patch deployments.apps in namespace a; \
                        create, delete, get, patch deployments.apps in namespace b";
        assert_eq!(told(&wanted), expected);
        assert_eq!(sentence(&[]), None);
    }

    #[test]
    fn a_right_for_names_is_enough_unless_it_is_needed_for_all() {
        let map =
            parse(Path::new("x.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: own }\n").unwrap();
        let kind = Kind { group: String::new(), plural: "configmaps".to_owned(), namespaced: true };
        let names = |wanted: &Wanted| -> Vec<(&'static str, usize)> {
            wanted.0.iter().map(|(right, names)| (right.verb, names.len())).collect()
        };
        let mut wanted = Wanted::default();
        wanted.object(&map[0], &kind, "a");
        assert_eq!(names(&wanted), [("create", 0), ("delete", 1), ("get", 1), ("patch", 1)]);
        let mut wanted = Wanted::default();
        let need = Need { group: "", resources: &["configmaps"], verbs: &["get"], why: "" };
        wanted.need(&need, "a");
        wanted.object(&map[0], &kind, "a");
        assert_eq!(names(&wanted), [("create", 0), ("delete", 1), ("get", 0), ("patch", 1)]);
    }
}
