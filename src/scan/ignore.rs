//! What is known and borne: rules that do not count, with a reason and, better, an end.
//!
//! A file of them has the form of `.trivyignore`: a rule a line, `exp:2026-12-31` after it where it ends, and what follows `#` is
//! the reason; so are the lines of comment right above it.

use jiff::civil::Date;

use super::Unreadable;

/// A rule that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignore {
    /// The rule.
    pub rule: String,
    /// From this day on it counts again, by the calendar of UTC.
    pub until: Option<Date>,
    /// Why it does not count; may be empty.
    pub reason: String,
}

impl Ignore {
    /// A rule that does not count, without a reason or an end.
    #[must_use]
    pub fn of(rule: &str) -> Self {
        Self { rule: rule.to_owned(), until: None, reason: String::new() }
    }

    /// The rules of a file; `name` is how sentences call it.
    ///
    /// # Errors
    /// When a line is more than a rule with its end.
    pub fn parse(name: &str, text: &str) -> Result<Vec<Self>, Unreadable> {
        let (mut all, mut above) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let (words, comment) = match line.split_once('#') {
                Some((words, comment)) => (words.trim(), Some(comment.trim())),
                None => (line.trim(), None),
            };
            if words.is_empty() {
                match comment {
                    Some(comment) => above.push(comment),
                    None => above.clear(),
                }
                continue;
            }
            let read = Self::line(words).map_err(|why| Unreadable {
                sentence: format!("{name}:{}: {why}", index + 1),
                hint: "write a rule a line, and `exp:2026-12-31` after it where it is to count again from that day on",
            })?;
            let reason = comment.map_or_else(|| above.join(" "), str::to_owned);
            above.clear();
            all.push(Self { reason, ..read });
        }
        Ok(all)
    }

    fn line(words: &str) -> Result<Self, String> {
        let mut words = words.split_whitespace();
        let mut read = Self::of(words.next().unwrap_or_default());
        for word in words {
            let day = word.strip_prefix("exp:").ok_or_else(|| {
                format!("after the rule {} stands {}, which is no end", read.rule, word.escape_debug())
            })?;
            let date = day.parse().map_err(|_| format!("{} is no day", day.escape_debug()))?;
            read.until = Some(date);
        }
        Ok(read)
    }

    /// Whether it is over on that day.
    #[must_use]
    pub fn is_over(&self, today: Date) -> bool {
        self.until.is_some_and(|until| until <= today)
    }

    /// Whether it is about that rule. An advisory is also meant where a scanner has put the package behind it, as Grype does.
    #[must_use]
    pub fn is_about(&self, rule: &str) -> bool {
        match rule.strip_prefix(&self.rule) {
            Some("") => true,
            Some(rest) => rest.starts_with('-') && is_advisory(&self.rule),
            None => false,
        }
    }
}

/// Whether a name is that of one advisory, whole: of only a part of one, such as a year, others begin with it.
fn is_advisory(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    match parts.as_slice() {
        ["CVE", year, number] => {
            let is_number = |text: &str| text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number(year) && is_number(number)
        }
        ["GHSA", all @ ..] => all.len() == 3 && all.iter().all(|part| part.len() == 4),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_list_has_rules_ends_and_reasons() {
        let text = "# not reachable:\n# the parser is not used\nCVE-2024-1 exp:2026-12-31\n\n# of nothing\n\nDS002 # runs as root\nX\n";
        let all = Ignore::parse("list", text).unwrap();
        let read =
            |rule: &str, until, reason: &str| Ignore { rule: rule.into(), until, reason: reason.into() };
        let expected = [
            read("CVE-2024-1", Some(date(2026, 12, 31)), "not reachable: the parser is not used"),
            read("DS002", None, "runs as root"),
            read("X", None, ""),
        ];
        assert_eq!(all, expected);
        assert!(!all[0].is_over(date(2026, 12, 30)) && all[0].is_over(date(2026, 12, 31)));
        assert!(!all[1].is_over(date(9999, 1, 1)));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        for (text, expected) in [
            ("A\nB until:2026", "list:2: after the rule B stands until:2026, which is no end"),
            ("A exp:2026-02-30", "list:1: 2026-02-30 is no day"),
        ] {
            assert_eq!(Ignore::parse("list", text).unwrap_err().sentence, expected);
        }
    }

    #[test]
    fn an_advisory_is_meant_with_its_package_and_a_year_is_not() {
        let is = |ignored: &str, rule: &str| Ignore::of(ignored).is_about(rule);
        assert!(is("CVE-2024-3094", "CVE-2024-3094") && is("CVE-2024-3094", "CVE-2024-3094-xz-utils"));
        assert!(is("GHSA-aaaa-bbbb-cccc", "GHSA-aaaa-bbbb-cccc-lodash"));
        assert!(!is("CVE-2024", "CVE-2024-3094") && !is("CVE-2024-309", "CVE-2024-3094"));
        assert!(!is("CVE-2024-3094", "CVE-2024-30941") && !is("CVE", "CVE-2024-3094"));
        assert!(!is("js/x", "js/x-y") && !is("", "CVE-2024-3094"));
    }
}
