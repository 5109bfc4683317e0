//! The journal and the lock in a cluster, beside what they are about.
//!
//! | object | holds |
//! |---|---|
//! | ConfigMap `tidegate-APP-ENVIRONMENT-ROLLOUT` | one rollout's history, in the text of `format`; further ones with `-1`, `-2` … when it grows |
//! | ConfigMap `tidegate-APP-ENVIRONMENT-requests` | what people asked for, a key a request |
//! | ConfigMap `tidegate-APP-ENVIRONMENT-hold` | who closed the environment by hand ([`hold`]) |
//! | Lease `tidegate-APP-ENVIRONMENT` | who works on the environment ([`lease`]) |
//!
//! Every write of a history names the version of the object that it stands on: of two writers one is refused, and nothing is
//! overwritten unseen.

pub mod hold;
pub mod lease;
mod map;
mod requests;

use kube::{Api, Client, Error};

use super::JournalError;
use crate::cluster::trouble;

pub use map::MapJournal;

/// An environment's name in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The app: a DNS label.
    pub app: String,
    /// The environment: a DNS label.
    pub environment: String,
    /// The namespace that its objects live in.
    pub namespace: String,
}

impl Scope {
    /// The common beginning of the names of its objects.
    fn prefix(&self) -> String {
        format!("tidegate-{}-{}", self.app, self.environment)
    }

    /// The labels by which all its journal's objects of one kind are found: `rollout`, `requests`, `hold` or `lock`.
    fn labels(&self, kind: &str) -> std::collections::BTreeMap<String, String> {
        let pairs = [
            ("app.kubernetes.io/managed-by", "tidegate"),
            ("tidegate.dev/app", &self.app),
            ("tidegate.dev/environment", &self.environment),
            ("tidegate.dev/journal", kind),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn selector(&self, kind: &str) -> String {
        let labels = self.labels(kind);
        labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    }

    fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(client.clone(), &self.namespace)
    }
}

/// A failure in the journal's words.
fn problem(tried: &str, object: &str, error: &Error) -> JournalError {
    let trouble = trouble(tried, object, error);
    JournalError { code: trouble.code, sentence: trouble.sentence, hint: trouble.hint }
}
