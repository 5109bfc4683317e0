//! An image given to a repository: its blobs at once, its manifests, its tags last, so that a tag never names what is not all there.

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::failure::RegistryError;
use super::package::{Document, Package};
use super::repository::Repository;
use super::upload::Came;

/// So many blobs are brought at a time.
const AT_A_TIME: usize = 6;

/// What it took to bring an image to a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pushed {
    /// The image's digest.
    pub digest: String,
    /// Blobs that were there.
    pub present: usize,
    /// Blobs that came from another repository of the registry.
    pub mounted: usize,
    /// Blobs that were uploaded.
    pub uploaded: usize,
    /// Bytes of blobs that were sent, with those that had to be sent again.
    pub sent: u64,
    /// How often an upload went on after a break from where it was.
    pub resumed: u32,
    /// Manifests that were written.
    pub manifests: usize,
    /// Tags that were set; the others had this digest.
    pub tags: usize,
}

/// Brings an image to a repository, under all these tags; with none, under its digest alone. `from` is a repository of the same
/// registry that may have its blobs.
///
/// # Errors
/// When it cannot be brought whole: then no tag was set, or the sentence says which were.
pub async fn push(
    package: &Package,
    to: &Repository,
    tags: &[String],
    from: Option<&str>,
) -> Result<Pushed, RegistryError> {
    let Some(root) = package.root() else {
        return Err(RegistryError::new("bad-image", "there is no manifest in what is to be pushed"));
    };
    let mut pushed = Pushed { digest: root.digest.clone(), ..Pushed::default() };
    let blobs = futures_util::stream::iter(package.blobs().map(|blob| to.bring(blob, from)));
    let mut blobs = blobs.buffer_unordered(AT_A_TIME);
    while let Some(came) = blobs.try_next().await? {
        match came {
            Came::Present => pushed.present += 1,
            Came::Mounted => pushed.mounted += 1,
            Came::Uploaded { sent, resumed } => {
                pushed.uploaded += 1;
                pushed.sent += sent;
                pushed.resumed += resumed;
            }
        }
    }
    for document in &package.documents {
        pushed.manifests += usize::from(write(to, document).await?);
    }
    set(to, root, tags, &mut pushed).await?;
    Ok(pushed)
}

/// Writes a manifest under its digest, unless it is there.
async fn write(to: &Repository, document: &Document) -> Result<bool, RegistryError> {
    let Document { media_type, digest, bytes, .. } = document;
    if to.digest(digest).await?.is_some() {
        return Ok(false);
    }
    to.put_manifest(digest, media_type, digest, bytes).await?;
    Ok(true)
}

/// Sets the tags. Where one cannot be set, those that were are set back as far as that goes.
async fn set(
    to: &Repository,
    root: &Document,
    tags: &[String],
    pushed: &mut Pushed,
) -> Result<(), RegistryError> {
    let mut former = Vec::new();
    for tag in tags {
        let before = to.digest(tag).await?;
        if before.as_deref() != Some(&root.digest) {
            former.push((tag, before));
        }
    }
    for (done, (tag, _)) in former.iter().enumerate() {
        if let Err(error) = to.put_manifest(tag, &root.media_type, &root.digest, &root.bytes).await {
            return Err(taken_back(to, &former[..done], tag, error).await);
        }
        pushed.tags += 1;
    }
    Ok(())
}

/// Sets tags back to what they named, and says which could not be: registries take no tag away by itself.
async fn taken_back(
    to: &Repository,
    done: &[(&String, Option<String>)],
    failed: &str,
    error: RegistryError,
) -> RegistryError {
    let mut left = Vec::new();
    for (tag, before) in done {
        if !set_back(to, tag, before.as_deref()).await {
            left.push(tag.as_str());
        }
    }
    if left.is_empty() {
        let sentence = format!("tag {failed} could not be set, and no other was: {}", error.sentence);
        return RegistryError { sentence, ..error };
    }
    let sentence = format!(
        "tag {failed} could not be set, and {} already names the new image, which is complete: {}",
        left.join(", "),
        error.sentence
    );
    RegistryError::new("half-tagged", sentence).hint("run the same command again: it sets what is missing")
}

async fn set_back(to: &Repository, tag: &str, before: Option<&str>) -> bool {
    let Some(before) = before else { return false };
    match to.manifest(before).await {
        Ok(Some(old)) => to.put_manifest(tag, &old.media_type, before, &old.bytes).await.is_ok(),
        _ => false,
    }
}
