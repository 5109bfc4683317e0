//! An image as a whole: its documents, and the content that they name.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Repository;
use super::blob::{Blob, Content};
use super::failure::RegistryError;

/// More documents than that are no image.
const MOST: usize = 2000;

/// A manifest or an index, with the content that it names itself.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// Its bytes, as they are: an image is never written anew when it is carried.
    pub bytes: Bytes,
    /// Configuration and layers; none in an index.
    pub blobs: Vec<Blob>,
}

/// An image with all that belongs to it: every platform, every attestation in its index.
#[derive(Debug, Clone)]
pub struct Package {
    /// The documents, each after those that it names. The last one is the image.
    pub documents: Vec<Document>,
}

/// What a document names.
struct Names {
    documents: Vec<Descriptor>,
    blobs: Vec<Descriptor>,
}

impl Document {
    /// A document with the digest of its bytes, and with no blobs.
    #[must_use]
    pub fn new(media_type: impl Into<String>, bytes: Bytes) -> Self {
        Self { media_type: media_type.into(), digest: digest_of(&bytes), bytes, blobs: Vec::new() }
    }
}

impl Package {
    /// The image itself. There is one: a package is never empty.
    #[must_use]
    pub fn root(&self) -> Option<&Document> {
        self.documents.last()
    }

    /// Each blob once.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        let mut known = BTreeSet::new();
        self.documents
            .iter()
            .flat_map(|document| &document.blobs)
            .filter(move |blob| known.insert(blob.digest.as_str()))
    }

    /// What a repository has under a tag or digest. The blobs stay there until they are wanted.
    ///
    /// # Errors
    /// `image-absent` when it is not there, `bad-image` when it cannot be read, and what else keeps it from being had.
    pub async fn of(repository: &Arc<Repository>, version: &str) -> Result<Self, RegistryError> {
        let absent = |version: &str| {
            let between = if version.contains(':') { '@' } else { ':' };
            RegistryError::new("image-absent", format!("there is no {}{between}{version}", repository.name()))
                .hint("push it, or correct its name")
        };
        let received = repository.manifest(version).await?.ok_or_else(|| absent(version))?;
        let media_type = match received.media_type.as_str() {
            "" | "application/json" | "text/plain" => media_type_of(&received.bytes),
            told => told.to_owned(),
        };
        let root = Document::new(media_type, received.bytes);
        let fetch = async |descriptor: &Descriptor| {
            let digest = descriptor.digest().to_string();
            let received = repository.manifest(&digest).await?.ok_or_else(|| absent(&digest))?;
            Ok(received.bytes)
        };
        Self::gather(root, fetch, |_| Ok(Content::Remote(Arc::clone(repository)))).await
    }

    /// All that a document names, each fetched by `fetch`; `content` says where the bytes of a blob are.
    ///
    /// # Errors
    /// `bad-image` when a document cannot be read or is not what its digest says, and what `fetch` and `content` say.
    pub async fn gather(
        root: Document,
        fetch: impl AsyncFn(&Descriptor) -> Result<Bytes, RegistryError>,
        content: impl Fn(&Descriptor) -> Result<Content, RegistryError>,
    ) -> Result<Self, RegistryError> {
        // Those that name come before those that are named; turned round at the end it is the other way.
        let mut documents = vec![root];
        let mut next = 0;
        while next < documents.len() {
            let names = Names::read(&documents[next])?;
            for descriptor in &names.blobs {
                let (digest, size) = (descriptor.digest().to_string(), descriptor.size());
                documents[next].blobs.push(Blob { digest, size, content: content(descriptor)? });
            }
            for descriptor in &names.documents {
                let mut document =
                    Document::new(descriptor.media_type().to_string(), fetch(descriptor).await?);
                let wanted = descriptor.digest().to_string();
                if wanted.starts_with("sha256:") && wanted != document.digest {
                    let sentence = format!("a manifest that is to be {wanted} is {}", document.digest);
                    return Err(super::failure::mismatch(sentence));
                }
                document.digest = wanted;
                documents.push(document);
            }
            if documents.len() > MOST {
                return Err(bad(&documents[0].digest, &format!("it has more than {MOST} manifests")));
            }
            next += 1;
        }
        documents.reverse();
        let mut known = BTreeSet::new();
        documents.retain(|document| known.insert(document.digest.clone()));
        Ok(Self { documents })
    }
}

impl Names {
    fn read(document: &Document) -> Result<Self, RegistryError> {
        let fault = |why: &dyn std::fmt::Display| bad(&document.digest, &why.to_string());
        let read: Value = serde_json::from_slice(&document.bytes).map_err(|error| fault(&error))?;
        if read["schemaVersion"] == 1 {
            return Err(fault(&"it is of Docker's schema 1, which nothing writes any more"));
        }
        if read["manifests"].is_array() {
            let index: ImageIndex = serde_json::from_slice(&document.bytes).map_err(|error| fault(&error))?;
            return Ok(Self { documents: index.manifests().clone(), blobs: Vec::new() });
        }
        let manifest: ImageManifest =
            serde_json::from_slice(&document.bytes).map_err(|error| fault(&error))?;
        let layers = manifest.layers().iter().filter(|layer| !is_foreign(layer));
        let blobs = std::iter::once(manifest.config()).chain(layers).cloned().collect();
        Ok(Self { documents: Vec::new(), blobs })
    }
}

/// Layers that are not to be given on: they lie elsewhere, and registries do not have them.
fn is_foreign(layer: &Descriptor) -> bool {
    let kind = layer.media_type().to_string();
    layer.urls().as_ref().is_some_and(|urls| !urls.is_empty())
        && (kind.contains("nondistributable") || kind.contains("foreign"))
}

fn bad(digest: &str, why: &str) -> RegistryError {
    RegistryError::new("bad-image", format!("manifest {digest} cannot be read: {why}"))
}

/// The media type that a document says of itself, or what its shape says.
pub(crate) fn media_type_of(bytes: &[u8]) -> String {
    let read: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let usual = match read["manifests"].is_array() {
        true => "application/vnd.oci.image.index.v1+json",
        false => "application/vnd.oci.image.manifest.v1+json",
    };
    read["mediaType"].as_str().unwrap_or(usual).to_owned()
}

/// The digest of bytes.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
