//! The documents of an assembled image: configuration, manifest, attestation, index.

use std::collections::HashMap;

use bytes::Bytes;
use oci_spec::OciSpecError;
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, DescriptorBuilder, Digest, HistoryBuilder, ImageConfigurationBuilder,
    ImageIndexBuilder, ImageManifestBuilder, MediaType, Os, PlatformBuilder, RootFsBuilder,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Base, Part, Recipe, sbom};
use crate::registry::{Blob, Content, Document, Package, RegistryError, digest_of};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The annotations by which tools know that a manifest of an index is about another: those of `BuildKit`
/// (<https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md>).
const KIND: &str = "vnd.docker.reference.type";
const ABOUT: &str = "vnd.docker.reference.digest";

/// All documents: each platform's manifest, what is attached to them, and the index. One platform with nothing attached needs none.
pub(super) fn package(recipe: &Recipe, images: Vec<(Part, Option<Base>)>) -> Result<Package, RegistryError> {
    let built =
        images.into_iter().map(|(part, base)| image(recipe, part, base)).collect::<Result<Vec<_>, _>>();
    let built = built.map_err(impossible)?;
    let (mut documents, mut named) = (Vec::new(), Vec::new());
    let mut attached = Vec::new();
    for (document, descriptor, statement) in built {
        documents.push(document);
        named.push(descriptor);
        if let Some((document, descriptor)) = statement {
            documents.push(document);
            attached.push(descriptor);
        }
    }
    if named.len() > 1 || !attached.is_empty() {
        named.extend(attached);
        let index = ImageIndexBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageIndex)
            .manifests(named)
            .build();
        documents.push(index.and_then(|index| document(&MediaType::ImageIndex, &index)).map_err(impossible)?);
    }
    Ok(Package { documents })
}

type Image = (Document, Descriptor, Option<(Document, Descriptor)>);

/// One platform's manifest, as its index names it, and what is attached to it.
fn image(recipe: &Recipe, part: Part, base: Option<Base>) -> Result<Image, OciSpecError> {
    let created = jiff::Timestamp::from_second(recipe.created).unwrap_or_default().to_string();
    let config = configuration(recipe, &part, base.as_ref(), &created)?;
    let (config, config_blob) = small(&MediaType::ImageConfig, &config)?;
    let kind = if part.layer.is_compressed { MediaType::ImageLayerGzip } else { MediaType::ImageLayer };
    let layer = Descriptor::new(kind, part.layer.size, digest(&part.layer.digest)?);
    let mut blobs = vec![config_blob];
    let mut layers = Vec::new();
    for (descriptor, blob) in base.into_iter().flat_map(|base| base.layers) {
        layers.push(descriptor);
        blobs.push(blob);
    }
    layers.push(layer);
    blobs.push(Blob {
        digest: part.layer.digest.clone(),
        size: part.layer.size,
        content: part.layer.content.clone(),
    });
    let mut manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(layers)
        .build()?;
    if !recipe.annotations.is_empty() {
        manifest.set_annotations(Some(recipe.annotations.clone().into_iter().collect()));
    }
    let mut manifest = document(&MediaType::ImageManifest, &manifest)?;
    manifest.blobs = blobs;
    let platform = PlatformBuilder::default()
        .os(Os::from(part.platform.os.as_str()))
        .architecture(Arch::from(part.platform.architecture.as_str()));
    let platform = match &part.platform.variant {
        Some(variant) => platform.variant(variant.clone()),
        None => platform,
    };
    let mut descriptor = described(&manifest)?;
    descriptor.set_platform(Some(platform.build()?));
    let statement = recipe.has_sbom.then(|| attestation(&part, &manifest.digest, &created)).transpose()?;
    Ok((manifest, descriptor, statement))
}

/// The configuration: that of the base where there is one, with what this image changes.
fn configuration(
    recipe: &Recipe,
    part: &Part,
    base: Option<&Base>,
    created: &str,
) -> Result<Value, OciSpecError> {
    let mut config = ConfigBuilder::default().env(vec![PATH.to_owned()]).build()?;
    let (mut diff_ids, mut history) = (Vec::new(), Vec::new());
    if let Some(base) = base {
        config = base.configuration.config().clone().unwrap_or(config);
        diff_ids = base.configuration.rootfs().diff_ids().clone();
        history = base.configuration.history().clone().unwrap_or_default();
    }
    config.set_user(Some(recipe.user.clone()));
    if !recipe.labels.is_empty() {
        let mut labels = config.labels().clone().unwrap_or_default();
        labels.extend(recipe.labels.clone());
        config.set_labels(Some(labels));
    }
    if !part.entrypoint.is_empty() {
        config.set_entrypoint(Some(part.entrypoint.clone()));
        // The words that the base's program would be given are not for this one.
        config.set_cmd(None);
    }
    if let (Some(directory), None) = (&part.directory, base) {
        config.set_working_dir(Some(directory.clone()));
    }
    diff_ids.push(part.layer.diff_id.clone());
    history.push(HistoryBuilder::default().created(created).created_by("tidegate image push").build()?);
    let configuration = ImageConfigurationBuilder::default()
        .created(created)
        .os(Os::from(part.platform.os.as_str()))
        .architecture(Arch::from(part.platform.architecture.as_str()))
        .config(config)
        .rootfs(RootFsBuilder::default().typ("layers").diff_ids(diff_ids).build()?)
        .history(history)
        .build()?;
    let mut configuration = serde_json::to_value(configuration)?;
    if let (Some(variant), Some(map)) = (&part.platform.variant, configuration.as_object_mut()) {
        map.insert("variant".to_owned(), variant.clone().into());
    }
    Ok(configuration)
}

/// The manifest that attaches the list of what is in an image.
fn attestation(part: &Part, about: &str, created: &str) -> Result<(Document, Descriptor), OciSpecError> {
    let kind = MediaType::Other("application/vnd.in-toto+json".to_owned());
    let (mut layer, layer_blob) = small(&kind, &sbom::statement(part, about, created))?;
    let predicate = ("in-toto.io/predicate-type".to_owned(), sbom::PREDICATE.to_owned());
    layer.set_annotations(Some(HashMap::from([predicate])));
    let config = json!({
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer_blob.digest] },
    });
    let (config, config_blob) = small(&MediaType::ImageConfig, &config)?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(vec![layer])
        .build()?;
    let mut manifest = document(&MediaType::ImageManifest, &manifest)?;
    manifest.blobs = vec![config_blob, layer_blob];
    let unknown = PlatformBuilder::default().os(Os::from("unknown")).architecture(Arch::from("unknown"));
    let mut descriptor = described(&manifest)?;
    descriptor.set_platform(Some(unknown.build()?));
    let about = [(KIND, "attestation-manifest"), (ABOUT, about)];
    descriptor.set_annotations(Some(about.map(|(key, value)| (key.to_owned(), value.to_owned())).into()));
    Ok((manifest, descriptor))
}

fn document(kind: &MediaType, content: &impl Serialize) -> Result<Document, OciSpecError> {
    Ok(Document::new(kind.to_string(), text(content)?))
}

fn described(document: &Document) -> Result<Descriptor, OciSpecError> {
    DescriptorBuilder::default()
        .media_type(MediaType::from(document.media_type.as_str()))
        .digest(digest(&document.digest)?)
        .size(document.bytes.len() as u64)
        .build()
}

/// A blob that is here, and how a manifest names it.
fn small(kind: &MediaType, content: &impl Serialize) -> Result<(Descriptor, Blob), OciSpecError> {
    let bytes = text(content)?;
    let (name, size) = (digest_of(&bytes), bytes.len() as u64);
    let descriptor = Descriptor::new(kind.clone(), size, digest(&name)?);
    Ok((descriptor, Blob { digest: name, size, content: Content::Bytes(bytes) }))
}

fn digest(text: &str) -> Result<Digest, OciSpecError> {
    text.parse()
}

/// JSON in one form only: the types keep some maps in no order.
fn text(content: &impl Serialize) -> Result<Bytes, OciSpecError> {
    let sorted = sorted(serde_json::to_value(content)?);
    Ok(serde_json::to_vec(&sorted)?.into())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut all: Vec<(String, Value)> = map.into_iter().collect();
            all.sort_by(|one, other| one.0.cmp(&other.0));
            all.into_iter().map(|(key, value)| (key, sorted(value))).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(all) => all.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// The types refuse what lacks a field; none of ours does.
fn impossible(error: OciSpecError) -> RegistryError {
    RegistryError::new("bad-image", format!("the image's documents cannot be written: {error}"))
}
