//! OCI layouts: an image as a directory or as a tar of one
//! (<https://github.com/opencontainers/image-spec/blob/main/image-layout.md>).

mod tar;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use oci_spec::image::{Descriptor, ImageIndex};

use crate::registry::{Content, Document, Package, RegistryError};

/// The annotation by which a layout names its images.
const NAME: &str = "org.opencontainers.image.ref.name";
/// The largest document that is read.
const LARGEST: u64 = 4 << 20;

/// Where the files of a layout are.
enum Layout {
    Directory(PathBuf),
    /// One file, and where in it each begins, with its size.
    Tar(Arc<File>, BTreeMap<String, (u64, u64)>),
}

/// Whether a path is an OCI layout: a directory of one, or a tar.
#[must_use]
pub fn is_layout(path: &Path) -> bool {
    path.join("oci-layout").is_file() || (path.is_file() && tar::is_tar(path))
}

/// The image of a layout, with all its platforms and attestations. Its layers stay where they are.
///
/// # Errors
/// `bad-image` when it is no layout, lacks something, or holds several images.
pub async fn open(path: &Path) -> Result<Package, RegistryError> {
    let layout = Layout::open(path)?;
    let bad = |why: &str| RegistryError::new("bad-image", format!("{}: {why}", path.display()));
    let text = layout.bytes("index.json").map_err(|why| bad(&why))?;
    let index: ImageIndex =
        serde_json::from_slice(&text).map_err(|error| bad(&format!("index.json cannot be read: {error}")))?;
    let named = index
        .manifests()
        .iter()
        .filter(|one| one.annotations().as_ref().is_some_and(|all| all.contains_key(NAME)));
    let root = match index.manifests().as_slice() {
        [] => return Err(bad("its index.json names no image")),
        [only] => {
            let bytes = layout.blob(only).map_err(|why| bad(&why))?;
            Document::new(only.media_type().to_string(), bytes)
        }
        all if named.clone().count() > 1 => {
            return Err(bad(&format!("it holds {} images", all.len()))
                .hint("write a layout with the one that is to be pushed"));
        }
        _ => Document::new("application/vnd.oci.image.index.v1+json", text.clone()),
    };
    let fetch = async |descriptor: &Descriptor| layout.blob(descriptor).map_err(|why| bad(&why));
    let content = |descriptor: &Descriptor| layout.content(descriptor).map_err(|why| bad(&why));
    Package::gather(root, fetch, content).await
}

impl Layout {
    fn open(path: &Path) -> Result<Self, RegistryError> {
        if path.is_dir() {
            return Ok(Self::Directory(path.to_owned()));
        }
        let read = File::open(path).and_then(|file| Ok((tar::contents(&file)?, file)));
        let (contents, file) = read.map_err(|error| {
            RegistryError::new("bad-image", format!("{} cannot be read as a tar: {error}", path.display()))
        })?;
        Ok(Self::Tar(Arc::new(file), contents))
    }

    /// The file of a name: which, where in it, and how long.
    fn find(&self, name: &str) -> Result<(Arc<File>, u64, u64), String> {
        match self {
            Self::Directory(directory) => {
                let opened = File::open(directory.join(name));
                let known = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
                let (size, file) = known.map_err(|error| format!("{name} cannot be read: {error}"))?;
                Ok((Arc::new(file), 0, size))
            }
            Self::Tar(file, contents) => {
                let (at, size) = contents.get(name).ok_or_else(|| format!("{name} is not in it"))?;
                Ok((Arc::clone(file), *at, *size))
            }
        }
    }

    fn bytes(&self, name: &str) -> Result<Bytes, String> {
        let (file, at, size) = self.find(name)?;
        if size > LARGEST {
            return Err(format!("{name} is larger than a manifest may be"));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        file.read_exact_at(&mut bytes, at).map_err(|error| format!("{name} cannot be read: {error}"))?;
        Ok(bytes.into())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Bytes, String> {
        self.bytes(&place(descriptor))
    }

    fn content(&self, descriptor: &Descriptor) -> Result<Content, String> {
        let name = place(descriptor);
        let (file, at, size) = self.find(&name)?;
        if size != descriptor.size() {
            return Err(format!("{name} has {size} bytes, and its manifest says {}", descriptor.size()));
        }
        Ok(Content::File { file, at, is_sure: false })
    }
}

/// Where a layout keeps a blob. A digest was checked when it was read: there is no way out of the folder in it.
fn place(descriptor: &Descriptor) -> String {
    let digest = descriptor.digest();
    format!("blobs/{}/{}", digest.algorithm(), digest.digest())
}
