//! Labels and annotations: the eight of the image specification
//! (<https://github.com/opencontainers/image-spec/blob/main/annotations.md>), and what the inputs say otherwise.

use std::collections::BTreeMap;

use super::context::Context;
use super::fault::{Fault, Place, Wrong, shown};
use super::list::{equals, lines};
use super::template::Template;
use crate::yaml::words::listed;

/// What a manifest can be annotated at: <https://github.com/moby/buildkit/blob/master/docs/annotations.md>.
const LEVELS: [&str; 4] = ["manifest", "index", "manifest-descriptor", "index-descriptor"];

/// A line of `labels` or `annotations`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    /// `key=value`.
    Set(Place, Template, Template),
    /// `-key`: it is left out.
    Drop(Place, String),
}

/// Reads an input.
pub(super) fn read(input: &'static str, text: &str) -> Result<Vec<Line>, Fault> {
    let read = |(place, line): (Place, String)| one(place, &line).map_err(|wrong| wrong.at(place));
    lines(input, text)?.into_iter().map(read).collect()
}

fn one(place: Place, line: &str) -> Result<Line, Wrong> {
    let Some(at) = equals(line) else {
        return match line.strip_prefix('-').map(str::trim).filter(|key| !key.is_empty()) {
            Some(key) => Ok(Line::Drop(place, key.to_owned())),
            None => Err(Wrong::new(format!("{} has no value", shown(line)))
                .cure("write `key=value`; `key=` for an empty one, `-key` to leave one out")),
        };
    };
    let key = line[..at].trim();
    if key.is_empty() {
        return Err(Wrong::new(format!("{} has no key", shown(line))).cure("write `key=value`"));
    }
    Ok(Line::Set(place, Template::read(key)?, Template::read(&line[at + 1..])?))
}

/// The eight, changed as the lines say.
pub(super) fn of(
    version: &str,
    context: &Context,
    lines: &[Line],
) -> Result<BTreeMap<String, String>, Fault> {
    let repository = &context.repository;
    let usual = [
        ("title", repository.name.as_str()),
        ("description", &repository.description),
        ("url", &repository.url),
        ("source", &repository.url),
        ("version", version),
        ("created", &context.created()),
        ("revision", &context.event.sha),
        ("licenses", &repository.license),
    ];
    let usual = usual.map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()));
    let mut all = BTreeMap::from(usual);
    for line in lines {
        match line {
            Line::Set(_, key, value) => {
                all.insert(context.render(key, None), context.render(value, None));
            }
            Line::Drop(place, key) => {
                if all.remove(key).is_none() {
                    let wrong = Wrong::new(format!("there is no {} that could be left out", shown(key)));
                    let known = listed(all.keys().map(String::as_str));
                    return Err(wrong.cure(format!("there are {known}")).at(*place));
                }
            }
        }
    }
    Ok(all)
}

/// The levels that annotations are wanted at, of a list with commas; that of the manifest where it is empty.
pub(super) fn levels(text: &str) -> Result<Vec<String>, Fault> {
    let mut all = Vec::new();
    for level in text.split(',').map(str::trim).filter(|level| !level.is_empty()) {
        // Perhaps for one platform only: `manifest[linux/amd64]`.
        let name =
            level.strip_suffix(']').and_then(|level| level.split_once('[')).map_or(level, |(name, _)| name);
        if !LEVELS.contains(&name) {
            return Err(Fault {
                input: "DOCKER_METADATA_ANNOTATIONS_LEVELS",
                line: None,
                cause: format!("there is no level {}", shown(level)),
                cure: Some(format!("there are {}", listed(LEVELS.into_iter()))),
            });
        }
        all.push(level.to_owned());
    }
    if all.is_empty() {
        all.push(LEVELS[0].to_owned());
    }
    Ok(all)
}

/// Each at each level, as build tools take them.
pub(super) fn annotations(levels: &[String], all: &BTreeMap<String, String>) -> Vec<String> {
    let at = |level: &String| {
        all.iter().map(move |(key, value)| format!("{level}:{key}={value}")).collect::<Vec<_>>()
    };
    levels.iter().flat_map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lines_have_a_place() {
        for (text, told) in [
            ("a=b\nmaintainer", "labels, line 2: `maintainer` has no value"),
            ("=b", "labels, line 1: `=b` has no key"),
            ("-", "labels, line 1: `-` has no value"),
            ("a={{x}}", "labels, line 1: the expression `x` is not known here"),
        ] {
            assert_eq!(read("labels", text).unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn levels_are_known_ones() {
        assert_eq!(levels("").unwrap(), ["manifest"]);
        assert_eq!(levels("index, manifest[linux/arm64]").unwrap(), ["index", "manifest[linux/arm64]"]);
        assert!(levels("manifests").unwrap_err().to_string().contains("there is no level `manifests`"));
    }
}
