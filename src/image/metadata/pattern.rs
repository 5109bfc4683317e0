//! Regular expressions as workflows write them, which is as JavaScript has them: with lookaround and references back.

use fancy_regex::{Regex, RegexBuilder};

use super::fault::{Wrong, shown};

/// How often something may be repeated by number. The limit on backtracking does not count these steps.
const MOST_REPEATS: u64 = 100_000;

/// A regular expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    source: String,
    regex: Regex,
    /// Each match counts, not each group of the first one: the flag `g`.
    is_global: bool,
}

impl Pattern {
    /// Reads an expression as it is.
    pub(super) fn read(source: &str) -> Result<Self, Wrong> {
        Self::build(source, source, "")
    }

    /// Reads an expression, or one between slashes with flags after them.
    pub(super) fn with_flags(text: &str) -> Result<Self, Wrong> {
        match text.strip_prefix('/').and_then(|inner| inner.rsplit_once('/')) {
            Some((inner, flags)) if !inner.is_empty() => Self::build(text, inner, flags),
            _ => Self::read(text),
        }
    }

    fn build(text: &str, inner: &str, flags: &str) -> Result<Self, Wrong> {
        if let Some(flag) = flags.chars().find(|flag| !"dgimsuvy".contains(*flag)) {
            let wrong = Wrong::new(format!(
                "{} has the flag {}, which is none",
                shown(text),
                shown(&flag.to_string())
            ));
            return Err(wrong.cure("flags are `g`, `i`, `m`, `s`, `u` and `y`"));
        }
        if repeats(inner) > MOST_REPEATS {
            let wrong =
                Wrong::new(format!("{} repeats something more than {MOST_REPEATS} times", shown(text)));
            return Err(wrong.cure("tags are short: write `*`, or lower the numbers in braces"));
        }
        // Sticky: the match begins where the text does.
        let inner = if flags.contains('y') { format!("\\A(?:{inner})") } else { inner.to_owned() };
        let mut builder = RegexBuilder::new(&inner);
        builder.case_insensitive(flags.contains('i')).multi_line(flags.contains('m'));
        builder.dot_matches_new_line(flags.contains('s'));
        let regex = builder.build().map_err(|error| {
            let cause = error.to_string();
            let cause = cause.lines().last().unwrap_or_default();
            Wrong::new(format!("{} is no regular expression ({cause})", shown(text)))
                .cure("put a field that has commas in it in quotes: \"pattern=\\d{1,3}\"")
        })?;
        Ok(Self { source: text.to_owned(), regex, is_global: flags.contains('g') })
    }

    /// How it was written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Checks that it can give that group.
    pub(super) fn check_group(&self, group: usize) -> Result<(), Wrong> {
        let groups = self.regex.captures_len();
        if self.is_global || group < groups {
            return Ok(());
        }
        let cause = format!("{} has no group {group}", shown(&self.source));
        Err(Wrong::new(cause).cure(match groups {
            1 => "put what is wanted in round brackets, or take the group 0, which is all that matches"
                .to_owned(),
            _ => format!("its groups are 0 to {}", groups - 1),
        }))
    }

    /// That group of the first match, or with the flag `g` that match; none where it does not match, or the group has no part in it.
    ///
    /// # Errors
    /// When it would take too long to tell.
    pub(super) fn find(&self, text: &str, group: usize) -> Result<Option<String>, Wrong> {
        let late = |_| {
            Wrong::new(format!("{} takes too long on {}", shown(&self.source), shown(text)))
                .cure("write it with fewer repetitions inside of each other")
        };
        if self.is_global {
            let found = self.regex.find_iter(text).nth(group).transpose().map_err(late)?;
            return Ok(found.map(|found| found.as_str().to_owned()));
        }
        let found = self.regex.captures(text).map_err(late)?;
        Ok(found.and_then(|captures| captures.get(group).map(|found| found.as_str().to_owned())))
    }
}

/// How often a pattern may repeat something, at most, where its numbers (`{9}`, `{1,9}`) stand one within the other.
fn repeats(pattern: &str) -> u64 {
    let counts = pattern.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(inner, _)| inner);
    let most = |inner: &str| {
        let numbers = inner.split(',').map(str::trim).filter(|number| !number.is_empty());
        // What is too long for a number is too many; what is no number is no repeat, but a name or a character.
        let read = numbers.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        read.map(|number| number.parse().unwrap_or(u64::MAX)).max().unwrap_or(1).max(1)
    };
    counts.map(most).fold(1, u64::saturating_mul)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_flags_and_lookaround() {
        let find = |pattern: &str, text: &str, group| {
            Pattern::with_flags(pattern).unwrap().find(text, group).unwrap().unwrap_or_default()
        };
        assert_eq!(find(r"\d.\d.\d", "v1.2.3", 0), "1.2.3");
        assert_eq!(find(r"^v(\d+)\.(\d+)", "v1.22.3", 2), "22");
        assert_eq!(find(r"/^V(.*)$/i", "v1", 1), "1");
        assert_eq!(find(r"/\d+/g", "1.22.3", 1), "22");
        assert_eq!(find(r"/b/y", "ab", 0), "");
        assert_eq!(find(r"^(?!.*rc)v(.*)", "v1-rc", 1), "");
        assert_eq!(find(r"app\/(?<version>.+)", "app/1", 1), "1");
        assert_eq!(find("/", "a/b", 0), "/");
        assert_eq!(find(r"a(b)?c", "ac", 1), "");
    }

    #[test]
    fn what_is_no_expression_is_told() {
        let wrong = |pattern: &str| format!("{:?}", Pattern::with_flags(pattern).unwrap_err());
        assert!(wrong("(").contains("is no regular expression"));
        assert!(wrong("((?=v){99999999999})").contains("repeats something more than 100000 times"));
        assert!(wrong("(a{4294967296}){4294967296}").contains("repeats something more"));
        assert!(Pattern::read(r"\d{4}-\d{2}-\d{2,}\p{L}{1,100}").is_ok());
        assert!(wrong("/a/q").contains("has the flag `q`"));
        assert!(Pattern::read("a").unwrap().check_group(1).is_err());
        assert!(Pattern::read("(a)").unwrap().check_group(1).is_ok());
    }

    #[test]
    fn one_that_would_not_end_is_given_up() {
        let text = format!("{}!", "a".repeat(60));
        let slow =
            [r"^((a+)+)\1?$(?<!b)", r"(?:(a|aa)+)\1(?=c)", r"^(?:(a+)(?=a))+\1c", r"((a|a)*)*(?=\1b)c\2"];
        let given_up = slow.map(|pattern| Pattern::read(pattern).unwrap().find(&text, 0).is_err());
        assert!(given_up.contains(&true), "{given_up:?}");
    }
}
