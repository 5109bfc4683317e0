//! What is wrong with an input: where, why, and what mends it.

use std::fmt;

/// The longest text of an input that is shown in a sentence, in characters.
const SHOWN: usize = 80;

/// What is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// The input, by its name.
    pub input: &'static str,
    /// The line in it, from 1; none where the input as a whole is meant.
    pub line: Option<usize>,
    /// The cause, as a sentence.
    pub cause: String,
    /// The cure, where one is known.
    pub cure: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}: {}", self.input, self.cause),
            None => write!(f, "{}: {}", self.input, self.cause),
        }
    }
}

/// A cause and its cure, before it is known where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    cause: String,
    cure: Option<String>,
}

impl Wrong {
    pub(super) fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), cure: None }
    }

    pub(super) fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    pub(super) fn at(self, place: Place) -> Fault {
        Fault { input: place.input, line: Some(place.line), cause: self.cause, cure: self.cure }
    }
}

/// A line of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The input, by its name.
    pub(super) input: &'static str,
    /// The line, from 1.
    pub(super) line: usize,
}

/// A text of an input in backticks: not too long, and with nothing in it that could play with a terminal.
pub(super) fn shown(text: &str) -> String {
    let mut part: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    // What is escaped for the sake of a quote would only be harder to read.
    part = part.replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\");
    if text.chars().nth(SHOWN).is_some() {
        part.push('…');
    }
    format!("`{part}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        assert_eq!(shown(r#"a"b'c\d"#), r#"`a"b'c\d`"#);
        assert_eq!(shown("a\u{1b}[2J"), "`a\\u{1b}[2J`");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), SHOWN + 3);
    }
}
