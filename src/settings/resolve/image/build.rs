//! A build by a Dockerfile.

use std::path::Path as FilePath;

use super::super::env;
use super::super::local::{text_path, tidy};
use super::Findings;
use crate::image::assemble::Platform;
use crate::settings::file::{Build, Cache, Lines, Ordered, Pairs, Text, Toggle};
use crate::settings::model::{BuildSettings, CacheKind, EnvValue, SecretSource};
use crate::yaml::Path;

pub(super) fn resolve(
    raw: Build,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> BuildSettings {
    check_caches(&raw, path, findings);
    if raw.no_cache == Some(true) && raw.no_cache_filters.is_some() {
        let message =
            "`no-cache-filters` has no effect: with `no-cache` nothing is used that was built before";
        findings.conflict(&path.key("no-cache-filters"), message, "keep one of the two");
    }
    let context = raw.context.unwrap_or_else(|| ".".to_owned());
    text_path(&context, &path.key("context"), findings);
    let file = raw.file.map(|file| {
        text_path(&file, &path.key("file"), findings);
        // Of an address it is a path in what is there.
        if is_address(&context) { file } else { whole(folder, &file) }
    });
    let mut list = |raw: Option<Lines>, key: &str| lines(raw, &path.key(key), findings);
    let (ssh, cache_from, cache_to) =
        (list(raw.ssh, "ssh"), list(raw.cache_from, "cache-from"), list(raw.cache_to, "cache-to"));
    let attests = list(raw.attests, "attests");
    let no_cache_filters = list(raw.no_cache_filters, "no-cache-filters");
    let (add_hosts, allow, ulimit) =
        (list(raw.add_hosts, "add-hosts"), list(raw.allow, "allow"), list(raw.ulimit, "ulimit"));
    let contexts = contexts(raw.contexts, folder, &path.key("contexts"), findings);
    let args = args(raw.args, &path.key("args"), findings);
    BuildSettings {
        context: if is_address(&context) { context } else { whole(folder, &context) },
        file,
        target: raw.target,
        platforms: platforms(raw.platforms, &path.key("platforms"), findings),
        args,
        contexts,
        secrets: secrets(raw.secrets, folder, &path.key("secrets"), findings),
        ssh,
        cache: raw.cache.map(|cache| match cache {
            Cache::Gha => CacheKind::Gha,
            Cache::Registry => CacheKind::Registry,
        }),
        cache_from,
        cache_to,
        provenance: raw.provenance.map(|Toggle(text)| text),
        sbom: raw.sbom.map(|Toggle(text)| text),
        attests,
        network: raw.network,
        has_no_cache: raw.no_cache.unwrap_or(false),
        no_cache_filters,
        is_pulling: raw.pull.unwrap_or(false),
        add_hosts,
        allow,
        builder: raw.builder,
        cgroup_parent: raw.cgroup_parent,
        shm_size: raw.shm_size.map(|Text(text)| text),
        ulimit,
    }
}

fn check_caches(raw: &Build, path: &Path, findings: &mut Findings<'_>) {
    let given = [(raw.cache_from.is_some(), "cache-from"), (raw.cache_to.is_some(), "cache-to")];
    for (_, key) in given.into_iter().filter(|(is_given, _)| *is_given && raw.cache.is_some()) {
        let message = format!("`cache` and `{key}` are both given");
        findings.conflict(&path.key(key), message, "keep `cache`, or say all of it by the longer ones");
    }
}

/// An address of a repository or an image, or any other scheme of the builder's, and no folder here.
fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/")
}

fn whole(folder: &FilePath, text: &str) -> String {
    tidy(&folder.join(text)).display().to_string()
}

/// An entry, and where it is written.
type Entry<T> = (T, Path);

/// The entries, without blank ones.
fn entries(raw: Option<Lines>, path: &Path, findings: &mut Findings<'_>) -> Vec<Entry<String>> {
    let Some(raw) = raw else { return Vec::new() };
    let mut all: Vec<Entry<String>> = match raw {
        Lines::Text(text) => text.lines().map(|line| (line.trim().to_owned(), path.clone())).collect(),
        Lines::List(all) => {
            all.into_iter().enumerate().map(|(index, text)| (text, path.index(index))).collect()
        }
    };
    all.retain(|(line, _)| !line.trim().is_empty());
    if all.is_empty() {
        let message = format!("there is nothing in `{}`", path.last_key().unwrap_or("this list"));
        findings.empty(path, message, "take it out for the default");
    }
    all
}

fn lines(raw: Option<Lines>, path: &Path, findings: &mut Findings<'_>) -> Vec<String> {
    entries(raw, path, findings).into_iter().map(|(line, _)| line).collect()
}

/// Names with values; `None` for a name alone.
fn pairs(
    raw: Option<Pairs>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Vec<Entry<(String, Option<String>)>> {
    let all: Vec<Entry<(String, Option<String>)>> = match raw {
        None => Vec::new(),
        Some(Pairs::Mapping(all)) => {
            let entry = |(name, value): (String, String)| {
                let at = path.key(&name);
                ((name, Some(value)), at)
            };
            all.into_iter().map(entry).collect()
        }
        Some(Pairs::Lines(raw)) => {
            let entry = |(line, at): Entry<String>| match line.split_once('=') {
                Some((name, value)) => ((name.to_owned(), Some(value.to_owned())), at),
                None => ((line, None), at),
            };
            entries(Some(raw), path, findings).into_iter().map(entry).collect()
        }
    };
    for (_, at) in all.iter().filter(|((name, _), _)| name.is_empty()) {
        findings.error(at, "a name is empty", "write `NAME=value`, or a mapping from names to values");
    }
    all
}

fn contexts(raw: Option<Pairs>, folder: &FilePath, path: &Path, findings: &mut Findings<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for ((name, place), at) in pairs(raw, path, findings) {
        match place.filter(|place| !place.is_empty()) {
            Some(place) if is_address(&place) => all.push(format!("{name}={place}")),
            Some(place) => all.push(format!("{name}={}", whole(folder, &place))),
            None => {
                let message = format!("the context `{name}` does not say where it is");
                findings.error(&at, message, "write `name=FOLDER`, or an address in place of the folder");
            }
        }
    }
    all
}

/// They end in the image's history, so a secret among them is told of.
fn args(raw: Option<Pairs>, path: &Path, findings: &mut Findings<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for ((name, value), at) in pairs(raw, path, findings) {
        let Some(value) = value else {
            all.push(name);
            continue;
        };
        if env::is_told_secret(&name, &value) {
            let message =
                format!("`{name}` looks like a secret, and build arguments can be seen in the image");
            findings.warn_of_secret(&at, message, "write it under `secrets`, and mount it in the Dockerfile");
        }
        all.push(format!("{name}={value}"));
    }
    all
}

fn platforms(raw: Option<Lines>, path: &Path, findings: &mut Findings<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for (line, at) in entries(raw, path, findings) {
        for one in line.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            if Platform::parse(one).is_none() {
                let message = format!("`{one}` is no platform");
                let help = "write operating system and architecture, such as `linux/amd64`";
                findings.error(&at, message, help);
            }
            all.push(one.to_owned());
        }
    }
    all
}

fn secrets(
    raw: Option<Ordered<Text>>,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Vec<(String, SecretSource)> {
    let mut all = Vec::new();
    for (id, Text(text)) in raw.map_or_else(Vec::new, |entries| entries.0) {
        let at = path.key(&id);
        if id.is_empty() || id.contains([',', '=', '"']) || id.contains(char::is_whitespace) {
            let message = format!("`{id}` cannot be the id of a secret");
            findings.error_at_key(&at, message, "use letters, digits, `.`, `_` and `-`");
        }
        let source = match env::value(text) {
            EnvValue::FromEnvironment(name) => SecretSource::Variable(name),
            EnvValue::Literal(text) => {
                if env::mentions_variable(&text) || text.is_empty() {
                    let message = "a secret is exactly `$NAME`, or the path of a file";
                    findings.error_of_secret(
                        &at,
                        message,
                        "give the value to the environment of `tidegate build`",
                    );
                }
                SecretSource::File(tidy(&folder.join(text)))
            }
        };
        all.push((id, source));
    }
    all
}
