//! What others wrote, made fit for a log: nothing that plays with a terminal, and no secret.

/// Texts that are not to stand in any log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hidden(Vec<String>);

impl Hidden {
    /// Of these lines; a line that holds another one stands before it.
    #[must_use]
    pub(crate) fn new(lines: Vec<String>) -> Self {
        Self(lines)
    }

    /// A line, [`plain`], with stars in place of what is hidden.
    #[must_use]
    pub(crate) fn clean(&self, line: &str) -> String {
        let mut line = plain(line);
        for hidden in &self.0 {
            if line.contains(hidden.as_str()) {
                line = line.replace(hidden.as_str(), "***");
            }
        }
        line
    }
}

/// A line as it stands on a terminal at last: without colours and other control sequences, and with what was written over left out.
#[must_use]
pub(crate) fn plain(line: &str) -> String {
    let line = line.trim_end_matches(['\n', '\r']);
    let line = line.rsplit('\r').next().unwrap_or_default();
    let mut told = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(next) = rest.next() {
        if next == '\u{1b}' {
            // A control sequence ends with its first letter (ECMA-48, 5.4); any other escape is one character long.
            if rest.next() == Some('[') {
                while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
        } else if next == '\t' || !next.is_control() {
            told.push(next);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_is_left_on_a_terminal() {
        assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m\tx\u{7}\r\n"), "red\tx");
        assert_eq!(plain("10 %\r50 %\r100 %\r\n"), "100 %");
        assert_eq!(plain("a\u{1b}"), "a");
        assert_eq!(plain("a\u{1b}[12"), "a");
    }

    #[test]
    fn what_is_hidden_is_hidden_whatever_stands_in_it() {
        let hidden = Hidden::new(vec!["abcdef".to_owned(), "abc".to_owned()]);
        assert_eq!(hidden.clean("x abcdef ab\u{1b}[0mc y"), "x *** *** y");
    }
}
