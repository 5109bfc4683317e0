//! A program on this machine as a release: the launch spec, the program's digest, the secrets.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::version;
use crate::error::{Error, ErrorKind};
use crate::rollout::Release;
use crate::rollout::release::Artifact;
use crate::run::ground::Machine;
use crate::run::migrations::Planned;
use crate::run::place::Place;
use crate::run::preview::database::Own;
use crate::settings::{EnvValue as Declared, HealthSettings, LocalSettings};
use crate::target::TargetError;
use crate::target::local::{EnvValue, Health, LaunchSpec, Logs};

/// Puts the release together, and keeps a copy of its program.
///
/// # Errors
/// When there is no version, the program is missing, or its copy cannot be kept.
pub(super) fn build(
    place: &Place,
    machine: &Machine,
    version: Option<&str>,
    migrations: Option<&Planned>,
) -> Result<Release, Error> {
    put_together(place, &machine.settings, version, migrations, |spec| spec.prepare(&machine.directory))
}

/// The same release, for a look: nothing is kept, nothing is written.
///
/// # Errors
/// When there is no version, or the program is missing.
pub(super) fn describe(
    place: &Place,
    machine: &Machine,
    version: Option<&str>,
    migrations: Option<&Planned>,
) -> Result<Release, Error> {
    put_together(place, &machine.settings, version, migrations, LaunchSpec::inspect)
}

fn put_together(
    place: &Place,
    local: &LocalSettings,
    version: Option<&str>,
    migrations: Option<&Planned>,
    program: impl FnOnce(&mut LaunchSpec) -> Result<Vec<Artifact>, TargetError>,
) -> Result<Release, Error> {
    let version = version::of(&local.directory, version)?;
    let mut spec = launch_spec(local, place.environment.health.as_ref());
    let mut artifacts = program(&mut spec)?;
    for file in &local.files {
        artifacts.push(digest_of(&local.directory, file)?);
    }
    artifacts.extend(migrations.and_then(Planned::artifact));
    let commit = version::commit(&local.directory);
    let spec = serde_json::to_value(&spec).map_err(|error| {
        Error::new(ErrorKind::Failed, "bad-spec", format!("the release cannot be described: {error}"))
    })?;
    Ok(Release::new(&place.app, &version, commit, artifacts, spec, Timestamp::now()))
}

/// The values of the variables that the settings take from the environment of this command, or from a preview's own database.
///
/// # Errors
/// When one is not set.
pub fn secrets(
    environment: &str,
    local: &LocalSettings,
    own: Option<&Own>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut secrets = BTreeMap::new();
    for (key, value) in &local.env {
        let Declared::FromEnvironment(name) = value else { continue };
        if let Some(own) = own
            && let Some(url) = own.stands_for(name)?
        {
            secrets.insert(name.clone(), url.to_owned());
            continue;
        }
        let value = std::env::var(name).map_err(|_| {
            let sentence = format!("`env.{key}` of {environment} is to be ${name}, which is not set");
            Error::new(ErrorKind::Usage, "variable-not-set", sentence)
                .hint(format!("set {name} in the environment of this command"))
        })?;
        secrets.insert(name.clone(), value);
    }
    Ok(secrets)
}

fn launch_spec(local: &LocalSettings, asked: Option<&HealthSettings>) -> LaunchSpec {
    let mut spec = LaunchSpec::new(local.command.clone(), local.directory.clone());
    spec.env = local.env.iter().map(|(key, value)| (key.clone(), env_value(value))).collect();
    spec.health = asked.map(health);
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
