//! Workflow commands: lines by which a step tells the runner something
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>). Pure.

/// How grave an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something to know.
    Notice,
    /// Something to look at.
    Warning,
    /// Something that failed.
    Error,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The command that annotates a line of a file, or no place where none is known.
#[must_use]
pub fn annotation(level: Level, place: Option<(&str, u64)>, title: &str, message: &str) -> String {
    let place = match place {
        Some((file, line)) => format!("file={},line={line},", property(file)),
        None => String::new(),
    };
    format!("::{} {place}title={}::{}", level.as_str(), property(title), data(message))
}

/// The command that begins a group; what follows is folded under this title, up to [`END_GROUP`].
#[must_use]
pub fn group(title: &str) -> String {
    format!("::group::{}", data(title))
}

/// The command that ends a group.
pub const END_GROUP: &str = "::endgroup::";

/// A line of somebody else's log, in which no command is found: neither `::…` at its begin nor the older `##[…]` anywhere.
#[must_use]
pub fn harmless(line: &str) -> String {
    let line = line.replace("##[", "## [");
    if line.trim_start().starts_with("::") { format!("|{line}") } else { line }
}

/// The text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_property_or_a_line_is_escaped() {
        let told = annotation(Level::Error, Some(("a,b:c", 7)), "50%: no", "one\r\ntwo: 100%, done");
        assert_eq!(told, "::error file=a%2Cb%3Ac,line=7,title=50%25%3A no::one%0D%0Atwo: 100%25, done");
        assert_eq!(annotation(Level::Warning, None, "t", "m"), "::warning title=t::m");
        assert_eq!(annotation(Level::Notice, None, "t", ""), "::notice title=t::");
        assert_eq!(group("a\nb"), "::group::a%0Ab");
    }

    #[test]
    fn a_log_gives_no_commands() {
        assert_eq!(harmless("  ::add-mask::x"), "|  ::add-mask::x");
        assert_eq!(harmless("x ##[error]y"), "x ## [error]y");
        assert_eq!(harmless("a::b"), "a::b");
    }
}
