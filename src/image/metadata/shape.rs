//! How the tags of other releases are to be read: as the entry writes that of this one.

use super::release::Release;
use super::template::{Part, Template, Term};

/// How a tag is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A whole version with text around it.
    Whole {
        /// The text before it.
        before: String,
        /// The text after it.
        after: String,
    },
    /// The first numbers of a version, with text around and between them: one text more than numbers.
    Numbers(Vec<String>),
}

impl Default for Shape {
    fn default() -> Self {
        Self::Whole { before: String::new(), after: String::new() }
    }
}

/// What a tag says of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// All of its version.
    Whole(Release),
    /// The first numbers of it.
    Numbers(Vec<u64>),
}

impl Shape {
    /// The shape of what a pattern gives. One that cannot be read back is taken for a version.
    pub(super) fn of(pattern: &Template) -> Self {
        let text = |term: Option<&Term>| match term {
            None => Some(String::new()),
            Some(Term::Text(text)) => Some(text.clone()),
            Some(_) => None,
        };
        let terms = &pattern.0;
        let whole = terms.iter().position(|term| matches!(term, Term::Part(Part::Version | Part::Raw)));
        if let Some(at) = whole
            && at <= 1
            && terms.len() <= at + 2
            && let (Some(before), Some(after)) = (text(terms[..at].first()), text(terms[at + 1..].first()))
        {
            return Self::Whole { before, after };
        }
        Self::numbers(terms).unwrap_or_default()
    }

    /// Major, then perhaps minor, then perhaps patch, with text between them.
    fn numbers(terms: &[Term]) -> Option<Self> {
        let mut texts = vec![String::new()];
        for term in terms {
            match term {
                Term::Text(text) => texts.last_mut()?.push_str(text),
                Term::Part(part)
                    if [Part::Major, Part::Minor, Part::Patch].get(texts.len() - 1) == Some(part) =>
                {
                    texts.push(String::new());
                }
                _ => return None,
            }
        }
        (texts.len() > 1).then_some(Self::Numbers(texts))
    }

    /// How much of a version it tells.
    pub(super) const fn rank(&self) -> usize {
        match self {
            Self::Whole { .. } => usize::MAX,
            Self::Numbers(texts) => texts.len(),
        }
    }

    /// What a tag of this shape says of its release; `like` is of the same rule.
    pub(super) fn read(&self, tag: &str, like: &Release) -> Option<Reading> {
        match self {
            Self::Whole { before, after } => {
                let inner = tag.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                like.read_like(inner).map(Reading::Whole)
            }
            Self::Numbers(texts) => {
                let (last, before) = texts.split_last()?;
                let mut rest = tag;
                let mut numbers = Vec::new();
                for text in before {
                    rest = rest.strip_prefix(text.as_str())?;
                    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                    numbers.push(rest[..end].parse().ok()?);
                    rest = &rest[end..];
                }
                (rest == last).then_some(Reading::Numbers(numbers))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_are_written() {
        let like = Release::read("1.2.3").unwrap();
        let read =
            |pattern: &str, tag: &str| Shape::of(&Template::of_version(pattern).unwrap()).read(tag, &like);
        let whole = |text: &str| Some(Reading::Whole(Release::read(text).unwrap()));
        assert_eq!(read("{{version}}", "2.0.0"), whole("2.0.0"));
        assert_eq!(read("{{raw}}", "v2.0.0"), whole("2.0.0"));
        assert_eq!(read("r-{{version}}-x", "r-2.0.0-x"), whole("2.0.0"));
        assert_eq!(read("r-{{version}}", "2.0.0"), None);
        assert_eq!(read("{{version}}", "2.0"), None);
        assert_eq!(read("v{{major}}.{{minor}}", "v2.10"), Some(Reading::Numbers(vec![2, 10])));
        assert_eq!(read("v{{major}}.{{minor}}", "v2.10.1"), None);
        assert_eq!(read("{{major}}", "20240101"), Some(Reading::Numbers(vec![20_240_101])));
        // What cannot be read back is taken for a version.
        assert_eq!(read("{{minor}}", "2.0.0"), whole("2.0.0"));
        assert_eq!(read("{{version}}-{{sha}}", "2.0.0"), whole("2.0.0"));
    }
}
