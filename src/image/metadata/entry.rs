//! The input `tags`: rules, each of which gives a tag where it applies.

use super::attributes::Attributes;
use super::fault::{Fault, Place, Wrong, shown};
use super::list::{Record, records};
use super::pattern::Pattern;
use super::template::Template;
use crate::yaml::words::{listed, nearest};

/// What is meant where the input is empty.
const DEFAULT: &str = "type=schedule\ntype=ref,event=branch\ntype=ref,event=tag\ntype=ref,event=pr";
/// The types.
const TYPES: [&str; 8] = ["schedule", "semver", "pep440", "match", "edge", "ref", "raw", "sha"];
/// What each entry may have.
const COMMON: [&str; 5] = ["type", "enable", "priority", "prefix", "suffix"];

/// A line of `tags`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where it stands.
    pub(super) place: Place,
    /// What it does.
    pub(super) rule: Rule,
    /// Whether it is wanted: renders to `true` or `false`.
    pub(super) enable: Template,
    /// Higher ones come first; the first one that gives a tag decides the version.
    pub(super) priority: f64,
    /// What stands before the tag; none where that is the flavor's.
    pub(super) prefix: Option<Template>,
    /// What stands after the tag; none where that is the flavor's.
    pub(super) suffix: Option<Template>,
}

impl Entry {
    /// All texts with expressions in it.
    pub(super) fn templates(&self) -> Vec<&Template> {
        let mut all = match &self.rule {
            Rule::Schedule { pattern: text } | Rule::Raw { value: text } => vec![text],
            Rule::Semver(versioned) | Rule::Pep440(versioned) => {
                versioned.value.iter().chain([&versioned.pattern]).collect()
            }
            Rule::Match { value, .. } => value.iter().collect(),
            Rule::Edge { .. } | Rule::Branch | Rule::Tag | Rule::Pull | Rule::Sha { .. } => Vec::new(),
        };
        all.push(&self.enable);
        all.extend(self.prefix.iter().chain(&self.suffix));
        all
    }
}

/// What an entry does.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// On a schedule.
    Schedule { pattern: Template },
    /// For a version by Semantic Versioning.
    Semver(Versioned),
    /// For a version by PEP 440.
    Pep440(Versioned),
    /// A part of a tag.
    Match {
        /// What is looked for.
        pattern: Pattern,
        /// Which group of it is taken.
        group: usize,
        /// In what it is looked for; none where that is the git tag.
        value: Option<Template>,
    },
    /// On a branch, by default the default one.
    Edge { branch: Option<String> },
    /// On a branch.
    Branch,
    /// On a tag.
    Tag,
    /// On a pull request.
    Pull,
    /// Always.
    Raw { value: Template },
    /// Where there is a commit.
    Sha { is_long: bool },
}

/// An entry about a version.
#[derive(Debug, Clone)]
pub(super) struct Versioned {
    /// What is made of the version.
    pub(super) pattern: Template,
    /// The version; none where that is the git tag.
    pub(super) value: Option<Template>,
    /// What is taken of it: the first group.
    pub(super) matching: Option<Pattern>,
}

/// Reads the input. The entries are in the order of their priority, those of the same one in that of the input.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, Fault> {
    let mut records = records("tags", text)?;
    if records.is_empty() {
        records = self::records("the usual tags", DEFAULT)?;
    }
    let mut entries = records.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    entries.sort_by(|one, other| other.priority.total_cmp(&one.priority));
    Ok(entries)
}

fn entry(mut record: Record) -> Result<Entry, Fault> {
    if let [whole] = &record.fields[..]
        && whole.starts_with("type=")
        && whole.contains(',')
        && let Some(inner) = records("tags", whole)?.into_iter().next()
    {
        // The line as a whole stands in quotes.
        record.fields = inner.fields;
    }
    let mut attributes = Attributes::read(record);
    let bare = std::mem::take(&mut attributes.bare);
    attributes.pairs.extend(bare.into_iter().map(|value| ("value".to_owned(), value)));
    attributes.check_once()?;
    let place = attributes.place;
    let kind = attributes.take("type").unwrap_or_else(|| "raw".to_owned());
    let (rule, default_priority, default_prefix, own) = rule(&kind, &mut attributes)?;
    let at = |wrong: Wrong| wrong.at(place);
    let template = |text: String| Template::read(&text).map_err(at);
    let enable = template(attributes.take("enable").unwrap_or_else(|| "true".to_owned()))?;
    let priority = match attributes.take("priority") {
        Some(text) => priority(&text).map_err(at)?,
        None => default_priority,
    };
    let prefix = attributes.take("prefix").or_else(|| default_prefix.map(str::to_owned));
    let prefix = prefix.map(template).transpose()?;
    let suffix = attributes.take("suffix").map(template).transpose()?;
    let known: Vec<&str> = own.iter().chain(&COMMON).copied().collect();
    attributes.check_read(&format!("`type={kind}`"), &known)?;
    Ok(Entry { place, rule, enable, priority, prefix, suffix })
}

/// The rule with its usual priority, its usual prefix, and the attributes that it has of its own.
type Ruled = (Rule, f64, Option<&'static str>, &'static [&'static str]);

fn rule(kind: &str, attributes: &mut Attributes) -> Result<Ruled, Fault> {
    let place = attributes.place;
    let at = |wrong: Wrong| wrong.at(place);
    Ok(match kind {
        "schedule" => {
            let pattern = attributes.take("pattern").unwrap_or_else(|| "nightly".to_owned());
            (Rule::Schedule { pattern: Template::read(&pattern).map_err(at)? }, 1000.0, None, &["pattern"])
        }
        "semver" => (Rule::Semver(versioned(kind, attributes)?), 900.0, None, &["pattern", "value", "match"]),
        "pep440" => (Rule::Pep440(versioned(kind, attributes)?), 900.0, None, &["pattern", "value", "match"]),
        "match" => (matching(attributes)?, 800.0, None, &["pattern", "group", "value"]),
        "edge" => {
            let branch = attributes.take("branch").filter(|branch| !branch.is_empty());
            if let Some(name) = branch.as_deref().and_then(|branch| branch.strip_prefix("refs/heads/")) {
                let wrong = Wrong::new("a branch is named here, not a ref, so this entry can never apply");
                return Err(at(wrong.cure(format!("write `branch={name}`"))));
            }
            (Rule::Edge { branch }, 700.0, None, &["branch"])
        }
        "ref" => {
            let (rule, prefix) = match attributes.take("event").as_deref() {
                Some("branch") => (Rule::Branch, None),
                Some("tag") => (Rule::Tag, None),
                Some("pr") => (Rule::Pull, Some("pr-")),
                other => return Err(at(event(other))),
            };
            (rule, 600.0, prefix, &["event"])
        }
        "raw" => {
            let value = attributes.take("value");
            let value = value.ok_or_else(|| at(missing(kind, "value").cure("write `type=raw,value=…`")))?;
            (Rule::Raw { value: Template::read(&value).map_err(at)? }, 200.0, None, &["value"])
        }
        "sha" => {
            let is_long = match attributes.take("format").as_deref() {
                None | Some("short") => false,
                Some("long") => true,
                Some(other) => {
                    let wrong = Wrong::new(format!("a commit has no format {}", shown(other)));
                    return Err(at(wrong.cure("it is `short` or `long`")));
                }
            };
            (Rule::Sha { is_long }, 100.0, Some("sha-"), &["format"])
        }
        other => return Err(at(no_type(other))),
    })
}

fn versioned(kind: &str, attributes: &mut Attributes) -> Result<Versioned, Fault> {
    let place = attributes.place;
    let at = |wrong: Wrong| wrong.at(place);
    let pattern = attributes.take("pattern").ok_or_else(|| {
        at(missing(kind, "pattern").cure(format!("write `type={kind},pattern={{{{version}}}}`")))
    })?;
    let pattern = Template::of_version(&pattern).map_err(at)?;
    let matching = attributes.take("match").filter(|text| !text.is_empty());
    let matching = matching.map(|text| Pattern::read(&text)).transpose().map_err(at)?;
    if let Some(matching) = &matching {
        matching.check_group(1).map_err(at)?;
    }
    Ok(Versioned { pattern, value: value(attributes)?, matching })
}

fn matching(attributes: &mut Attributes) -> Result<Rule, Fault> {
    let place = attributes.place;
    let at = |wrong: Wrong| wrong.at(place);
    let pattern = attributes.take("pattern");
    let pattern = pattern
        .ok_or_else(|| at(missing("match", "pattern").cure("write `type=match,pattern=v(.*),group=1`")))?;
    let pattern = Pattern::with_flags(&pattern).map_err(at)?;
    let group = attributes.take("group").unwrap_or_else(|| "0".to_owned());
    let group = group.parse().map_err(|_| {
        at(Wrong::new(format!("{} is no number of a group", shown(&group)))
            .cure("0 is all that matches, 1 the first group"))
    })?;
    pattern.check_group(group).map_err(at)?;
    Ok(Rule::Match { pattern, group, value: value(attributes)? })
}

/// An empty value is none: workflows write expressions there that may come out as nothing.
fn value(attributes: &mut Attributes) -> Result<Option<Template>, Fault> {
    let text = attributes.take("value").filter(|text| !text.is_empty());
    text.map(|text| Template::read(&text)).transpose().map_err(|wrong| wrong.at(attributes.place))
}

fn priority(text: &str) -> Result<f64, Wrong> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| {
        Wrong::new(format!("the priority {} is no number", shown(text)))
            .cure("write one such as `priority=750`")
    })
}

fn missing(kind: &str, attribute: &str) -> Wrong {
    Wrong::new(format!("`type={kind}` lacks its `{attribute}`"))
}

fn event(given: Option<&str>) -> Wrong {
    let wrong = match given {
        Some(other) => Wrong::new(format!("`type=ref` knows no event {}", shown(other))),
        None => missing("ref", "event"),
    };
    wrong.cure("it is `branch`, `tag` or `pr`")
}

fn no_type(given: &str) -> Wrong {
    let cure = match nearest(given, TYPES.into_iter()) {
        Some(meant) => format!("write `type={meant}`"),
        None => format!("there are {}", listed(TYPES.into_iter())),
    };
    Wrong::new(format!("there is no type {}", shown(given))).cure(cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_by_priority_and_then_as_written() {
        let all = "type=sha\nfoo\ntype=ref,event=pr\ntype=edge\ntype=match,pattern=a\ntype=pep440,pattern=a\n\
                   type=semver,pattern=a\ntype=schedule\ntype=raw,value=x,priority=10000\ntype=raw,value=y,priority=-1";
        let lines: Vec<usize> = read(all).unwrap().iter().map(|entry| entry.place.line).collect();
        assert_eq!(lines, [9, 8, 6, 7, 5, 4, 3, 2, 1, 10]);
        assert_eq!(read("# nothing").unwrap().len(), 4);
    }

    #[test]
    fn what_can_never_apply_is_an_error() {
        for (text, told) in [
            ("type=semver", "`type=semver` lacks its `pattern`"),
            ("type=match", "`type=match` lacks its `pattern`"),
            ("type=match,pattern=(", "`(` is no regular expression"),
            ("type=match,pattern=a,group=x", "`x` is no number of a group"),
            ("type=match,pattern=a,group=1", "`a` has no group 1"),
            ("type=semver,pattern={{version}},match=v.*", "`v.*` has no group 1"),
            ("type=ref", "`type=ref` lacks its `event`"),
            ("type=ref,event=push", "`type=ref` knows no event `push`"),
            ("type=raw", "`type=raw` lacks its `value`"),
            ("type=sha,format=medium", "a commit has no format `medium`"),
            ("type=smver,pattern={{version}}", "there is no type `smver`"),
            ("type=sha,fromat=long", "`fromat` has no effect in `type=sha`"),
            ("type=edge,event=branch", "`event` has no effect in `type=edge`"),
            ("type=raw,a,b", "`value` stands here twice"),
            ("type=raw,a,priority=high", "the priority `high` is no number"),
            ("type=semver,pattern={{mayor}}", "the expression `mayor` is not known here"),
            ("type=raw,value={{major}}", "the expression `major` is not known here"),
            ("type=sha,suffix={{date 'Y' tz='x'}}", "`x` is no time zone"),
        ] {
            let fault = read(text).unwrap_err();
            assert!(fault.to_string().starts_with(&format!("tags, line 1: {told}")), "{text}: {fault}");
            assert!(fault.cure.is_some(), "{text}");
        }
    }
}
