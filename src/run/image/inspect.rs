//! `image inspect`.

use std::sync::Arc;

use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest};

use super::{ImageAnswer, ManifestAnswer, carrier, reference};
use crate::cli::ImageInspectArgs;
use crate::error::Error;
use crate::registry::{Carrier, Document, Package, Reference, Repository, Right};

/// The annotation of an index by which a manifest is about another one.
const ABOUT: &str = "vnd.docker.reference.digest";

/// What a registry has under a name.
///
/// # Errors
/// When there is nothing, or it cannot be had or read.
pub(super) async fn inspect(arguments: &ImageInspectArgs) -> Result<ImageAnswer, Error> {
    look(&carrier(&arguments.registry)?, &reference(&arguments.name)?).await
}

/// What a registry has under this name.
///
/// # Errors
/// As for [`inspect`].
pub(super) async fn look(carrier: &Carrier, name: &Reference) -> Result<ImageAnswer, Error> {
    let repository = Arc::new(carrier.repository(name, Right::Pull).await?);
    let package = Package::of(&repository, &name.version).await?;
    let named: Vec<Descriptor> = package
        .documents
        .iter()
        .filter_map(|document| serde_json::from_slice::<ImageIndex>(&document.bytes).ok())
        .flat_map(|index| index.manifests().clone())
        .collect();
    let mut manifests = Vec::new();
    for document in &package.documents {
        let descriptor = named.iter().find(|one| one.digest().to_string() == document.digest);
        manifests.extend(manifest(&repository, document, descriptor).await?);
    }
    let (digest, media_type) =
        package.root().map(|root| (root.digest.clone(), root.media_type.clone())).unwrap_or_default();
    let size = package.blobs().map(|blob| blob.size).sum();
    Ok(ImageAnswer { name: name.to_string(), digest, media_type, size, manifests })
}

/// One manifest with its configuration; nothing for an index.
async fn manifest(
    repository: &Repository,
    document: &Document,
    descriptor: Option<&Descriptor>,
) -> Result<Option<ManifestAnswer>, Error> {
    let Ok(manifest) = serde_json::from_slice::<ImageManifest>(&document.bytes) else { return Ok(None) };
    let annotations = descriptor.and_then(|one| one.annotations().as_ref());
    let about = annotations.and_then(|all| all.get(ABOUT)).cloned();
    let text = repository.small(manifest.config().digest().as_ref()).await?;
    let configuration = serde_json::from_slice::<ImageConfiguration>(&text).ok();
    let config = configuration.as_ref().and_then(|all| all.config().clone());
    let created = configuration.as_ref().and_then(|all| all.created().clone());
    let platform =
        configuration.filter(|_| about.is_none()).map(|all| format!("{}/{}", all.os(), all.architecture()));
    let contents = about
        .iter()
        .flat_map(|_| manifest.layers())
        .filter_map(|layer| layer.annotations().as_ref()?.get("in-toto.io/predicate-type").cloned());
    Ok(Some(ManifestAnswer {
        digest: document.digest.clone(),
        media_type: document.media_type.clone(),
        platform,
        size: manifest.layers().iter().map(Descriptor::size).sum(),
        layers: manifest.layers().iter().map(|layer| layer.digest().to_string()).collect(),
        created,
        user: config.as_ref().and_then(|config| config.user().clone()),
        entrypoint: config.as_ref().and_then(|config| config.entrypoint().clone()).unwrap_or_default(),
        command: config.as_ref().and_then(|config| config.cmd().clone()).unwrap_or_default(),
        labels: config.and_then(|config| config.labels().clone()).unwrap_or_default().into_iter().collect(),
        predicates: contents.collect(),
        about,
    }))
}
