//! An image that Tidegate assembles itself.

use std::path::{Path as FilePath, PathBuf};

use super::super::local::{text_path, tidy};
use super::Findings;
use crate::image::assemble::{NOBODY, Platform};
use crate::registry::Reference;
use crate::settings::file::{Binary, Command, Compression, Image};
use crate::settings::model::AssemblySettings;
use crate::settings::shell::split;
use crate::yaml::Path;

pub(super) fn resolve(
    raw: Image,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<AssemblySettings> {
    let is_directory = raw.directory.is_some();
    let sources = match (raw.binary, raw.directory) {
        (Some(raw), _) => programs(raw, folder, &path.key("binary"), findings)?,
        (None, Some(text)) => {
            text_path(&text, &path.key("directory"), findings);
            vec![(None, tidy(&folder.join(text)))]
        }
        (None, None) => return None,
    };
    if let Some(base) = &raw.base {
        check_base(base, &path.key("base"), findings);
    }
    if let Some(at) = raw.at.as_ref().filter(|at| !at.starts_with('/')) {
        let message = format!("`{at}` is no path in an image: it does not begin with a slash");
        findings.error(&path.key("at"), message, &format!("write `/{at}`"));
    }
    let entrypoint = raw.entrypoint.map(|raw| words(raw, &path.key("entrypoint"), findings));
    let user = raw.user.map(|text| text.0);
    if user.as_ref().is_some_and(|user| user.trim().is_empty() || user.contains(char::is_whitespace)) {
        let help = "write a user, or user and group with a colon between them, such as `1000:1000`";
        findings.error(&path.key("user"), "an empty text or one with spaces is no user", help);
    }
    if let Some(text) = &raw.platform {
        check_platform(text, findings, |findings, message, help| {
            findings.error(&path.key("platform"), message, help)
        });
    }
    Some(AssemblySettings {
        sources,
        is_directory,
        base: raw.base,
        at: raw.at,
        entrypoint: entrypoint.unwrap_or_default(),
        user: user.unwrap_or_else(|| NOBODY.to_owned()),
        platform: raw.platform,
        is_compressed: raw.compression != Some(Compression::None),
        has_sbom: raw.sbom.unwrap_or(true),
    })
}

fn programs(
    raw: Binary,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<Vec<(Option<String>, PathBuf)>> {
    let written: Vec<(Option<String>, String, Path)> = match raw {
        Binary::One(text) => vec![(None, text, path.clone())],
        Binary::Many(all) => {
            let place = |(index, text)| (None, text, path.index(index));
            all.into_iter().enumerate().map(place).collect()
        }
        Binary::ByPlatform(all) => {
            let place = |(platform, text): (String, String)| {
                let at = path.key(&platform);
                (Some(platform), text, at)
            };
            all.into_iter().map(place).collect()
        }
    };
    if written.is_empty() {
        findings.empty(path, "there is no program", "name at least one");
        return None;
    }
    let mut all: Vec<(Option<String>, PathBuf)> = Vec::new();
    for (platform, text, at) in written {
        text_path(&text, &at, findings);
        if let Some(platform) = &platform {
            check_platform(platform, findings, |findings, message, help| {
                findings.error_at_key(&at, message, help)
            });
        }
        let file = tidy(&folder.join(&text));
        if all.iter().any(|(_, known)| *known == file) {
            findings.error(&at, format!("`{text}` is listed twice"), "list each program once");
        }
        all.push((platform, file));
    }
    Some(all)
}

fn check_platform(text: &str, findings: &mut Findings<'_>, tell: impl Fn(&mut Findings<'_>, String, &str)) {
    if Platform::parse(text).is_none() {
        let message = format!("`{text}` is no platform");
        tell(findings, message, "write operating system and architecture, such as `linux/amd64`");
    }
}

/// A tag may name another image tomorrow: the same build would then make another one.
fn check_base(text: &str, path: &Path, findings: &mut Findings<'_>) {
    match Reference::parse(text) {
        Ok(read) if read.version.starts_with("sha256:") => {}
        Ok(_) => {
            let message = format!("the base `{text}` is not named by its digest");
            let help = format!("`tidegate image inspect {text}` tells it; write `REPOSITORY@sha256:…`");
            findings.error(path, message, &help);
        }
        Err(error) => {
            let message = format!("`{text}` cannot be the base: {error}");
            findings.error(path, message, "write it as REGISTRY/REPOSITORY@sha256:…");
        }
    }
}

fn words(raw: Command, path: &Path, findings: &mut Findings<'_>) -> Vec<String> {
    let words = match raw {
        Command::Line(line) => split(&line).unwrap_or_else(|(message, help)| {
            findings.error(path, message, &help);
            vec![line]
        }),
        Command::Words(words) => words,
    };
    if words.first().is_none_or(String::is_empty) {
        findings.empty(path, "the entrypoint names no program", "name it, or take the line out");
    }
    words
}
