//! How bad a finding is.

use std::fmt;

/// How bad a finding is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Said for information: SARIF's level `none`.
    Info,
    /// A score below 4.0, or the level `note`.
    Low,
    /// A score from 4.0, or the level `warning`.
    Medium,
    /// A score from 7.0, or the level `error`.
    High,
    /// A score from 9.0.
    Critical,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// That of a CVSS score, cut as GitHub cuts it; nothing for a number that is no score.
    /// <https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning#reportingdescriptor-object>
    #[must_use]
    pub fn of_score(score: f64) -> Option<Self> {
        match score {
            s if !(0.0..=10.0).contains(&s) => None,
            s if s >= 9.0 => Some(Self::Critical),
            s if s >= 7.0 => Some(Self::High),
            s if s >= 4.0 => Some(Self::Medium),
            _ => Some(Self::Low),
        }
    }

    /// That of SARIF's level, for what has no score; nothing for a word that is no level.
    #[must_use]
    pub fn of_level(level: &str) -> Option<Self> {
        match level.to_ascii_lowercase().as_str() {
            "error" => Some(Self::High),
            "warning" => Some(Self::Medium),
            "note" => Some(Self::Low),
            "none" => Some(Self::Info),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_cut_as_github_cuts_them() {
        use Severity::{Critical, High, Low, Medium};
        for (score, expected) in [
            (10.0, Some(Critical)),
            (9.0, Some(Critical)),
            (8.9, Some(High)),
            (7.0, Some(High)),
            (6.9, Some(Medium)),
            (4.0, Some(Medium)),
            (3.9, Some(Low)),
            (0.0, Some(Low)),
            (-1.0, None),
            (10.1, None),
            (f64::NAN, None),
        ] {
            assert_eq!(Severity::of_score(score), expected, "{score}");
        }
    }

    #[test]
    fn levels_that_are_none_say_nothing() {
        assert_eq!(Severity::of_level("Error"), Some(Severity::High));
        assert_eq!(Severity::of_level("none"), Some(Severity::Info));
        assert_eq!(Severity::of_level("fatal"), None);
    }

    #[test]
    fn worse_is_more() {
        assert!(Severity::ALL.windows(2).all(|pair| pair[0] > pair[1]));
    }
}
