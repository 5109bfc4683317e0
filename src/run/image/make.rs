//! An image that tidegate.yaml describes, made of files and given to its repository, without a daemon.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;

use super::named::{Occasion, known, no_tag};
use super::{Destination, PushAnswer, carrier, deliver, git, latest, push, reference};
use crate::cli::RegistryArgs;
use crate::error::{Error, ErrorKind};
use crate::github::Event;
use crate::image::assemble::{Platform, Recipe, platform_of};
use crate::image::metadata::{Context, Metadata};
use crate::registry::full_name;
use crate::settings::{AssemblySettings, ImageSettings};

/// What was made.
#[derive(Debug)]
pub(super) struct Made {
    /// The version that its labels say: the first tag.
    pub(super) version: String,
    /// Where it is, and what that took.
    pub(super) pushed: PushAnswer,
}

/// What the image is called, and what is said of it.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Version and tags.
    pub(super) tags: Metadata,
    /// Labels and annotations, of the image's own time.
    pub(super) said: Metadata,
    /// The image's own time.
    pub(super) created: Timestamp,
}

/// Makes the image of files and gives it to its repository under its tags.
///
/// # Errors
/// When a file is missing or cannot run in such an image, the rules give no tag, or the registry does not take it.
pub(super) async fn make(
    image: &ImageSettings,
    files: &AssemblySettings,
    occasion: &Occasion<'_>,
    registry: &RegistryArgs,
    is_latest_checked: bool,
) -> Result<Made, Error> {
    let began = Instant::now();
    check(files)?;
    let mut named = named(image, occasion).await?;
    let carrier = carrier(registry)?;
    let base = files.base.as_deref().map(|name| reference(&full_name(name))).transpose()?;
    let package = push::assembled(recipe(files, &named), &carrier, base.as_ref()).await?;
    if is_latest_checked {
        latest::check(&mut named.tags).await?;
    }
    let to =
        Destination { reference: reference(&full_name(&image.repository))?, tags: named.tags.tag_names() };
    let mut pushed = deliver(&carrier, &package, &[to], base.as_ref(), began).await?;
    // As it is called in tidegate.yaml, and so in the manifests.
    for destination in &mut pushed.destinations {
        destination.repository.clone_from(&image.repository);
    }
    Ok(Made { version: named.tags.version, pushed })
}

/// What the image is called that is made now.
///
/// # Errors
/// `no-image-tag` when the rules give none, and when what GitHub and git tell cannot be read.
pub(super) async fn named(image: &ImageSettings, occasion: &Occasion<'_>) -> Result<Named, Error> {
    let (rules, context) = known(image, occasion).await?;
    let tags = rules.apply(&context)?;
    for note in &tags.notes {
        tracing::warn!("{note}");
    }
    if tags.names.is_empty() {
        return Err(no_tag(occasion, &context.event));
    }
    // With the present in it, each build of a commit would be another image.
    let created = match push::epoch()? {
        Some(seconds) => Timestamp::from_second(seconds).unwrap_or_default(),
        None => committed(&context.event, occasion.folder),
    };
    let said = rules.apply(&Context { now: created, ..context })?;
    Ok(Named { tags, said, created })
}

fn committed(event: &Event, folder: &Path) -> Timestamp {
    event.commit_date().or_else(|| git::commit_date(folder, &event.sha)).unwrap_or_default()
}

fn recipe(files: &AssemblySettings, named: &Named) -> Recipe {
    let platform = files.platform.as_deref().and_then(Platform::parse);
    let annotations = named.said.annotations.iter().filter_map(|line| {
        let (key, value) = line.strip_prefix("manifest:")?.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    });
    Recipe {
        sources: files.sources.iter().map(|(_, path)| path.clone()).collect(),
        at: files.at.clone(),
        entrypoint: files.entrypoint.clone(),
        user: files.user.clone(),
        created: named.created.as_second(),
        is_compressed: files.is_compressed,
        has_sbom: files.has_sbom,
        platform: platform.unwrap_or_else(Platform::here),
        labels: told(named.said.labels.clone()),
        annotations: told(annotations.collect()),
    }
}

/// Without those that nobody knows anything for.
fn told(mut all: BTreeMap<String, String>) -> BTreeMap<String, String> {
    all.retain(|_, value| !value.is_empty());
    all
}

/// What is wrong with the files, in the words of the settings.
fn check(files: &AssemblySettings) -> Result<(), Error> {
    let key = if files.is_directory { "directory" } else { "binary" };
    for (wanted, path) in &files.sources {
        let bad = |why: &str, cure: &str| {
            let sentence = format!("`image.{key}` names {}, which {why}", path.display());
            Error::new(ErrorKind::Usage, "bad-image", sentence).hint(cure)
        };
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(bad("is not there", "build it first, or correct the path"));
            }
            Err(error) => {
                return Err(bad(&format!("cannot be read: {error}"), "give this user the right to"));
            }
            Ok(found) if found.is_dir() && !files.is_directory => {
                return Err(bad("is a directory", "name the program in it, or use `directory`"));
            }
            Ok(found) if !found.is_dir() && files.is_directory => {
                return Err(bad("is no directory", "name a directory, or use `binary` for a program"));
            }
            Ok(_) => {}
        }
        if let Some(wanted) = wanted {
            check_platform(wanted, path)?;
        }
    }
    Ok(())
}

fn check_platform(wanted: &str, program: &Path) -> Result<(), Error> {
    let found = platform_of(program)?;
    // Headers do not tell all variants: what is not told is taken for right.
    let is_it = Platform::parse(wanted).is_some_and(|wanted| {
        (&wanted.os, &wanted.architecture) == (&found.os, &found.architecture)
            && (found.variant.is_none() || wanted.variant.is_none() || wanted.variant == found.variant)
    });
    if is_it {
        return Ok(());
    }
    let program = program.display();
    let sentence = format!("`image.binary` names {program} for {wanted}, and it is a program for {found}");
    Err(Error::new(ErrorKind::Usage, "bad-image", sentence).hint("name the program that is built for it"))
}
