//! What may deploy to an environment, and when nothing may.

use fancy_regex::Regex;
use jiff::Timestamp;

/// What may deploy to an environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OnSettings {
    /// Branches whose pushes deploy.
    pub push: Patterns,
    /// Tags whose pushes deploy.
    pub tag: Patterns,
    /// By hand from any branch, tag or commit.
    pub dispatch: bool,
}

/// A time in which nothing new is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeSettings {
    /// From this moment on.
    pub from: Timestamp,
    /// Until just before this one.
    pub to: Timestamp,
    /// Why; not empty.
    pub reason: String,
}

/// Patterns for names, of which the last one that fits decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patterns(pub Vec<RefPattern>);

impl Patterns {
    /// Whether a name fits.
    #[must_use]
    pub fn fit(&self, name: &str) -> bool {
        self.0.iter().rev().find(|pattern| pattern.fits(name)).is_some_and(|pattern| !pattern.is_except)
    }

    /// In the words of the file, with commas between.
    #[must_use]
    pub fn shown(&self) -> String {
        self.0.iter().map(|pattern| format!("`{}`", pattern.text)).collect::<Vec<_>>().join(", ")
    }

    /// Whether every name that fits `other` certainly fits here too. What cannot be told is no.
    pub(in crate::settings) fn cover(&self, other: &Self) -> bool {
        let wanted = || other.0.iter().filter(|pattern| !pattern.is_except);
        self.0.iter().all(|pattern| !pattern.is_except)
            && wanted().next().is_some()
            && wanted().all(|pattern| self.0.iter().any(|own| own.covers(pattern)))
    }
}

/// A pattern for names of branches and tags, as GitHub's workflows have them:
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet>.
#[derive(Debug, Clone)]
pub struct RefPattern {
    text: String,
    regex: Regex,
    is_except: bool,
}

impl PartialEq for RefPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RefPattern {}

impl RefPattern {
    /// Reads a pattern: `*` is anything but a slash, `**` anything, `?` and `+` repeat what stands before them, `[a-z]` is one of
    /// these, `\` takes the meaning from the next character, and a `!` at the start excepts what fits.
    ///
    /// # Errors
    /// A sentence, and the cure in a second line.
    pub(in crate::settings) fn read(text: &str) -> Result<Self, String> {
        let (is_except, inner) = text.strip_prefix('!').map_or((false, text), |inner| (true, inner));
        if inner.is_empty() || inner.len() > 255 {
            return Err(format!(
                "`{text}` cannot be a pattern for names\nwrite a name, with `*` for any part of it"
            ));
        }
        if inner.starts_with("refs/") {
            return Err(format!(
                "`{text}` is a whole ref: no name fits it\nleave `refs/heads/` or `refs/tags/` out"
            ));
        }
        let wrong = |why: &str| {
            format!("`{text}` is no pattern: {why}\nput `\\` before a character that is meant as it is")
        };
        let regex = translated(inner).map_err(|why| wrong(&why))?;
        let regex = Regex::new(&regex).map_err(|_| wrong("its brackets cannot be understood"))?;
        Ok(Self { text: text.to_owned(), regex, is_except })
    }

    /// Whether what it excepts is meant.
    pub(in crate::settings) const fn is_except(&self) -> bool {
        self.is_except
    }

    fn fits(&self, name: &str) -> bool {
        self.regex.is_match(name).unwrap_or(false)
    }

    /// Whether each name that fits `other` certainly fits here.
    fn covers(&self, other: &Self) -> bool {
        let special = |c: char| "*?+[]\\!".contains(c);
        if self.text == other.text {
            return true;
        }
        if !other.text.contains(special) {
            return self.fits(&other.text);
        }
        let begin = other.text.split(special).next().unwrap_or_default();
        let plain = |text: &str| !text.contains(special);
        match (self.text.strip_suffix("**"), self.text.strip_suffix('*')) {
            (Some(own), _) if plain(own) => begin.starts_with(own),
            (None, Some(own)) if plain(own) => {
                let rest = other.text.strip_prefix(own);
                rest.is_some_and(|rest| {
                    begin.len() >= own.len()
                        && !rest.contains(['/', '[', '\\', '?', '+'])
                        && !rest.contains("**")
                })
            }
            _ => false,
        }
    }
}

/// The same as a regular expression.
fn translated(pattern: &str) -> Result<String, String> {
    let mut regex = String::from("\\A(?:");
    let mut characters = pattern.chars().peekable();
    // Whether there is something before that can be repeated.
    let mut is_single = false;
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.next_if_eq(&'*').is_some() => {
                regex.push_str(".*");
                is_single = false;
            }
            '*' => {
                regex.push_str("[^/]*");
                is_single = false;
            }
            '?' | '+' if !is_single => return Err(format!("before `{character}` stands nothing to repeat")),
            '?' | '+' => {
                regex.push(character);
                is_single = false;
            }
            '[' => {
                regex.push_str(&class(&mut characters)?);
                is_single = true;
            }
            '\\' => {
                let next = characters.next().ok_or("it ends with `\\`")?;
                regex.push_str(&fancy_regex::escape(next.encode_utf8(&mut [0; 4])));
                is_single = true;
            }
            other => {
                regex.push_str(&fancy_regex::escape(other.encode_utf8(&mut [0; 4])));
                is_single = true;
            }
        }
    }
    regex.push_str(")\\z");
    Ok(regex)
}

/// A class of characters, after its first bracket: letters, digits, and what git allows in names.
fn class(characters: &mut impl Iterator<Item = char>) -> Result<String, String> {
    let mut class = String::from("[");
    for character in characters {
        match character {
            ']' if class.len() > 1 => return Ok(class + "]"),
            c if c.is_ascii_alphanumeric() || "-_".contains(c) => class.push(c),
            '.' => class.push('.'),
            _ => break,
        }
    }
    Err("its brackets hold what is neither letter, digit, `-`, `_` nor `.`, or do not close".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(all: &[&str]) -> Patterns {
        Patterns(all.iter().map(|text| RefPattern::read(text).unwrap()).collect())
    }

    #[test]
    fn patterns_are_those_of_workflows() {
        let fits = |pattern: &str, name: &str| patterns(&[pattern]).fit(name);
        for (pattern, name) in [
            ("main", "main"),
            ("v*", "v1.2.3"),
            ("feature/*", "feature/a"),
            ("feature/**", "feature/a/b"),
            ("**", "a/b"),
            ("v[12].[0-9]+.[0-9]+", "v1.10.3"),
            ("colou?r", "color"),
            ("a\\+b", "a+b"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("main", "maine"),
            ("*", "a/b"),
            ("feature/*", "feature/a/b"),
            ("v1.0", "v1x0"),
            ("v[12].[0-9]+.[0-9]+", "v3.1.0"),
            ("v*", "V1"),
            ("main", "main\n"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn the_last_pattern_that_fits_decides() {
        let releases = patterns(&["releases/**", "!releases/**-alpha", "releases/9-alpha"]);
        assert!(releases.fit("releases/1") && !releases.fit("releases/1-alpha"));
        assert!(releases.fit("releases/9-alpha") && !releases.fit("main"));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for wrong in ["", "!", "refs/heads/main", "+a", "a**?", "a[", "a[]", "a[z-a]", "a[/]", "a\\"] {
            assert!(RefPattern::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_covers_another_where_that_is_certain() {
        for (one, other) in
            [("a", "a"), ("v*", "v1"), ("**", "a/[0-9]+"), ("a/**", "a/b*"), ("v*", "v1.*"), ("[ab]", "a")]
        {
            assert!(patterns(&[one]).cover(&patterns(&[other])), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("v*", "v1/**"), ("v1*", "v*"), ("a/*", "a/**"), ("v*", "*")] {
            assert!(!patterns(&[one]).cover(&patterns(&[other])), "{one} {other}");
        }
        assert!(!patterns(&["a*", "!ab"]).cover(&patterns(&["ab"])));
        assert!(!patterns(&["a"]).cover(&patterns(&[])));
    }
}
