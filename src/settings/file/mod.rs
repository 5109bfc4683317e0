//! `tidegate.yaml` as it is written: types, key names and their documents, nothing interpreted. The JSON Schema is made
//! from these types, and their doc comments are its descriptions. A required key is an `Option` here all the same: what is
//! missing is told together with all else that is wrong.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

mod check;
mod gate;
mod image;
mod kubernetes;
mod load;
mod local;
mod many;
mod metrics;
mod migrate;
mod notify;
mod on;
mod policy;
mod preview;
mod strategy;
mod units;

pub(super) use check::{Check, Expect};
pub(super) use gate::{CloudWatch, Datadog, Metric, PrometheusQuery};
pub(super) use image::{Binary, Build, Cache, Compression, Image, Lines, Pairs, Toggle};
pub(super) use kubernetes::{Graces, Kubernetes, Oidc, Paths, Traffic};
pub(super) use load::{Load, Objectives, Sent};
pub(super) use local::{Command, Header, Listen, Local, Logs, Proxy, Text, Upstream};
pub(super) use metrics::{Counter, CountingRouter, Metrics, Prometheus, Queries, Routers};
pub(super) use migrate::{Backup, Job, Migrate};
pub(super) use notify::{Email, Notification, OutcomeName, Security, Webhook};
pub(super) use on::{Events, Freeze, On, Patterns as NamePatterns};
pub(super) use policy::{Level, Policy};
pub(super) use preview::{Access, AtLimit, Database, Isolation, Ports, Pulls};
pub(super) use strategy::{Amount, BlueGreen, Canary, Compare, Rolling, Stage, Strategy};
pub(super) use units::{Percent, Size, Time};

/// What Tidegate deploys, and where and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with `app` and `environments`"
)]
#[schemars(rename = "tidegate.yaml")]
pub(super) struct File {
    /// Name of the app: small letters, digits and inner dashes, at most 63 characters.
    #[schemars(required, regex(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub(super) app: Option<String>,
    /// The image that environments in a cluster run: where it is kept, what it is called, what it is made of.
    pub(super) image: Option<Image>,
    /// Further images of the app, each by a name of its own, with the keys of `image`: `{ worker: { repository: …, build: … } }`. A container takes the
    /// one of its repository; what has not changed is not built again.
    pub(super) images: Option<Ordered<Image>>,
    /// Who is told how rollouts ended, in every environment that has no list of its own.
    pub(super) notify: Option<Vec<Notification>>,
    /// The environments by name. A name has small letters, digits and inner dashes, at most 63 characters.
    #[schemars(
        required,
        extend("minProperties" = 1),
        extend("propertyNames" = { "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" })
    )]
    pub(super) environments: Option<Ordered<Environment>>,
}

/// One environment: where the app runs there, and how a release takes over.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of an environment"
)]
pub(super) struct Environment {
    /// Which events of a workflow deploy here by themselves (`tidegate run`): patterns for branches and tags. Also by hand, nothing
    /// else is deployed then. The first environment in the file whose pattern fits takes the event. Without it, only a step
    /// that names the environment deploys here, and whatever it is started by.
    pub(super) on: Option<On>,
    /// End users meet it: GitHub shows its deployments as those of a production environment. By default where its name is `production`,
    /// `prod` or `live`, or begins so: `production-eu`.
    pub(super) production: Option<bool>,
    /// Another environment, in which the same release must have succeeded before.
    pub(super) after: Option<String>,
    /// Times in which nothing new is deployed. Going back is always possible.
    pub(super) freeze: Option<Vec<Freeze>>,
    /// Where it runs.
    #[schemars(required)]
    pub(super) target: Option<Target>,
    /// How an instance is asked for its health. Without it, an instance whose port is open is healthy. Only with
    /// `local`: in a cluster the readiness probes of the manifests tell.
    pub(super) health: Option<Health>,
    /// How a new release takes over: a name, or a mapping of one name to its settings.
    #[schemars(extend("default" = "blue-green"))]
    pub(super) strategy: Option<Strategy>,
    /// How the database follows the release: what adds to it runs first, what takes away runs last.
    pub(super) migrate: Option<Migrate>,
    /// Requests that are checked against the public address, and gates that are asked, after the deploy. When one fails, the release is
    /// taken back.
    pub(super) verify: Option<Vec<Check>>,
    /// How long the former release is kept running for an instant way back. Only with `blue-green` and `canary`.
    #[schemars(extend("default" = "10m"))]
    pub(super) keep: Option<Time>,
    /// Who is told how rollouts ended here, in place of the list for all environments; `[]` tells nobody.
    pub(super) notify: Option<Vec<Notification>>,
    /// Limits in time: with them a rollout always ends.
    pub(super) budgets: Option<Budgets>,
    /// How many rollouts the journal keeps.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 50))]
    pub(super) history: Option<u32>,
    /// `preview` only: what the preview of a pull request is called; `{number}` must be in it.
    #[schemars(extend("default" = "preview-{number}"))]
    pub(super) name: Option<String>,
    /// `preview` only: the public address of each, such as `https://pr-{number}.preview.example.com`. In the manifests its host stands for the
    /// only host that they name.
    pub(super) url: Option<String>,
    /// `preview` only: hosts of the manifests, each with the one that stands for it in a preview, where there is more than one.
    pub(super) hosts: Option<Ordered<Text>>,
    /// `preview` only: how long a preview lives after it was last pushed to or asked for.
    #[schemars(extend("default" = "72h"))]
    pub(super) ttl: Option<Time>,
    /// `preview` only: how many there may be at once.
    #[schemars(range(min = 1, max = 1000), extend("default" = 10))]
    pub(super) limit: Option<u32>,
    /// `preview` only: what happens to one more.
    #[schemars(extend("default" = "refuse"))]
    pub(super) at_limit: Option<AtLimit>,
    /// `preview` only: the label of a pull request that keeps its preview beyond its time.
    #[schemars(length(min = 1), extend("default" = "keep-preview"))]
    pub(super) keep_label: Option<String>,
    /// `preview` only: the number of an issue that is kept for it, on which a comment shows all previews.
    #[schemars(range(min = 1))]
    pub(super) overview: Option<u64>,
    /// `preview` only: `$NAME` of a variable with a key. `{random}` is then a part that nobody can guess without it, the same for a pull
    /// request each time.
    pub(super) random: Option<String>,
    /// `preview` only: ports of this machine for a `local` target, of which each preview has one: `{port}`.
    #[schemars(extend("default" = "20000-20999"))]
    pub(super) ports: Option<Ports>,
    /// `preview` only: what each may use in a cluster, and whom it may reach.
    pub(super) isolation: Option<Isolation>,
    /// `preview` only: a database of its own for each, made and dropped with it.
    pub(super) database: Option<Database>,
    /// `preview` only: after so long without a request what runs of it is stopped, and started again by the next request, which waits for that.
    pub(super) sleep: Option<Time>,
    /// `preview` only: what lets a visitor in.
    pub(super) access: Option<Access>,
    /// `preview` only: an image of Tidegate that the cluster can pull. `sleep` and `access` need it there: a pod of it stands before the app in
    /// the preview's namespace.
    pub(super) front: Option<String>,
}

/// Where an environment runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Target {
    /// Processes on this machine behind the embedded router.
    Local(Box<Local>),
    /// Plain manifests, applied to a cluster in which nothing need be installed.
    Kubernetes(Box<Kubernetes>),
}

/// How an instance is asked for its health.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the settings of the health check"
)]
pub(super) struct Health {
    /// Path that is asked with GET; 2xx means healthy.
    #[schemars(required, regex(pattern = "^/"))]
    pub(super) get: Option<String>,
    /// An answer must come within this time.
    #[schemars(extend("default" = "2s"))]
    pub(super) within: Option<Time>,
    /// Time between two questions.
    #[schemars(extend("default" = "1s"))]
    pub(super) every: Option<Time>,
    /// A new instance must be healthy within this time.
    #[schemars(extend("default" = "60s"))]
    pub(super) start_within: Option<Time>,
    /// When the answer's JSON names a `version`, it must be the version of the release.
    #[schemars(extend("default" = true))]
    pub(super) version: Option<bool>,
}

/// Limits in time: with them a rollout always ends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a mapping with limits in time")]
pub(super) struct Budgets {
    /// For one step: starting instances, shifting traffic, verifying, retiring.
    #[schemars(extend("default" = "3m"))]
    pub(super) step: Option<Time>,
    /// For the way back as a whole, before it is declared stuck.
    #[schemars(extend("default" = "5m"))]
    pub(super) back: Option<Time>,
    /// How long the way back waits for capacity of the former release before it gets all traffic regardless.
    #[schemars(extend("default" = "30s"))]
    pub(super) restore: Option<Time>,
    /// For the whole way forward. Waiting for a person does not count.
    #[schemars(extend("default" = "1h"))]
    pub(super) total: Option<Time>,
}

/// A mapping from names in the order of the file.
#[derive(Debug)]
pub(super) struct Ordered<T>(pub(super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping from names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Ordered<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("mapping to {}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        std::collections::BTreeMap::<String, T>::json_schema(generator)
    }
}
