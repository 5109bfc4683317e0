//! What an entry gives for an event.

use super::context::Context;
use super::entry::{Entry, Rule, Versioned};
use super::fault::{Fault, Wrong, shown};
use super::pattern::Pattern;
use super::release::{Parts, Pep440, Release, Semver};
use super::shape::Shape;
use super::template::{Part, Template};

/// What an entry gives for an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// A tag, still without prefix and suffix.
    Found(Found),
    /// Nothing: the event is none of its.
    Not,
    /// Nothing, though the event is one of its: why, as a sentence.
    Unfit(String),
}

/// A tag, still without prefix and suffix.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// The text.
    pub(super) text: String,
    /// Whether `latest` comes with it by itself.
    pub(super) is_latest: bool,
    /// The release that it is of, where that can be compared with others.
    pub(super) release: Option<Release>,
    /// How the tags of other releases are to be read.
    pub(super) shape: Shape,
    /// Whether the entry is about versions: of others, there may be tags that are none.
    pub(super) is_version: bool,
}

impl Found {
    fn plain(text: impl Into<String>) -> Outcome {
        let shape = Shape::default();
        Outcome::Found(Self { text: text.into(), is_latest: false, release: None, shape, is_version: false })
    }

    /// A tag of git's, or a part of one, which may be a version.
    fn of_tag(text: &str) -> Outcome {
        let (text, release, shape) = (text.to_owned(), Release::read(text), Shape::default());
        Outcome::Found(Self { text, is_latest: true, release, shape, is_version: false })
    }
}

/// What the entry gives.
///
/// # Errors
/// When it can never give anything, or what it needs is not known.
pub(super) fn of(entry: &Entry, context: &Context) -> Result<Outcome, Fault> {
    let event = &context.event;
    let given = |text: Option<&str>| text.map_or(Outcome::Not, Found::plain);
    let outcome = match &entry.rule {
        Rule::Schedule { pattern } if event.name == "schedule" => {
            Ok(Found::plain(context.render(pattern, None)))
        }
        Rule::Schedule { .. } => Ok(Outcome::Not),
        Rule::Semver(versioned) => {
            version(versioned, context, "a semantic version (https://semver.org)", |text| {
                let version = Semver::read(text)?;
                Some((version.parts(text), Release::Semver(version)))
            })
        }
        Rule::Pep440(versioned) => version(versioned, context, "a version by PEP 440", |text| {
            let version = Pep440::read(text)?;
            Some((version.parts(text), Release::Pep440(version)))
        }),
        Rule::Match { pattern, group, value } => matching(pattern, *group, value.as_ref(), context),
        Rule::Edge { branch } => edge(branch.as_deref(), context),
        Rule::Branch => Ok(given(event.branch())),
        Rule::Tag => Ok(event.tag().map_or(Outcome::Not, Found::of_tag)),
        Rule::Pull => Ok(given(event.pull())),
        Rule::Raw { value } => Ok(Found::plain(context.render(value, None))),
        Rule::Sha { .. } if event.sha.is_empty() => Ok(Outcome::Not),
        Rule::Sha { is_long: true } => Ok(Found::plain(event.sha.as_str())),
        Rule::Sha { is_long: false } => Ok(Found::plain(context.short_sha())),
    };
    outcome.map_err(|wrong| wrong.at(entry.place))
}

/// What an entry is about: its value, or else the tag; and whether it is the same for every event.
fn source(value: Option<&Template>, context: &Context) -> Option<(String, bool)> {
    match value {
        Some(value) => Some((context.render(value, None), value.is_constant())),
        None => context.event.tag().map(|tag| (tag.to_owned(), false)),
    }
}

/// What does not fit can fit another time, but for a value that is always the same.
fn unfit(cause: String, is_constant: bool) -> Result<Outcome, Wrong> {
    if is_constant {
        let cure = "correct the value or the pattern (one with commas in it stands in quotes), or switch the entry off by `enable`";
        return Err(Wrong::new(format!("{cause}, so this entry can never apply")).cure(cure));
    }
    Ok(Outcome::Unfit(cause))
}

fn version(
    versioned: &Versioned,
    context: &Context,
    what: &str,
    read: impl Fn(&str) -> Option<(Parts, Release)>,
) -> Result<Outcome, Wrong> {
    let Some((mut text, is_constant)) = source(versioned.value.as_ref(), context) else {
        return Ok(Outcome::Not);
    };
    if let Some(matching) = &versioned.matching
        && let Some(part) = matching.find(&text, 1)?
    {
        text = part;
    }
    let text = text.replace('/', "-");
    let Some((parts, release)) = read(&text) else {
        return unfit(format!("{} is not {what}", shown(&text)), is_constant);
    };
    // Tags such as `1.2` and `latest` move, and are not to move to what is no final release.
    let is_final = release.is_final();
    let pattern = &versioned.pattern;
    let (text, shape) = match is_final {
        true => (context.render(pattern, Some(&parts)), Shape::of(pattern)),
        false if pattern.is_part(Part::Raw) => (parts.raw, Shape::default()),
        false => (parts.version, Shape::default()),
    };
    Ok(Outcome::Found(Found { text, is_latest: is_final, release: Some(release), shape, is_version: true }))
}

fn matching(
    pattern: &Pattern,
    group: usize,
    value: Option<&Template>,
    context: &Context,
) -> Result<Outcome, Wrong> {
    let Some((text, is_constant)) = source(value, context) else { return Ok(Outcome::Not) };
    match pattern.find(&text, group)? {
        Some(found) => Ok(Found::of_tag(&found)),
        None => unfit(format!("{} does not match {}", shown(pattern.source()), shown(&text)), is_constant),
    }
}

fn edge(branch: Option<&str>, context: &Context) -> Result<Outcome, Wrong> {
    let Some(current) = context.event.branch() else { return Ok(Outcome::Not) };
    let default = context.repository.default_branch.as_deref();
    // A schedule runs on no other branch.
    let default = default.or_else(|| (context.event.name == "schedule").then_some(current));
    let Some(wanted) = branch.or(default) else {
        let wrong =
            Wrong::new("which branch is the default one is not known: the event's payload does not tell it");
        return Err(wrong.cure("write it: `type=edge,branch=main`"));
    };
    Ok(if wanted == current { Found::plain("edge") } else { Outcome::Not })
}
