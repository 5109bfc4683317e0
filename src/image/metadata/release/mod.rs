//! Versions of releases, and which of two is the later one.

mod pep440;
mod semver;

use std::cmp::Ordering;
use std::fmt;

pub(super) use self::pep440::Pep440;
pub(super) use self::semver::Semver;

/// The parts of a version that a pattern can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// As it was written.
    pub(super) raw: String,
    /// In its normal form.
    pub(super) version: String,
    /// Major, minor and patch number.
    pub(super) numbers: [u64; 3],
}

/// A version of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Release {
    /// By Semantic Versioning.
    Semver(Semver),
    /// By PEP 440.
    Pep440(Pep440),
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Semver(version) => version.fmt(f),
            Self::Pep440(version) => version.fmt(f),
        }
    }
}

impl Release {
    /// A text that is a version by either rule. By the rule that has more of what is usual for images first.
    pub(super) fn read(text: &str) -> Option<Self> {
        Semver::read(text).map(Self::Semver).or_else(|| Pep440::read(text).map(Self::Pep440))
    }

    /// A text that is a version by the same rule as this one.
    pub(super) fn read_like(&self, text: &str) -> Option<Self> {
        match self {
            Self::Semver(_) => Semver::read(text).map(Self::Semver),
            Self::Pep440(own) => Pep440::read(text).filter(|read| own.is_as_long(read)).map(Self::Pep440),
        }
    }

    /// Whether `latest` goes to it by itself: it is no pre-release, post-release or development release.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Semver(version) => version.is_final(),
            Self::Pep440(version) => version.is_final(),
        }
    }

    /// Whether it is later than another one of the same rule.
    pub(super) fn is_later_than(&self, other: &Self) -> bool {
        let order = match (self, other) {
            (Self::Semver(one), Self::Semver(other)) => one.compare(other),
            (Self::Pep440(one), Self::Pep440(other)) => one.compare(other),
            _ => Ordering::Equal,
        };
        order == Ordering::Greater
    }

    /// Major, minor and patch number.
    pub(super) fn numbers(&self) -> [u64; 3] {
        match self {
            Self::Semver(version) => version.numbers(),
            Self::Pep440(version) => version.numbers(),
        }
    }
}
