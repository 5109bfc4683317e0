//! Whether `latest` may go to a release: not where a later one is in the registry.

use std::cmp::Ordering;

use super::release::Release;
use super::shape::{Reading, Shape};

/// A release that `latest` is to go to.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The release.
    pub(super) release: Release,
    /// How the tags of others are written, between prefix and suffix.
    pub(super) shape: Shape,
    /// What stands before them.
    pub(super) prefix: String,
    /// What stands after them.
    pub(super) suffix: String,
    /// Whether only final releases count, as only they get `latest`.
    pub(super) finals_only: bool,
}

impl Claim {
    /// The version of the release.
    #[must_use]
    pub fn version(&self) -> String {
        self.release.to_string()
    }

    /// The tag of the latest release among a repository's tags, where that is later than this one.
    #[must_use]
    pub fn overtaken_by<'a>(&self, tags: &'a [String]) -> Option<&'a str> {
        let mut latest: Option<(&str, Reading)> = None;
        for tag in tags {
            let Some(reading) = self.read(tag) else { continue };
            let is_later = match &latest {
                Some((_, other)) => later(&reading, other),
                None => self.is_before(&reading),
            };
            if is_later {
                latest = Some((tag, reading));
            }
        }
        latest.map(|(tag, _)| tag)
    }

    fn read(&self, tag: &str) -> Option<Reading> {
        let inner = tag.strip_prefix(&self.prefix)?.strip_suffix(&self.suffix)?;
        let reading = self.shape.read(inner, &self.release)?;
        match &reading {
            Reading::Whole(release) if self.finals_only && !release.is_final() => None,
            _ => Some(reading),
        }
    }

    fn is_before(&self, reading: &Reading) -> bool {
        match reading {
            Reading::Whole(release) => release.is_later_than(&self.release),
            Reading::Numbers(numbers) => {
                let own = self.release.numbers();
                numbers.as_slice().cmp(&own[..numbers.len().min(own.len())]) == Ordering::Greater
            }
        }
    }
}

fn later(one: &Reading, other: &Reading) -> bool {
    match (one, other) {
        (Reading::Whole(one), Reading::Whole(other)) => one.is_later_than(other),
        (Reading::Numbers(one), Reading::Numbers(other)) => one > other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::template::Template;
    use super::*;

    fn overtaken(release: &str, pattern: &str, tags: &[&str]) -> Option<String> {
        let claim = Claim {
            release: Release::read(release).unwrap(),
            shape: Shape::of(&Template::of_version(pattern).unwrap()),
            prefix: "p-".to_owned(),
            suffix: "-s".to_owned(),
            finals_only: true,
        };
        let tags: Vec<String> = tags.iter().map(|tag| format!("p-{tag}-s")).collect();
        let found = claim.overtaken_by(&tags)?;
        Some(found.trim_start_matches("p-").trim_end_matches("-s").to_owned())
    }

    #[test]
    fn the_latest_of_later_releases_is_named() {
        let by = |release: &str, tags: &[&str]| overtaken(release, "{{version}}", tags);
        assert_eq!(by("1.9.1", &["1.9.0", "2.0.1", "2.0.0", "latest"]).as_deref(), Some("2.0.1"));
        assert_eq!(by("2.0.1", &["1.9.0", "2.0.1", "2.0.0", "main"]), None);
        assert_eq!(by("1.9.1", &["2.0.0-rc.1", "2.0", "2", "20240101", "sha-1234567"]), None);
        assert_eq!(by("1.10.0", &["1.9.0"]), None);
        assert_eq!(overtaken("1.9.1", "{{major}}.{{minor}}", &["1.9", "2.0"]).as_deref(), Some("2.0"));
        assert_eq!(overtaken("1.9.1", "{{major}}.{{minor}}", &["1.9", "1.8", "3"]), None);
        assert_eq!(by("1.2", &["1.2.post1", "1.1", "20240101"]), None);
        assert_eq!(by("1.2", &["1.10", "1.3"]).as_deref(), Some("1.10"));
    }

    #[test]
    fn other_prefixes_are_other_images() {
        let claim = Claim {
            release: Release::read("1.0.0").unwrap(),
            shape: Shape::default(),
            prefix: String::new(),
            suffix: "-alpine".to_owned(),
            finals_only: false,
        };
        let tags = ["2.0.0".to_owned(), "1.1.0-alpine".to_owned()];
        assert_eq!(claim.overtaken_by(&tags[..1]), None);
        assert_eq!(claim.overtaken_by(&tags), Some("1.1.0-alpine"));
    }
}
