//! Versions of Python's packages: <https://peps.python.org/pep-0440/>.
//!
//! Written here: of the crates for it only reading, the normal form and the order would be used, which are this file.

use std::cmp::Ordering;
use std::fmt;

use super::Parts;

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct Pep440 {
    epoch: u64,
    release: Vec<u64>,
    pre: Option<(Pre, u64)>,
    post: Option<u64>,
    dev: Option<u64>,
    local: Vec<Segment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pre {
    Alpha,
    Beta,
    Candidate,
}

/// A segment of a local version: any number is later than any word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Word(String),
    Number(u64),
}

/// The words for pre-releases, longer ones before those that they begin with.
const PRE: [(&str, Pre); 8] = [
    ("alpha", Pre::Alpha),
    ("beta", Pre::Beta),
    ("preview", Pre::Candidate),
    ("pre", Pre::Candidate),
    ("rc", Pre::Candidate),
    ("a", Pre::Alpha),
    ("b", Pre::Beta),
    ("c", Pre::Candidate),
];
const POST: [(&str, ()); 3] = [("post", ()), ("rev", ()), ("r", ())];
const DEV: [(&str, ()); 1] = [("dev", ())];

impl Pep440 {
    /// Reads a version in any of the spellings that PEP 440 takes.
    pub(in crate::image) fn read(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let mut rest = text.strip_prefix('v').unwrap_or(&text);
        let first = number(&mut rest)?;
        let (epoch, first) = match rest.strip_prefix('!') {
            Some(after) => {
                rest = after;
                (first, number(&mut rest)?)
            }
            None => (0, first),
        };
        let mut release = vec![first];
        while let Some(mut after) = rest.strip_prefix('.') {
            let Some(next) = number(&mut after) else { break };
            release.push(next);
            rest = after;
        }
        let pre = tagged(&mut rest, &PRE)?;
        let implicit = rest.strip_prefix('-').and_then(|mut after| {
            let found = number(&mut after)?;
            rest = after;
            Some(found)
        });
        let post = match implicit {
            Some(number) => Some(number),
            None => tagged(&mut rest, &POST)?.map(|((), number)| number),
        };
        let dev = tagged(&mut rest, &DEV)?.map(|((), number)| number);
        let local = match rest.strip_prefix('+') {
            Some(local) => segments(local)?,
            None if rest.is_empty() => Vec::new(),
            None => return None,
        };
        Some(Self { epoch, release, pre, post, dev, local })
    }

    pub(in crate::image) const fn is_final(&self) -> bool {
        self.pre.is_none() && self.post.is_none() && self.dev.is_none()
    }

    /// Whether another one has the same number of numbers, or both have several: `2` and `20240101` may be anything.
    pub(super) const fn is_as_long(&self, other: &Self) -> bool {
        (self.release.len() == 1) == (other.release.len() == 1)
    }

    pub(super) fn numbers(&self) -> [u64; 3] {
        let at = |index: usize| self.release.get(index).copied().unwrap_or_default();
        [at(0), at(1), at(2)]
    }

    /// Its parts; a number that is not there is 0.
    pub(in crate::image) fn parts(&self, raw: &str) -> Parts {
        Parts { raw: raw.to_owned(), version: self.to_string(), numbers: self.numbers() }
    }

    /// Which of two is the later one; `1.0` and `1.0.0` are the same.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }

    fn key(&self) -> Key<'_> {
        let significant = self.release.iter().rposition(|number| *number != 0).map_or(0, |last| last + 1);
        let stage = match (self.pre, self.post, self.dev) {
            (None, None, Some(_)) => Stage::Development,
            (Some(_), ..) => Stage::Pre,
            _ => Stage::Release,
        };
        Key {
            epoch: self.epoch,
            release: &self.release[..significant],
            stage,
            pre: self.pre,
            post: self.post,
            is_done: self.dev.is_none(),
            dev: self.dev,
            local: &self.local,
        }
    }
}

/// What is compared, in this order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    epoch: u64,
    /// Without zeros at the end.
    release: &'a [u64],
    stage: Stage,
    pre: Option<(Pre, u64)>,
    post: Option<u64>,
    /// Development releases of it come before it.
    is_done: bool,
    dev: Option<u64>,
    local: &'a [Segment],
}

/// How far a version is: a development release of the version itself is before its pre-releases.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Development,
    Pre,
    Release,
}

impl fmt::Display for Pep440 {
    /// The normal form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch != 0 {
            write!(f, "{}!", self.epoch)?;
        }
        let release: Vec<String> = self.release.iter().map(ToString::to_string).collect();
        f.write_str(&release.join("."))?;
        if let Some((pre, number)) = self.pre {
            let letter = match pre {
                Pre::Alpha => "a",
                Pre::Beta => "b",
                Pre::Candidate => "rc",
            };
            write!(f, "{letter}{number}")?;
        }
        self.post.iter().try_for_each(|number| write!(f, ".post{number}"))?;
        self.dev.iter().try_for_each(|number| write!(f, ".dev{number}"))?;
        for (at, segment) in self.local.iter().enumerate() {
            f.write_str(if at == 0 { "+" } else { "." })?;
            match segment {
                Segment::Word(word) => f.write_str(word)?,
                Segment::Number(number) => write!(f, "{number}")?,
            }
        }
        Ok(())
    }
}

const SEPARATORS: [char; 3] = ['-', '_', '.'];

/// The digits at the begin, as a number.
fn number(rest: &mut &str) -> Option<u64> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number = rest[..end].parse().ok()?;
    *rest = &rest[end..];
    Some(number)
}

/// A word with its number, each with a separator before it that may be missing; without the number it is 0. The outer none is for a
/// number that is too large.
#[expect(clippy::option_option, reason = "one is for what cannot be read, the other for what is not there")]
fn tagged<T: Copy>(rest: &mut &str, words: &[(&str, T)]) -> Option<Option<(T, u64)>> {
    let bare = rest.strip_prefix(SEPARATORS).unwrap_or(rest);
    let found = words.iter().find_map(|(word, kind)| bare.strip_prefix(word).map(|after| (*kind, after)));
    let Some((kind, after)) = found else { return Some(None) };
    let mut after = after.strip_prefix(SEPARATORS).unwrap_or(after);
    let value = if after.starts_with(|c: char| c.is_ascii_digit()) { number(&mut after)? } else { 0 };
    *rest = after;
    Some(Some((kind, value)))
}

fn segments(text: &str) -> Option<Vec<Segment>> {
    let one = |segment: &str| {
        let is_fine = !segment.is_empty() && segment.chars().all(|c| c.is_ascii_alphanumeric());
        let is_number = segment.chars().all(|c| c.is_ascii_digit());
        match is_fine {
            true if is_number => segment.parse().ok().map(Segment::Number),
            true => Some(Segment::Word(segment.to_owned())),
            false => None,
        }
    };
    text.split(SEPARATORS).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_has_one_normal_form() {
        for (text, normal) in [
            ("1.2.3", "1.2.3"),
            ("v1.2", "1.2"),
            ("V01.02", "1.2"),
            ("1!2.0", "1!2.0"),
            ("1.1beta2", "1.1b2"),
            ("1.1-ALPHA.3", "1.1a3"),
            ("1.1_preview", "1.1rc0"),
            ("1.1c4", "1.1rc4"),
            ("1.2post1", "1.2.post1"),
            ("1.2-1", "1.2.post1"),
            ("1.2.r7", "1.2.post7"),
            ("1.2rev", "1.2.post0"),
            ("1.0dev4", "1.0.dev4"),
            ("1.0a2.post3.dev4+Local-7.x", "1.0a2.post3.dev4+local.7.x"),
        ] {
            assert_eq!(Pep440::read(text).map(|v| v.to_string()).as_deref(), Some(normal), "{text}");
        }
        for text in [
            "",
            "v",
            "main",
            "1.x",
            "1.2-",
            "1.2.3-beta.67.8",
            "1.0+",
            "1.0+a..b",
            "1.0 ",
            "99999999999999999999",
            "1é",
        ] {
            assert_eq!(Pep440::read(text), None, "{text}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_pep() {
        let order = [
            "1.0.dev1",
            "1.0a1.dev2",
            "1.0a1",
            "1.0a1.post1",
            "1.0b1",
            "1.0rc1",
            "1.0",
            "1.0+abc",
            "1.0+5",
            "1.0.post1.dev1",
            "1.0.post1",
            "1.0.1",
            "1.10",
            "2024.1",
            "1!0.1",
        ];
        let read: Vec<Pep440> = order.iter().map(|text| Pep440::read(text).unwrap()).collect();
        for pair in read.windows(2) {
            assert_eq!(pair[0].compare(&pair[1]), Ordering::Less, "{} < {}", pair[0], pair[1]);
        }
        assert_eq!(Pep440::read("1.0").unwrap().compare(&Pep440::read("1.0.0").unwrap()), Ordering::Equal);
    }
}
