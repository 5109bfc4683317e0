//! From settings to a release: the version, the launch spec, the program's digest, the secrets.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;

use super::place::Place;
use crate::error::{Error, ErrorKind};
use crate::rollout::Release;
use crate::rollout::release::Artifact;
use crate::settings::{EnvValue as Declared, HealthSettings};
use crate::target::TargetError;
use crate::target::local::{EnvValue, Health, LaunchSpec, Logs};

/// Puts the release together that the settings and the working tree describe now. Keeps a copy of its program.
///
/// # Errors
/// When there is no version, the program is missing, or its copy cannot be kept.
pub fn build(place: &Place, version: Option<&str>) -> Result<Release, Error> {
    put_together(place, version, |spec| spec.prepare(&place.target_directory()))
}

/// The same release, for a look: nothing is kept, nothing is written.
///
/// # Errors
/// When there is no version, or the program is missing.
pub fn describe(place: &Place, version: Option<&str>) -> Result<Release, Error> {
    put_together(place, version, LaunchSpec::inspect)
}

fn put_together(
    place: &Place,
    version: Option<&str>,
    program: impl FnOnce(&mut LaunchSpec) -> Result<Vec<Artifact>, TargetError>,
) -> Result<Release, Error> {
    let directory = &place.local().directory;
    let version = match version {
        Some(version) => checked(version)?,
        None => described(directory)?,
    };
    let mut spec = launch_spec(place);
    let mut artifacts = program(&mut spec)?;
    for file in &place.local().files {
        artifacts.push(digest_of(directory, file)?);
    }
    let commit = git(directory, &["rev-parse", "HEAD"]);
    let spec = serde_json::to_value(&spec).map_err(|error| {
        Error::new(ErrorKind::Failed, "bad-spec", format!("the release cannot be described: {error}"))
    })?;
    Ok(Release::new(&place.app, &version, commit, artifacts, spec, Timestamp::now()))
}

/// The values of the variables that the settings take from the environment of this command.
///
/// # Errors
/// When one is not set.
pub fn secrets(place: &Place) -> Result<BTreeMap<String, String>, Error> {
    let mut secrets = BTreeMap::new();
    for (key, value) in &place.local().env {
        let Declared::FromEnvironment(name) = value else { continue };
        let value = std::env::var(name).map_err(|_| {
            let sentence =
                format!("`env.{key}` of {} is to be ${name}, which is not set", place.environment.name);
            Error::new(ErrorKind::Usage, "variable-not-set", sentence)
                .hint(format!("set {name} in the environment of this command"))
        })?;
        secrets.insert(name.clone(), value);
    }
    Ok(secrets)
}

fn launch_spec(place: &Place) -> LaunchSpec {
    let local = place.local();
    let mut spec = LaunchSpec::new(local.command.clone(), local.directory.clone());
    spec.env = local.env.iter().map(|(key, value)| (key.clone(), env_value(value))).collect();
    spec.health = place.environment.health.as_ref().map(health);
    spec.stop_grace = local.stop_grace;
    spec.logs = Logs { max_size: local.logs.max_size, keep: local.logs.keep };
    spec
}

fn env_value(value: &Declared) -> EnvValue {
    match value {
        Declared::Literal(text) => EnvValue::Literal(text.clone()),
        Declared::FromEnvironment(name) => EnvValue::FromEnvironment(name.clone()),
    }
}

fn health(settings: &HealthSettings) -> Health {
    Health {
        path: Some(settings.path.clone()),
        within: settings.within,
        every: settings.every,
        start_within: settings.start_within,
        version: settings.version,
    }
}

/// A version is shown, compared and sent in headers: printable, without spaces, not long.
fn checked(version: &str) -> Result<String, Error> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._+-/".contains(c);
    if version.is_empty() || version.len() > 128 || !version.chars().all(fine) {
        let shown = version.escape_debug();
        let sentence = format!(
            "`{shown}` cannot be a version: use up to 128 of letters, digits, `.`, `_`, `+`, `-` and `/`"
        );
        return Err(Error::new(ErrorKind::Usage, "bad-version", sentence));
    }
    Ok(version.to_owned())
}

fn described(directory: &Path) -> Result<String, Error> {
    let tag = git(directory, &["describe", "--tags", "--exact-match", "HEAD"]);
    let version = tag.or_else(|| git(directory, &["rev-parse", "--short=12", "HEAD"]));
    let version = version.ok_or_else(|| {
        let sentence =
            format!("there is no version: {} is not in a git repository with a commit", directory.display());
        Error::new(ErrorKind::Usage, "no-version", sentence).hint("give one with --version")
    })?;
    checked(&version)
}

fn git(directory: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(directory).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// The digest of a file, or of all files under a directory by name and content.
fn digest_of(directory: &Path, file: &Path) -> Result<Artifact, Error> {
    let path = directory.join(file);
    let mut all = Vec::new();
    collect(&path, &path, &mut all).map_err(|error| {
        let sentence = format!("`files` names {}, which cannot be read: {error}", path.display());
        Error::new(ErrorKind::Usage, "no-file", sentence)
    })?;
    all.sort();
    let lines: String = all.iter().map(|(name, digest)| format!("{digest} {name}\n")).collect();
    let digest = crate::rollout::release::digest(lines.as_bytes());
    Ok(Artifact { name: file.display().to_string(), digest })
}

fn collect(root: &Path, path: &Path, found: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if kind.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(root, &entry?.path(), found)?;
        }
        return Ok(());
    }
    let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let bytes = if kind.is_symlink() {
        std::fs::read_link(path)?.into_os_string().into_encoded_bytes()
    } else {
        std::fs::read(path)?
    };
    found.push((name, crate::rollout::release::digest(&bytes)));
    Ok(())
}
