//! One line of the Prometheus text format.
//!
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>. What OpenMetrics adds after a value
//! (a time, an example) is passed over.

use std::borrow::Cow;

/// The labels of a sample, in the order in which they stand.
pub(super) type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// One number with its name and its labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Labels<'a>,
    pub(super) value: f64,
}

/// The sample that a line holds; nothing where it is a comment, empty or damaged.
pub(super) fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    let name = &line[..line.find(|c: char| c == '{' || c.is_whitespace())?];
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    let rest = line[name.len()..].trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => labels(inner)?,
        None => (Labels::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name, labels, value })
}

/// The labels up to the closing brace, and what stands after it.
fn labels(text: &str) -> Option<(Labels<'_>, &str)> {
    let mut found = Labels::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        if let Some(after) = rest.strip_prefix('}') {
            return Some((found, after));
        }
        let (name, after) = rest.split_once('=')?;
        let quoted = after.trim_start().strip_prefix('"')?;
        let end = end_of_text(quoted)?;
        found.push((name.trim(), plain(&quoted[..end])));
        rest = &quoted[end + 1..];
    }
}

/// Where the quote stands that ends a text: the first one that no backslash stands before.
fn end_of_text(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// A text without its escapes: `\\`, `\"` and `\n`.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut all = text.chars();
    while let Some(c) = all.next() {
        match (c, c == '\\') {
            (_, true) => match all.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            (c, false) => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told<'a> = (&'a str, Vec<(&'a str, String)>, f64);

    fn told(line: &str) -> Option<Told<'_>> {
        let Sample { name, labels, value } = sample(line)?;
        Some((name, labels.into_iter().map(|(name, value)| (name, value.into_owned())).collect(), value))
    }

    #[test]
    fn samples_have_labels_or_none_and_a_value_that_other_things_may_follow() {
        assert_eq!(told("up 1"), Some(("up", vec![], 1.0)));
        assert_eq!(told(" up  1.5e3 1395066363000 "), Some(("up", vec![], 1500.0)));
        let one = told("hits{code=\"200\", path = \"/\",} 7 # {trace_id=\"x\"} 0.6 1520879607.789");
        assert_eq!(one, Some(("hits", vec![("code", "200".into()), ("path", "/".into())], 7.0)));
        assert_eq!(told("hits{} +Inf"), Some(("hits", vec![], f64::INFINITY)));
    }

    #[test]
    fn text_in_quotes_may_hold_what_parts_labels_elsewhere() {
        let line = r#"hits{route="/a/{id},x=1",file="C:\\A\"B\nC",last="\\"} 3"#;
        let labels =
            vec![("route", "/a/{id},x=1".into()), ("file", "C:\\A\"B\nC".into()), ("last", "\\".into())];
        assert_eq!(told(line), Some(("hits", labels, 3.0)));
    }

    #[test]
    fn comments_and_damaged_lines_hold_nothing() {
        for line in [
            "",
            "# TYPE up counter",
            "# EOF",
            "#",
            "up",
            "up x",
            "up{a=\"1\" 3",
            "up{a=1} 3",
            "up{a} 3",
            "{a=\"1\"} 3",
        ] {
            assert_eq!(told(line), None, "{line:?}");
        }
    }
}
