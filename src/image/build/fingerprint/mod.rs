//! All that goes into an image, as one sum: the same sum, the same image, and so nothing to build.
//!
//! What counts: the files of the context that are not left out, the Dockerfile, stage, platforms, arguments with their values, labels and
//! annotations, further contexts, the digests of all images that are built upon, attestations that are wanted, the network and hosts that
//! `RUN` sees, and which secrets there are by name. What does not: names of the image, caches, limits, the values of secrets, times of
//! files, and the labels that change with every commit (`created`, `revision`, `version`): they would make every commit another image.
//! An image that is used again says there which commit it was built of.
//!
//! What cannot be told makes no sum, and then it is built: an image that no registry tells the digest of, something added from the
//! network, a branch of a git repository.

mod git;
mod ignore;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Order;
use super::dockerfile::{Given, bases};
use ignore::Ignore;
use tree::Tree;

/// Changes when the same inputs are to give another sum.
const FORM: &str = "tidegate 1";
/// Labels that change with every commit.
const PASSING: [&str; 3] = [
    "org.opencontainers.image.created",
    "org.opencontainers.image.revision",
    "org.opencontainers.image.version",
];

/// What has to be known besides the order.
#[derive(Debug, Clone, Default)]
pub struct Ground {
    /// The platform that is built for where none is named.
    pub platform: Option<String>,
    /// The commit that a context of the workflow's own repository is at.
    pub commit: Option<String>,
    /// Whether the repository is a private one: its provenance is another by default.
    pub is_private: bool,
}

/// The sum, and what somebody should know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of all that goes in, in hex.
    pub sum: String,
    /// Whether git's history is among the context, so that every commit is another one.
    pub has_history: bool,
}

impl Fingerprint {
    /// The tag that an image of these inputs has.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("tidegate-{}", &self.sum[..32])
    }
}

/// Sums up what goes into an image. `resolve` tells the digest of an image, or why it cannot be told.
///
/// # Errors
/// Why there is no sum, as part of a sentence.
pub async fn of(
    order: &Order,
    ground: &Ground,
    resolve: impl AsyncFn(&str) -> Result<String, String>,
) -> Result<Fingerprint, String> {
    let (order_of_files, ground_of_files) = (order.clone(), ground.clone());
    let files = tokio::task::spawn_blocking(move || Files::read(&order_of_files, &ground_of_files));
    let files = files.await.map_err(|error| error.to_string())??;
    let mut parts = settings(order, ground)?;
    parts.push(("context".to_owned(), files.context.sum));
    parts.push(("dockerfile".to_owned(), files.dockerfile.clone()));
    let mut images = bases(&files.dockerfile, &given(order, ground))?;
    for (name, place) in &files.contexts {
        match place {
            Place::Sum(sum) => parts.push((format!("context {name}"), sum.clone())),
            Place::Image(image) => {
                parts.push((format!("context {name}"), image.clone()));
                images.insert(image.clone());
            }
        }
    }
    for image in &images {
        let digest = match image.split_once('@') {
            Some((_, digest)) => digest.to_owned(),
            None => {
                resolve(image).await.map_err(|why| format!("the digest of {image} is not known: {why}"))?
            }
        };
        parts.push((format!("image {image}"), digest));
    }
    Ok(Fingerprint { sum: sum(&mut parts), has_history: files.context.has_history })
}

/// The sum of named parts, in whatever order they come.
fn sum(parts: &mut [(String, String)]) -> String {
    parts.sort();
    let mut sum = Sha256::new();
    sum.update(FORM);
    for text in parts.iter().flat_map(|(name, value)| [name, value]) {
        sum.update((text.len() as u64).to_be_bytes());
        sum.update(text);
    }
    hex::encode(sum.finalize())
}

/// What counts of the order itself.
fn settings(order: &Order, ground: &Ground) -> Result<Vec<(String, String)>, String> {
    let mut parts = Vec::new();
    let mut add = |name: &str, value: &str| parts.push((name.to_owned(), value.to_owned()));
    add("target", order.target.as_deref().unwrap_or_default());
    add("network", order.network.as_deref().unwrap_or_default());
    add("provenance", order.provenance.as_deref().unwrap_or(if ground.is_private { "private" } else { "" }));
    add("sbom", order.sbom.as_deref().unwrap_or_default());
    for platform in platforms(order, ground)? {
        add("platform", &platform);
    }
    for (name, value) in arguments(order) {
        add(&format!("argument {name}"), &value);
    }
    let lists = [("label", &order.labels), ("annotation", &order.annotations)];
    for (name, all) in lists {
        all.iter().filter(|one| !is_passing(one)).for_each(|one| add(name, one));
    }
    let lists = [("attest", &order.attests), ("host", &order.add_hosts), ("right", &order.allow)];
    for (name, all) in lists {
        all.iter().for_each(|one| add(name, one));
    }
    order.secrets.iter().for_each(|secret| add("secret", &secret.id));
    Ok(parts)
}

fn platforms(order: &Order, ground: &Ground) -> Result<BTreeSet<String>, String> {
    let named: BTreeSet<String> = match (&order.platforms[..], &ground.platform) {
        ([], Some(own)) => BTreeSet::from([own.clone()]),
        (named, _) => named.iter().cloned().collect(),
    };
    if named.is_empty() {
        Err("no platform is named, and the builder does not tell its own".to_owned())
    } else {
        Ok(named)
    }
}

/// Arguments with their values; one without is had from the environment, as builders do it.
fn arguments(order: &Order) -> BTreeMap<String, String> {
    let of = |text: &String| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((text.clone(), std::env::var(text).ok()?)),
    };
    order.build_args.iter().filter_map(of).collect()
}

/// Whether it is about something that every commit changes; annotations have a level before their key.
fn is_passing(line: &str) -> bool {
    let key = line.split('=').next().unwrap_or_default();
    PASSING.contains(&key.rsplit(':').next().unwrap_or_default().trim())
}

fn given(order: &Order, ground: &Ground) -> Given {
    let contexts = order.build_contexts.iter().filter_map(|one| Some(one.split_once('=')?.0.to_owned()));
    Given {
        arguments: arguments(order),
        platforms: platforms(order, ground).unwrap_or_default().into_iter().collect(),
        contexts: contexts.collect(),
    }
}

/// What is read of files.
struct Files {
    context: Tree,
    dockerfile: String,
    contexts: Vec<(String, Place)>,
}

/// What a further context is.
enum Place {
    Sum(String),
    Image(String),
}

impl Files {
    fn read(order: &Order, ground: &Ground) -> Result<Self, String> {
        let contexts = order.build_contexts.iter().map(|one| further(one)).collect::<Result<_, _>>()?;
        if order.is_remote() {
            let (sum, dockerfile) = git::read(order, ground.commit.as_deref())?;
            return Ok(Self { context: Tree { sum, has_history: false }, dockerfile, contexts });
        }
        let path = PathBuf::from(order.dockerfile());
        let unread = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
        let dockerfile = fs::read_to_string(&path).map_err(unread)?;
        let root = Path::new(&order.context);
        let own = PathBuf::from(format!("{}.dockerignore", path.display()));
        let context = summed(root, &[own, root.join(".dockerignore")])?;
        Ok(Self { context, dockerfile, contexts })
    }
}

/// The sum of a directory without what the first of these files that is there leaves out.
fn summed(root: &Path, ignores: &[PathBuf]) -> Result<Tree, String> {
    let text = ignores.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let ignore = Ignore::read(&text).map_err(|line| format!("`{line}` in .dockerignore is no pattern"))?;
    tree::sum(root, &ignore)
        .map_err(|error| format!("the context {} cannot be read: {error}", root.display()))
}

/// A further context: `name=docker-image://image`, or a directory.
fn further(text: &str) -> Result<(String, Place), String> {
    let (name, place) =
        text.split_once('=').ok_or_else(|| format!("the context `{text}` is not written as `name=place`"))?;
    let unknown = || format!("what the context {name} holds is known to the builder alone");
    let place = match place.split_once("://") {
        Some(("docker-image", image)) => Place::Image(image.to_owned()),
        // A layout by its digest is always the same one.
        Some(("oci-layout", layout)) if layout.contains("@sha256:") => Place::Sum(layout.to_owned()),
        Some(_) => return Err(unknown()),
        None if super::order::is_remote(place) => return Err(unknown()),
        None => Place::Sum(summed(Path::new(place), &[Path::new(place).join(".dockerignore")])?.sum),
    };
    Ok((name.to_owned(), place))
}

#[cfg(test)]
mod tests;
