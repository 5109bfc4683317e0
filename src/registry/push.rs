//! An image given to a repository: its blobs at once, its manifests, its tags last, so that a tag never names what is not all there.
//!
//! ```text
//! at once: blobs brought │ which manifests are there │ what the tags name
//!   └→ images' manifests at once → indexes that name them → tags, which bring the root
//! ```
//! Where nothing has changed, the first line is all: one way to the registry and back.

use std::collections::BTreeSet;

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
    let (mut pushed, missing, named) =
        tokio::try_join!(bring(package, to, from), missing(package, to), named(to, tags))?;
    pushed.digest.clone_from(&root.digest);
    // A tag that is set brings the root with it.
    let is_set = |named: &[Option<String>]| named.iter().any(|one| one.as_ref() != Some(&root.digest));
    let documents: Vec<&Document> = package
        .documents
        .iter()
        .filter(|one| missing.contains(&one.digest) && !(one.digest == root.digest && is_set(&named)))
        .collect();
    write(to, &documents).await?;
    pushed.manifests = documents.len();
    // What tags named before an upload may be long ago.
    let is_fresh = pushed.uploaded + pushed.mounted + pushed.manifests == 0;
    let named = if is_fresh { named } else { self::named(to, tags).await? };
    set(to, root, tags.iter().zip(named), &mut pushed).await?;
    Ok(pushed)
}

/// Brings the blobs.
async fn bring(package: &Package, to: &Repository, from: Option<&str>) -> Result<Pushed, RegistryError> {
    let mut pushed = Pushed::default();
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
    Ok(pushed)
}

/// The digests of the manifests that are not there.
async fn missing(package: &Package, to: &Repository) -> Result<BTreeSet<String>, RegistryError> {
    let asked = package
        .documents
        .iter()
        .map(|one| async { Ok(to.digest(&one.digest).await?.is_none().then(|| one.digest.clone())) });
    futures_util::stream::iter(asked)
        .buffer_unordered(AT_A_TIME)
        .try_filter_map(async |one| Ok(one))
        .try_collect()
        .await
}

/// What each of the tags names.
async fn named(to: &Repository, tags: &[String]) -> Result<Vec<Option<String>>, RegistryError> {
    let asked = tags.iter().map(|tag| to.digest(tag));
    futures_util::stream::iter(asked).buffered(AT_A_TIME).try_collect().await
}

/// Writes manifests under their digests: those of images at once, and then those that name others, in their order.
async fn write(to: &Repository, documents: &[&Document]) -> Result<(), RegistryError> {
    let put = |one: &Document| {
        let Document { media_type, digest, bytes, .. } = one.clone();
        async move { to.put_manifest(&digest, &media_type, &digest, &bytes).await }
    };
    // An image has at least its configuration.
    let (images, indexes): (Vec<&Document>, Vec<&Document>) =
        documents.iter().partition(|one| !one.blobs.is_empty());
    futures_util::stream::iter(images.into_iter().map(put))
        .buffer_unordered(AT_A_TIME)
        .try_collect::<()>()
        .await?;
    for one in indexes {
        put(one).await?;
    }
    Ok(())
}

/// Sets the tags. Where one cannot be set, those that were are set back as far as that goes.
async fn set<'a>(
    to: &Repository,
    root: &Document,
    named: impl Iterator<Item = (&'a String, Option<String>)>,
    pushed: &mut Pushed,
) -> Result<(), RegistryError> {
    let former: Vec<_> = named.filter(|(_, before)| before.as_ref() != Some(&root.digest)).collect();
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
