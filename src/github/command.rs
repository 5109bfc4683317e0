//! What a step tells the runner: lines that it reads (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>),
//! and entries for the files that it names. Only texts are made here; who calls writes them.

use sha2::{Digest as _, Sha256};

/// How grave an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something may be wrong.
    Warning,
    /// Something worth knowing.
    Notice,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// The longest message of an annotation, in bytes: GitHub keeps no more than 4 KiB.
const LONGEST: usize = 4000;

/// A line that the runner makes an annotation of, without its end: at a line of a file, counted from 1, or at no place. What the
/// texts hold cannot end the line or begin another command.
#[must_use]
pub fn annotation(level: Level, place: Option<(&str, u64)>, title: &str, message: &str) -> String {
    let place = match place {
        Some((file, line)) => format!("file={},line={line},", property(file)),
        None => String::new(),
    };
    let (word, title, message) = (level.word(), property(title), data(cut(message, LONGEST)));
    format!("::{word} {place}title={title}::{message}")
}

/// The line that begins a group; what follows is folded under this title, up to [`END_GROUP`].
#[must_use]
pub fn group(title: &str) -> String {
    format!("::group::{}", data(title))
}

/// The line that ends a group.
pub const END_GROUP: &str = "::endgroup::";

/// A line of somebody else's log, in which no command is found: neither `::…` at its begin nor the older `##[…]` anywhere.
#[must_use]
pub fn harmless(line: &str) -> String {
    let line = line.replace("##[", "## [");
    if line.trim_start().starts_with("::") { format!("|{line}") } else { line }
}

/// The lines that keep a secret out of the log, without the last one's end: one for each of its lines. Nothing for what is too
/// short to be one: the log would be full of stars.
#[must_use]
pub fn masks(secret: &str) -> Vec<String> {
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= 4);
    lines.map(|line| format!("::add-mask::{}", data(line))).collect()
}

/// An entry for `GITHUB_OUTPUT` or `GITHUB_STATE`, with its ends of lines. The line that ends the value cannot stand in it: it is
/// made of the value's own digest and of `salt`, which nobody else knows before.
#[must_use]
pub fn entry(name: &str, value: &str, salt: &str) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update([0]).chain_update(value).finalize();
    let end = format!("tidegate_{}", hex::encode(&digest[..16]));
    format!("{name}<<{end}\n{value}\n{end}\n")
}

/// The line after which the runner takes nothing for a command, until [`listen_again`] with the same token.
#[must_use]
pub fn stop_listening(token: &str) -> String {
    format!("::stop-commands::{token}")
}

/// The line that ends [`stop_listening`].
#[must_use]
pub fn listen_again(token: &str) -> String {
    format!("::{token}::")
}

/// At most so many bytes of the text, whole characters.
#[must_use]
pub fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// As the runner reads the message of a command.
fn data(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control() || matches!(c, '\r' | '\n' | '\t'));
    plain.collect::<String>().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As the runner reads a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_line_whatever_stands_in_it() {
        let hostile = "50%\r\n::add-path::/tmp\u{1b}[2J";
        let told = annotation(Level::Error, Some(("a,b:c.yaml", 7)), "x::y", hostile);
        assert_eq!(told, "::error file=a%2Cb%3Ac.yaml,line=7,title=x%3A%3Ay::50%25%0D%0A::add-path::/tmp[2J");
        assert_eq!(
            annotation(Level::Warning, None, "50%: t", "one\r\ntwo, 100%"),
            "::warning title=50%25%3A t::one%0D%0Atwo, 100%25"
        );
        assert_eq!(annotation(Level::Notice, None, "t", ""), "::notice title=t::");
        assert_eq!(group("a\nb"), "::group::a%0Ab");
    }

    #[test]
    fn a_log_gives_no_commands() {
        assert_eq!(harmless("  ::add-mask::x"), "|  ::add-mask::x");
        assert_eq!(harmless("x ##[error]y"), "x ## [error]y");
        assert_eq!(harmless("a::b"), "a::b");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let told = annotation(Level::Error, None, "t", &"ä".repeat(5000));
        assert_eq!(told.len(), "::error title=t::".len() + LONGEST);
        assert_eq!(cut("aä", 2), "a");
    }

    #[test]
    fn each_line_of_a_secret_is_masked() {
        assert_eq!(masks("first%line\n\nsecond"), ["::add-mask::first%25line", "::add-mask::second"]);
        assert!(masks("abc").is_empty() && masks("").is_empty());
    }

    #[test]
    fn a_value_cannot_end_its_entry() {
        let value = "a\nb=c\nreport<<x";
        let text = entry("reason", value, "salt");
        let end = text.lines().next().unwrap().strip_prefix("reason<<").unwrap();
        assert!(!value.contains(end));
        assert_eq!(text, format!("reason<<{end}\n{value}\n{end}\n"));
        assert_ne!(entry("reason", value, "other"), text);
        // What knows an earlier end gains nothing by it: the end depends on the value.
        assert!(
            !entry("reason", &format!("{value}\n{end}\nevil=1"), "salt")
                .starts_with(&format!("reason<<{end}"))
        );
    }
}
