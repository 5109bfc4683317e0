//! What is wrong in a file, for people: sentence, place, source line, cure.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Position;
use super::finding::Finding;

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but this is probably not what was meant.
    Warning,
}

/// Something that is wrong at a place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// The file, as it was named by the caller.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The way to the value, such as `environments.production.strategy`; empty for the file as a whole.
    pub path: String,
    /// One sentence that names the cause.
    pub message: String,
    /// The cure, where one is known.
    pub hint: Option<String>,
    /// The source line, or of a long one the part around the place, with control characters made harmless; empty where the
    /// file has no such line.
    pub snippet: String,
    /// Where in the snippet the place begins, in characters from 0.
    pub indent: usize,
    /// How many characters of the snippet are meant, at least 1.
    pub width: usize,
}

/// Longest source line that is shown whole, in characters.
const SHOWN: usize = 110;

/// Longest sentence, in characters.
const LONGEST: usize = 400;

impl Diagnostic {
    /// What stands at the places in `secrets` is not shown. Values of the file stand in the sentences too; they may not move
    /// the cursor of a terminal.
    pub(crate) fn new(file: &Path, text: &str, secrets: &[Position], finding: Finding) -> Self {
        let Finding { severity, path, at, message, help, .. } = finding;
        let (snippet, indent) = excerpt(text, at, secrets);
        let width = at.width.min(snippet.chars().count().saturating_sub(indent)).max(1);
        Self {
            severity,
            file: file.to_owned(),
            line: at.line,
            column: at.column,
            path: clipped(&path.to_string()),
            message: clipped(&message),
            hint: help.as_deref().map(clipped),
            snippet,
            indent,
            width,
        }
    }
}

/// The part of the line around a place, with stars for what is secret, and where in it the place begins.
fn excerpt(text: &str, at: Position, secrets: &[Position]) -> (String, usize) {
    let content = text.lines().nth(at.line - 1).unwrap_or_default();
    let length = content.chars().count();
    let place = (at.column - 1).min(length);
    let start = if length <= SHOWN { 0 } else { place.saturating_sub(SHOWN / 2) };
    let mut shown: Vec<char> = content.chars().skip(start).take(SHOWN).collect();
    for secret in secrets.iter().filter(|secret| secret.line == at.line) {
        let from = (secret.column - 1).saturating_sub(start).min(shown.len());
        // A width of one is that of a value over many lines, too.
        let end = if secret.width == 1 { length } else { secret.column - 1 + secret.width };
        let to = end.saturating_sub(start).clamp(from, shown.len());
        shown[from..to].fill('*');
    }
    let before = if start > 0 { "…" } else { "" };
    let after = if start + SHOWN < length { "…" } else { "" };
    let shown: String = shown.into_iter().collect();
    (format!("{before}{}{after}", harmless(&shown)), before.chars().count() + place - start)
}

/// At most [`LONGEST`] characters of a sentence: values of the file stand in it, and they may be of any length.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", harmless(&text[..end])),
        None => harmless(text),
    }
}

/// Control characters, which could play with a terminal, as visible marks; a tab as one space so that marks stay in line.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\t' => ' ',
            // Direction marks can make a text read as another than it is.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            other if other.is_control() => '\u{fffd}',
            other => other,
        })
        .collect()
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        write!(f, "{}:{}:{}: {kind}{}", self.file.display(), self.line, self.column, self.message)?;
        if !self.snippet.trim().is_empty() {
            let gutter = " ".repeat(self.line.to_string().len());
            let marks = format!("{}{}", " ".repeat(self.indent), "^".repeat(self.width));
            write!(f, "\n{gutter} |\n{} | {}\n{gutter} | {marks}", self.line, self.snippet)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  help: {hint}")?;
        }
        Ok(())
    }
}

/// All of them below each other, with a blank line between.
#[must_use]
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let all: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    all.join("\n\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Diagnostic, Finding};
    use crate::yaml::{Path as Way, Position};

    fn show(text: &str, column: usize, width: usize) -> String {
        let at = Position { line: 1, column, width };
        Diagnostic::new(
            Path::new("x.yaml"),
            text,
            &[],
            Finding::error(Way::default(), at, "wrong").help("cure"),
        )
        .to_string()
    }

    #[test]
    fn marks_the_place() {
        assert_eq!(show("a: bad", 4, 3), "x.yaml:1:4: wrong\n  |\n1 | a: bad\n  |    ^^^\n  help: cure");
    }

    #[test]
    fn cuts_a_long_line_around_the_place() {
        let shown = show(&format!("{}bad{}", "x".repeat(500), "y".repeat(500)), 501, 3);
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[3].find('^').unwrap();
        let marked: String = lines[2].chars().skip(lines[3][..caret].chars().count()).take(3).collect();
        assert_eq!(marked, "bad");
        assert!(lines[2].chars().count() < 130);
    }

    #[test]
    fn survives_a_place_outside_of_the_text() {
        assert!(show("a", 900, 900).contains('^'));
    }

    #[test]
    fn lets_no_control_character_through() {
        assert!(!show("a: \u{1b}[2J\u{202e}", 4, 2).contains(['\u{1b}', '\u{202e}']));
    }
}
