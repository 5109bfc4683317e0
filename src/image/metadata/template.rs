//! Texts with expressions in them: `{{branch}}`, `{{date 'YYYYMMDD' tz='Asia/Tokyo'}}`.
//!
//! A template is checked when it is read: names, formats and time zones. Afterwards rendering cannot fail.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::fault::{Wrong, shown};
use crate::yaml::words::{listed, nearest};

/// A text with expressions in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Template(pub(super) Vec<Term>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    /// As it is.
    Text(String),
    /// Something of the event or the repository.
    Fact(Fact),
    /// A part of the version that the entry is about.
    Part(Part),
    /// A moment.
    Date {
        /// Which.
        of: Moment,
        /// How it is written.
        format: String,
        /// In which zone.
        zone: TimeZone,
    },
}

/// Something of the event or the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    Branch,
    Tag,
    Sha,
    BaseRef,
    IsDefaultBranch,
    IsNotDefaultBranch,
}

/// A part of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Raw,
    Version,
    Major,
    Minor,
    Patch,
}

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Now,
    Commit,
}

const FACTS: [(&str, Fact); 6] = [
    ("branch", Fact::Branch),
    ("tag", Fact::Tag),
    ("sha", Fact::Sha),
    ("base_ref", Fact::BaseRef),
    ("is_default_branch", Fact::IsDefaultBranch),
    ("is_not_default_branch", Fact::IsNotDefaultBranch),
];
const PARTS: [(&str, Part); 5] = [
    ("raw", Part::Raw),
    ("version", Part::Version),
    ("major", Part::Major),
    ("minor", Part::Minor),
    ("patch", Part::Patch),
];
const MOMENTS: [(&str, Moment); 2] = [("date", Moment::Now), ("commit_date", Moment::Commit)];

impl Template {
    /// Reads a text without parts of a version.
    pub(super) fn read(text: &str) -> Result<Self, Wrong> {
        Self::parse(text, false)
    }

    /// Reads the pattern of an entry that is about a version.
    pub(super) fn of_version(text: &str) -> Result<Self, Wrong> {
        Self::parse(text, true)
    }

    fn parse(mut text: &str, has_version: bool) -> Result<Self, Wrong> {
        let mut terms = Vec::new();
        while let Some(open) = text.find("{{") {
            let (before, expression) = text.split_at(open);
            if let Some(before) = before.strip_suffix('\\') {
                // With a backslash before it, it is meant as it is.
                push(&mut terms, before);
                push(&mut terms, "{{");
                text = &expression[2..];
                continue;
            }
            push(&mut terms, before);
            let braces = if expression.starts_with("{{{") { 3 } else { 2 };
            let inner = &expression[braces..];
            let Some(end) = end(inner, &"}}}"[..braces]) else {
                let wrong = Wrong::new(format!("the expression {} is not closed", shown(expression)));
                return Err(wrong.cure(format!("close it with `{}`", &"}}}"[..braces])));
            };
            terms.push(expression_of(inner[..end].trim(), has_version)?);
            text = &inner[end + braces..];
        }
        push(&mut terms, text);
        Ok(Self(terms))
    }

    /// Whether it is the same whatever the event.
    pub(super) fn is_constant(&self) -> bool {
        self.0.iter().all(|term| matches!(term, Term::Text(_)))
    }

    /// Whether it is that one part of a version and nothing else.
    pub(super) fn is_part(&self, part: Part) -> bool {
        self.0 == [Term::Part(part)]
    }

    /// Whether the commit's date is wanted.
    pub(super) fn wants_commit_date(&self) -> bool {
        self.0.iter().any(|term| matches!(term, Term::Date { of: Moment::Commit, .. }))
    }
}

fn push(terms: &mut Vec<Term>, text: &str) {
    match terms.last_mut() {
        _ if text.is_empty() => {}
        Some(Term::Text(before)) => before.push_str(text),
        _ => terms.push(Term::Text(text.to_owned())),
    }
}

/// Where the expression ends: at the first closing braces outside of quotes.
fn end(text: &str, close: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, _) if text[at..].starts_with(close) => return Some(at),
            (None, _) => {}
        }
    }
    None
}

fn expression_of(text: &str, has_version: bool) -> Result<Term, Wrong> {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let of = |names: &[(&str, Moment)]| names.iter().find(|(known, _)| *known == name).map(|(_, of)| *of);
    if let Some(of) = of(&MOMENTS) {
        return date(name, of, rest);
    }
    let fact = FACTS.iter().find(|(known, _)| *known == name).map(|(_, fact)| Term::Fact(*fact));
    let part = PARTS.iter().find(|(known, _)| *known == name).map(|(_, part)| Term::Part(*part));
    match fact.or(part.filter(|_| has_version)) {
        Some(term) if rest.trim().is_empty() => Ok(term),
        Some(_) => {
            Err(Wrong::new(format!("`{name}` takes no arguments")).cure(format!("write `{{{{{name}}}}}`")))
        }
        None => Err(unknown(name, has_version)),
    }
}

fn unknown(name: &str, has_version: bool) -> Wrong {
    let parts = if has_version { &PARTS[..] } else { &[] };
    let facts = FACTS.iter().map(|(name, _)| *name);
    let all = parts.iter().map(|(name, _)| *name).chain(facts).chain(MOMENTS.iter().map(|(name, _)| *name));
    if name.starts_with(['#', '/', '^', '!', '>', '&', '~']) || name == "else" {
        let wrong = Wrong::new(format!("{} is no simple expression", shown(name)));
        return wrong
            .cure("blocks and comments are not understood here; `enable=` switches an entry on and off");
    }
    let cure = match nearest(name, all.clone()) {
        Some(meant) => format!("write `{{{{{meant}}}}}`"),
        None => format!("here are known {}", listed(all)),
    };
    Wrong::new(format!("the expression {} is not known here", shown(name))).cure(cure)
}

/// `'format'`, `'format' tz='zone'`.
fn date(name: &str, of: Moment, mut rest: &str) -> Result<Term, Wrong> {
    let usage = format!("write `{{{{{name} 'YYYYMMDD'}}}}` or `{{{{{name} 'YYYYMMDD' tz='Asia/Tokyo'}}}}`");
    let (mut format, mut zone) = (None, None);
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { break };
        let key_end = rest.find('=').filter(|_| !matches!(first, '\'' | '"'));
        let (key, value) = key_end.map_or(("", rest), |at| (rest[..at].trim(), rest[at + 1..].trim_start()));
        let Some((text, after)) = quoted(value) else {
            let wrong = Wrong::new(format!("the arguments of `{name}` are not in quotes: {}", shown(rest)));
            return Err(wrong.cure(usage));
        };
        let slot = match key {
            "" => &mut format,
            "tz" => &mut zone,
            other => {
                return Err(Wrong::new(format!("`{name}` has no argument {}", shown(other))).cure(usage));
            }
        };
        if slot.replace(text.to_owned()).is_some() {
            return Err(Wrong::new(format!("`{name}` has an argument twice")).cure(usage));
        }
        rest = after;
    }
    let Some(format) = format else {
        return Err(Wrong::new(format!("`{name}` lacks its format")).cure(usage));
    };
    let zone = zone.map_or(Ok(TimeZone::UTC), |zone| zone_of(&zone))?;
    Ok(Term::Date { of, format, zone })
}

/// The text in quotes at the begin, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

/// A zone by the list that the program carries: the answer does not hang on the machine.
fn zone_of(name: &str) -> Result<TimeZone, Wrong> {
    let found = TimeZoneDatabase::bundled().get(name);
    found.map_err(|_| {
        Wrong::new(format!("{} is no time zone", shown(name)))
            .cure("name one of the IANA's list, such as `Europe/Berlin` or `UTC`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        format!("{:?}", Template::read(text).unwrap_err())
    }

    #[test]
    fn texts_and_expressions_alternate() {
        let read = |text| Template::of_version(text).unwrap().0;
        let text = |text: &str| Term::Text(text.to_owned());
        assert_eq!(
            read("v{{major}}.{{ minor }}-x"),
            [text("v"), Term::Part(Part::Major), text("."), Term::Part(Part::Minor), text("-x")]
        );
        assert_eq!(read("{{{sha}}}}"), [Term::Fact(Fact::Sha), text("}")]);
        assert_eq!(read(r"a\{{b}}c"), [text("a{{b}}c")]);
        assert_eq!(read(""), []);
        assert!(Template::of_version("{{raw}}").unwrap().is_part(Part::Raw));
        assert!(!Template::of_version("{{raw}}x").unwrap().is_part(Part::Raw));
    }

    #[test]
    fn dates_have_a_format_and_perhaps_a_zone() {
        let read = Template::read(r#"{{date "YYYY }} 'x'" tz='asia/tokyo'}}"#).unwrap().0;
        let [Term::Date { of: Moment::Now, format, zone }] = &read[..] else { panic!("{read:?}") };
        assert_eq!((format.as_str(), zone.iana_name()), ("YYYY }} 'x'", Some("Asia/Tokyo")));
        assert!(Template::read("{{commit_date 'X'}}").unwrap().wants_commit_date());
        for (text, cause) in [
            ("{{date}}", "lacks its format"),
            ("{{date YYYY}}", "not in quotes"),
            ("{{date 'Y' zone='UTC'}}", "has no argument `zone`"),
            ("{{date 'Y' tz='Mars/Base'}}", "`Mars/Base` is no time zone"),
            ("{{date 'Y' 'M'}}", "twice"),
            ("{{date 'Y}}", "not closed"),
        ] {
            assert!(wrong(text).contains(cause), "{text}: {}", wrong(text));
        }
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        assert!(wrong("{{brunch}}").contains("write `{{branch}}`"));
        assert!(wrong("{{major}}").contains("not known here"));
        assert!(wrong("{{#if tag}}x{{/if}}").contains("no simple expression"));
        assert!(wrong("{{sha 7}}").contains("takes no arguments"));
        assert!(wrong("{{sha").contains("not closed"));
        assert!(wrong("{{}}").contains("not known here"));
    }
}
