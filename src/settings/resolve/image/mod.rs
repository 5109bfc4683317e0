//! The image.

use std::path::Path as FilePath;

use super::{Findings, required};
use crate::registry::{BadReference, Reference, full_name};
use crate::settings::file::{Image, Ordered};
use crate::settings::model::{ImageSettings, ImageSource};
use crate::yaml::Path;

mod build;
mod files;
mod rules;

pub(super) fn resolve(
    raw: Image,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<ImageSettings> {
    let help = "write where the image is kept, such as `repository: ghcr.io/acme/shop`";
    let repository = required(raw.repository.clone(), &path.key("repository"), help, findings);
    if let Some(repository) = &repository {
        check_repository(repository, &path.key("repository"), findings);
    }
    let tags = raw.tags.clone().map(|raw| rules::tags(raw, &path.key("tags"), findings));
    let flavor = raw.flavor.clone().map(|raw| rules::flavor(raw, &path.key("flavor"), findings));
    let labels = raw.labels.clone().map(|raw| rules::pairs("labels", raw, &path.key("labels"), findings));
    let annotations = raw.annotations.clone();
    let annotations =
        annotations.map(|raw| rules::pairs("annotations", raw, &path.key("annotations"), findings));
    check_use(&raw, path, findings);
    let source = source(raw, folder, path, findings)?;
    Some(ImageSettings {
        repository: repository?,
        tags,
        flavor: flavor.unwrap_or_default(),
        labels: labels.unwrap_or_default(),
        annotations: annotations.unwrap_or_default(),
        source,
    })
}

/// The images beside the app's own, by their names.
pub(super) fn others(
    raw: Option<Ordered<Image>>,
    own: Option<&ImageSettings>,
    is_own_given: bool,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Vec<(String, ImageSettings)> {
    let Some(raw) = raw else { return Vec::new() };
    if !is_own_given {
        let message = "`images` stands beside `image`, and there is none";
        findings.conflict(path, message, "call the one that tells the release's digest `image`");
    }
    let mut all: Vec<(String, ImageSettings)> = Vec::new();
    for (name, raw) in raw.0 {
        let at = path.key(&name);
        let Some(image) = resolve(raw, folder, &at, findings) else { continue };
        let before = own.into_iter().chain(all.iter().map(|(_, other)| other));
        if before.clone().any(|other| full_name(&other.repository) == full_name(&image.repository)) {
            let message = format!("another image is kept in {}, too", image.repository);
            findings.conflict(&at.key("repository"), message, "give each image a repository of its own");
        }
        all.push((name, image));
    }
    all
}

/// An image that nobody makes and nobody looks up has no effect.
pub(super) fn check_is_wanted(
    image: &ImageSettings,
    has_cluster: bool,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    if image.source == ImageSource::Elsewhere && !has_cluster {
        let message = "`image` has no effect: nothing makes the image, and no environment is in a cluster";
        let help = "say what it is made of by `build`, `binary` or `directory`, or take it out";
        findings.conflict(path, message, help);
    }
}

fn source(raw: Image, folder: &FilePath, path: &Path, findings: &mut Findings<'_>) -> Option<ImageSource> {
    let given = [
        (raw.build.is_some(), "build"),
        (raw.binary.is_some(), "binary"),
        (raw.directory.is_some(), "directory"),
    ];
    let mut given = given.into_iter().filter(|(is_given, _)| *is_given).map(|(_, key)| key);
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        let message = format!("`{first}` and `{second}` are both given: an image is made in one way");
        findings.conflict(&path.key(second), message, "keep one of the two");
        return None;
    }
    if let Some(raw) = raw.build {
        let build = build::resolve(*raw, folder, &path.key("build"), findings);
        return Some(ImageSource::Build(Box::new(build)));
    }
    if raw.binary.is_none() && raw.directory.is_none() {
        return Some(ImageSource::Elsewhere);
    }
    files::resolve(raw, folder, path, findings).map(|files| ImageSource::Files(Box::new(files)))
}

/// Settings that have no effect for the way in which the image is made.
fn check_use(raw: &Image, path: &Path, findings: &mut Findings<'_>) {
    let (builds, files) = (raw.build.is_some(), raw.binary.is_some() || raw.directory.is_some());
    let made = [
        (raw.base.is_some(), "base"),
        (raw.at.is_some(), "at"),
        (raw.entrypoint.is_some(), "entrypoint"),
        (raw.user.is_some(), "user"),
        (raw.platform.is_some(), "platform"),
        (raw.compression.is_some(), "compression"),
        (raw.sbom.is_some(), "sbom"),
    ];
    for (_, key) in made.into_iter().filter(|(is_given, _)| *is_given) {
        let at = path.key(key);
        let (why, help) = match key {
            _ if files && key != "platform" => continue,
            "platform" if files && raw.directory.is_some() => continue,
            "platform" if files => ("a program says itself what it is for", "take it out"),
            "sbom" if builds => ("a build has its own", "write it within `build`"),
            "platform" if builds => ("a build has its own", "write `platforms` within `build`"),
            _ if builds => ("the Dockerfile says that", "take it out, and say it in the Dockerfile"),
            _ => (
                "neither `binary` nor `directory` is given",
                "take it out, or name what the image is made of",
            ),
        };
        findings.conflict(&at, format!("`{key}` has no effect: {why}"), help);
    }
    let said = [(raw.labels.is_some(), "labels"), (raw.annotations.is_some(), "annotations")];
    for (_, key) in said.into_iter().filter(|(is_given, _)| *is_given && !builds && !files) {
        let message = format!("`{key}` has no effect: the image is made elsewhere");
        let help = "take it out, or name what the image is made of by `build`, `binary` or `directory`";
        findings.conflict(&path.key(key), message, help);
    }
}

fn check_repository(text: &str, path: &Path, findings: &mut Findings<'_>) {
    let (message, help) = match Reference::parse(text) {
        Ok(read) if format!("{}/{}", read.registry, read.repository) == text => return,
        Ok(read) => (
            format!("`{text}` has more than registry and repository"),
            format!(
                "write `{}/{}`; `tags` says what tags there are, and deploys go by digest",
                read.registry, read.repository
            ),
        ),
        Err(BadReference::NoRegistry) => (
            format!("`{text}` names no registry"),
            format!("begin with it, such as `ghcr.io/{text}`; Docker's own is `docker.io/{text}`"),
        ),
        Err(BadReference::Unreadable) => (
            format!("`{text}` cannot be the name of a repository"),
            "write it as REGISTRY/REPOSITORY, of small letters, digits and single `.`, `_` or `-`".to_owned(),
        ),
    };
    findings.error(path, message, &help);
}
