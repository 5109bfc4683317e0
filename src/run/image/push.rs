//! `image push`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use oci_spec::image::{ImageConfiguration, ImageManifest};

use super::{PushAnswer, carrier, deliver, destinations, reference};
use crate::cli::{ImagePushArgs, Packing};
use crate::error::{Error, ErrorKind};
use crate::image::assemble::{Base, Platform, Recipe, assemble};
use crate::image::layout;
use crate::registry::{Carrier, Document, Package, Reference, Repository, Right};

/// Gives an image to registries.
///
/// # Errors
/// When the source is no image and none can be made of it, or a registry does not take it.
pub(super) async fn push(arguments: &ImagePushArgs) -> Result<PushAnswer, Error> {
    let began = Instant::now();
    let to = destinations(&arguments.names)?;
    let base = arguments.base.as_deref().map(base_name).transpose()?;
    let carrier = carrier(&arguments.registry)?;
    let package = if layout::is_layout(&arguments.source) {
        if let Some(option) = pointless(arguments) {
            let sentence =
                format!("{} is an image already, and {option} is for making one", arguments.source.display());
            return Err(Error::new(ErrorKind::Usage, "usage", sentence));
        }
        layout::open(&arguments.source).await?
    } else {
        made(arguments, &carrier, base.as_ref()).await?
    };
    deliver(&carrier, &package, &to, base.as_ref(), began).await
}

/// An option that has no meaning for an image that is there.
fn pointless(arguments: &ImagePushArgs) -> Option<&'static str> {
    let given = [
        (!arguments.also.is_empty(), "--also"),
        (arguments.base.is_some(), "--base"),
        (arguments.at.is_some(), "--at"),
        (!arguments.entrypoint.is_empty(), "--entrypoint"),
        (arguments.platform.is_some(), "--platform"),
    ];
    given.into_iter().find(|(is_given, _)| *is_given).map(|(_, option)| option)
}

/// A tag may name another image tomorrow: the same command would then make another one.
fn base_name(name: &str) -> Result<Reference, Error> {
    let read = reference(name)?;
    if read.version.starts_with("sha256:") {
        return Ok(read);
    }
    let sentence = format!("the base {name} is not named by its digest");
    Err(Error::new(ErrorKind::Usage, "bad-image-name", sentence)
        .hint(format!("`tidegate image inspect {name}` tells the digest")))
}

async fn made(
    arguments: &ImagePushArgs,
    carrier: &Carrier,
    base: Option<&Reference>,
) -> Result<Package, Error> {
    let platform = match &arguments.platform {
        None => Platform::here(),
        Some(text) => Platform::parse(text).ok_or_else(|| {
            Error::new(ErrorKind::Usage, "usage", format!("{text} is no platform such as linux/amd64"))
        })?,
    };
    let recipe = Recipe {
        sources: std::iter::once(&arguments.source).chain(&arguments.also).cloned().collect(),
        at: arguments.at.clone(),
        entrypoint: arguments.entrypoint.clone(),
        user: arguments.user.clone(),
        created: epoch()?.unwrap_or(0),
        is_compressed: arguments.compression == Packing::Gzip,
        has_sbom: !arguments.no_sbom,
        platform,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    };
    assembled(recipe, carrier, base).await
}

/// Assembles an image, upon the base where there is one.
///
/// # Errors
/// When a source cannot be read or cannot run in such an image, or the base cannot be had.
pub(super) async fn assembled(
    recipe: Recipe,
    carrier: &Carrier,
    base: Option<&Reference>,
) -> Result<Package, Error> {
    let bases = match base {
        Some(base) => Some((base.to_string(), bases(carrier, base).await?)),
        None => None,
    };
    let assembled = tokio::task::spawn_blocking(move || {
        assemble(&recipe, &|platform| match &bases {
            None => Ok(None),
            Some((name, all)) => {
                let fitting = all.iter().find(|base| base.fits(platform)).cloned();
                fitting.map(Some).ok_or_else(|| {
                    let sentence = format!("the base {name} is not made for {platform}");
                    crate::registry::RegistryError::new("wrong-architecture", sentence)
                })
            }
        })
    });
    let ended = |error: tokio::task::JoinError| Error::new(ErrorKind::Failed, "runtime", error.to_string());
    Ok(assembled.await.map_err(ended)??)
}

/// `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>), where it is set.
pub(super) fn epoch() -> Result<Option<i64>, Error> {
    let Some(text) = std::env::var("SOURCE_DATE_EPOCH").ok().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.parse().ok().filter(|seconds| *seconds >= 0).map(Some).ok_or_else(|| {
        let sentence = format!("SOURCE_DATE_EPOCH is {text}, and not a number of seconds since 1970");
        Error::new(ErrorKind::Usage, "usage", sentence)
    })
}

/// The images under a name that can be built upon.
async fn bases(carrier: &Carrier, name: &Reference) -> Result<Vec<Base>, Error> {
    let repository = Arc::new(carrier.repository(name, Right::Pull).await?);
    let package = Package::of(&repository, &name.version).await?;
    let mut all = Vec::new();
    for document in &package.documents {
        if let Some(base) = based(&repository, document).await? {
            all.push(base);
        }
    }
    Ok(all)
}

/// What can be built upon a manifest; nothing when it is that of no image.
async fn based(repository: &Repository, document: &Document) -> Result<Option<Base>, Error> {
    let Ok(manifest) = serde_json::from_slice::<ImageManifest>(&document.bytes) else { return Ok(None) };
    let text = repository.small(manifest.config().digest().as_ref()).await?;
    let Ok(configuration) = serde_json::from_slice::<ImageConfiguration>(&text) else { return Ok(None) };
    let blob_of = |descriptor: &oci_spec::image::Descriptor| {
        let digest = descriptor.digest().to_string();
        document.blobs.iter().find(|blob| blob.digest == digest).cloned()
    };
    let layers = manifest.layers().iter();
    let layers = layers.filter_map(|layer| Some((layer.clone(), blob_of(layer)?))).collect();
    Ok(Some(Base { configuration, layers }))
}
