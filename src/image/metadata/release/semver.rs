//! Semantic Versioning 2.0.0: <https://semver.org>, with a `v` that may stand before it.

use std::cmp::Ordering;
use std::fmt;

use super::Parts;

/// The longest text that is a version, and the largest number in one: those of npm's `semver`, by which actions read versions.
const LONGEST: usize = 256;
const LARGEST: u64 = (1 << 53) - 1;

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct Semver(semver::Version);

impl Semver {
    /// Reads `[v]MAJOR.MINOR.PATCH[-PRE][+BUILD]`.
    pub(in crate::image) fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let version = semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()?;
        let is_small = [version.major, version.minor, version.patch].iter().all(|number| *number <= LARGEST);
        is_small.then_some(Self(version))
    }

    pub(in crate::image) fn is_final(&self) -> bool {
        self.0.pre.is_empty()
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.0.cmp_precedence(&other.0)
    }

    pub(super) const fn numbers(&self) -> [u64; 3] {
        [self.0.major, self.0.minor, self.0.patch]
    }

    /// Its parts; the version is without what says of which build it is.
    pub(in crate::image) fn parts(&self, raw: &str) -> Parts {
        let without_build = semver::Version { build: semver::BuildMetadata::EMPTY, ..self.0.clone() };
        Parts { raw: raw.to_owned(), version: without_build.to_string(), numbers: self.numbers() }
    }
}

impl fmt::Display for Semver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_strictly() {
        for text in ["1.2.3", "v1.2.3", "0.0.0", "1.2.3-rc.1+b.2", "1.2.3+00"] {
            assert!(Semver::read(text).is_some(), "{text}");
        }
        for text in [
            "",
            "1",
            "1.2",
            "vv1.2.3",
            "1.2.3.4",
            "01.2.3",
            "1.2.3-01",
            "V1.2.3",
            "9007199254740992.0.0",
            "main",
        ] {
            assert!(Semver::read(text).is_none(), "{text}");
        }
        let parts = Semver::read("v1.2.3-rc.1+b.2").unwrap().parts("v1.2.3-rc.1+b.2");
        assert_eq!((parts.version.as_str(), parts.numbers), ("1.2.3-rc.1", [1, 2, 3]));
    }
}
