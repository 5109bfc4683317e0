//! The objects of releases, kept in the cluster beside what they describe: any machine can go back to them.
//!
//! A release's objects are one compressed text in as many ConfigMaps as it takes; in Secrets where a Secret is among them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Error, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::apply::told;
use super::bundle::Bundle;
use super::names::{Home, KEPT, MANAGED_BY};
use super::{KubernetesConfig, TargetError};
use crate::cluster::{patiently, trouble};
use crate::rollout::ReleaseId;

/// The label that numbers the parts.
const PART: &str = "tidegate.dev/part";
/// The annotation that says how many parts there are.
const PARTS: &str = "tidegate.dev/parts";
/// The key that holds the text.
const OBJECTS: &str = "objects.json.gz";
/// Bytes in one object; the API server takes a MiB.
const MOST: usize = 900_000;

/// Where releases are kept.
pub(super) struct Store {
    client: Client,
    namespace: String,
    home: Home,
}

/// A kind that can keep bytes.
trait Keeps:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize
{
    const KIND: &'static str;
    fn made(metadata: ObjectMeta, bytes: ByteString) -> Self;
    fn bytes(&self) -> Option<&ByteString>;
}

impl Keeps for ConfigMap {
    const KIND: &'static str = "ConfigMap";
    fn made(metadata: ObjectMeta, bytes: ByteString) -> Self {
        let binary_data = Some(BTreeMap::from([(OBJECTS.to_owned(), bytes)]));
        Self { metadata, binary_data, ..Self::default() }
    }
    fn bytes(&self) -> Option<&ByteString> {
        self.binary_data.as_ref()?.get(OBJECTS)
    }
}

impl Keeps for Secret {
    const KIND: &'static str = "Secret";
    fn made(metadata: ObjectMeta, bytes: ByteString) -> Self {
        let data = Some(BTreeMap::from([(OBJECTS.to_owned(), bytes)]));
        Self { metadata, data, type_: Some("tidegate.dev/release".to_owned()), ..Self::default() }
    }
    fn bytes(&self) -> Option<&ByteString> {
        self.data.as_ref()?.get(OBJECTS)
    }
}

impl Store {
    pub(super) fn new(client: Client, namespace: &str, home: Home) -> Self {
        Self { client, namespace: namespace.to_owned(), home }
    }

    /// Keeps a release's objects. Done twice is done once: a release's identity is that of its objects.
    pub(super) async fn keep(&self, release: &ReleaseId, bundle: &Bundle) -> Result<(), TargetError> {
        let packed = compressed(&bundle.packed()).map_err(|error| damaged(release, &error.to_string()))?;
        let is_secret = bundle
            .objects()
            .iter()
            .any(|object| object.key.kind == "Secret" && object.key.group().is_empty());
        if is_secret {
            self.put::<Secret>(release, &packed).await
        } else {
            self.put::<ConfigMap>(release, &packed).await
        }
    }

    /// The objects of a release, if they are kept.
    pub(super) async fn get(
        &self,
        release: &ReleaseId,
        config: &KubernetesConfig,
    ) -> Result<Option<Bundle>, TargetError> {
        let mut packed = self.read::<ConfigMap>(release).await?;
        if packed.is_none() {
            packed = self.read::<Secret>(release).await?;
        }
        let Some(packed) = packed else { return Ok(None) };
        let mut text = String::new();
        GzDecoder::new(packed.as_slice())
            .read_to_string(&mut text)
            .map_err(|error| damaged(release, &error.to_string()))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|error| damaged(release, &error.to_string()))?;
        let bundle =
            Bundle::unpacked(value, config).ok_or_else(|| damaged(release, "it is of another format"))?;
        Ok(Some(bundle))
    }

    /// The releases that are kept.
    pub(super) async fn releases(&self) -> Result<Vec<ReleaseId>, TargetError> {
        let mut all = self.names::<ConfigMap>().await?;
        // Whoever never deploys a Secret need not be allowed to list them.
        match self.names::<Secret>().await {
            Ok(more) => all.extend(more),
            Err(error) if error.code == "forbidden" => {}
            Err(error) => return Err(error),
        }
        let mut ids: Vec<ReleaseId> = all.into_iter().map(|(release, _)| release).collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// Forgets a release.
    pub(super) async fn remove(&self, release: &ReleaseId) -> Result<(), TargetError> {
        self.delete::<ConfigMap>(release).await?;
        match self.delete::<Secret>(release).await {
            Err(error) if error.code != "forbidden" => Err(error),
            _ => Ok(()),
        }
    }

    fn api<K: Keeps>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn name(&self, release: &ReleaseId, part: usize) -> String {
        format!("tidegate-{}-{}-release-{release}-{part}", self.home.app, self.home.environment)
    }

    async fn put<K: Keeps>(&self, release: &ReleaseId, packed: &[u8]) -> Result<(), TargetError> {
        let parts: Vec<&[u8]> = packed.chunks(MOST).collect();
        for (number, part) in parts.iter().enumerate() {
            let mut labels = self.home.labels();
            labels.insert(MANAGED_BY.to_owned(), "tidegate".to_owned());
            labels.insert(KEPT.to_owned(), release.to_string());
            labels.insert(PART.to_owned(), number.to_string());
            let metadata = ObjectMeta {
                name: Some(self.name(release, number)),
                labels: Some(labels),
                annotations: Some(BTreeMap::from([(PARTS.to_owned(), parts.len().to_string())])),
                ..ObjectMeta::default()
            };
            let made = K::made(metadata, ByteString(part.to_vec()));
            let (api, options) = (self.api::<K>(), PostParams::default());
            match patiently(|| api.create(&options, &made)).await {
                Err(Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(self.told::<K>("keep the release in", &error)),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    async fn read<K: Keeps>(&self, release: &ReleaseId) -> Result<Option<Vec<u8>>, TargetError> {
        let Some(first) = self.part::<K>(release, 0).await? else { return Ok(None) };
        let parts = first.annotations().get(PARTS).and_then(|all| all.parse::<usize>().ok()).unwrap_or(1);
        let mut packed = first.bytes().map(|bytes| bytes.0.clone()).unwrap_or_default();
        for number in 1..parts {
            let part = self.part::<K>(release, number).await?;
            let part = part.ok_or_else(|| damaged(release, "a part of it is missing"))?;
            packed.extend(part.bytes().map(|bytes| bytes.0.as_slice()).unwrap_or_default());
        }
        Ok(Some(packed))
    }

    /// One part, by its name: a right to list Secrets is not needed for it.
    async fn part<K: Keeps>(&self, release: &ReleaseId, number: usize) -> Result<Option<K>, TargetError> {
        let (api, name) = (self.api::<K>(), self.name(release, number));
        match patiently(|| api.get_opt(&name)).await {
            Err(Error::Api(status)) if status.code == 403 && K::KIND == "Secret" => Ok(None),
            part => part.map_err(|error| self.told::<K>("read", &error)),
        }
    }

    async fn names<K: Keeps>(&self) -> Result<Vec<(ReleaseId, String)>, TargetError> {
        let wanted = ListParams::default().labels(&format!("{},{KEPT}", self.home.selector()));
        let api = self.api::<K>();
        let list =
            patiently(|| api.list_metadata(&wanted)).await.map_err(|error| self.told::<K>("list", &error))?;
        let one = |object: &kube::core::PartialObjectMeta<K>| {
            Some((ReleaseId::new(object.labels().get(KEPT)?), object.name_any()))
        };
        Ok(list.items.iter().filter_map(one).collect())
    }

    async fn delete<K: Keeps>(&self, release: &ReleaseId) -> Result<(), TargetError> {
        let api = self.api::<K>();
        for (_, name) in self.names::<K>().await?.into_iter().filter(|(id, _)| id == release) {
            let options = DeleteParams::default();
            match patiently(|| api.delete(&name, &options)).await {
                Err(Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(self.told::<K>("remove", &error)),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn told<K: Keeps>(&self, tried: &str, error: &Error) -> TargetError {
        told(trouble(tried, &format!("{}s of namespace {}", K::KIND, self.namespace), error))
    }
}

fn compressed(value: &Value) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(value.to_string().as_bytes())?;
    encoder.finish()
}

fn damaged(release: &ReleaseId, why: &str) -> TargetError {
    TargetError {
        code: "release-damaged",
        sentence: format!("what is kept of release {release} cannot be read: {why}"),
        hint: Some("deploy that version again from its commit".to_owned()),
        fatal: true,
    }
}
