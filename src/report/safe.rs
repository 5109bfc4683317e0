//! Text from outside made harmless: versions, branch names, messages and logs are anybody's words.
//!
//! In Markdown they are shown as they are: no markup, no HTML, no link, no mention of people, no reference to issues, no formula. GitHub
//! finds mentions and references in what it has rendered, where a backslash is gone; so those are broken by a character without width.

/// A character that has no width, and breaks what GitHub would make a link or a mention of.
const BREAK: char = '\u{200b}';

/// One line without terminal escapes, control characters and marks that turn the direction of writing.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_sequence(&mut rest),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {}
            c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What follows an escape character: a control sequence, a text for the terminal, or one character.
fn skip_escape(rest: &mut Rest<'_>) {
    match rest.next() {
        Some('[') => skip_sequence(rest),
        Some(']' | 'P' | '_' | '^' | 'X') => {
            // It ends with BEL or with ESC and a backslash.
            while let Some(c) = rest.next() {
                if c == '\u{7}' || c == '\u{9c}' {
                    return;
                }
                if c == '\u{1b}' {
                    rest.next();
                    return;
                }
            }
        }
        _ => {}
    }
}

/// A control sequence: parameters, then one letter.
fn skip_sequence(rest: &mut Rest<'_>) {
    while let Some(c) = rest.peek() {
        let is_end = ('\u{40}'..='\u{7e}').contains(c);
        if !is_end && !('\u{20}'..='\u{3f}').contains(c) {
            return;
        }
        rest.next();
        if is_end {
            return;
        }
    }
}

/// The text within a line or a table's cell.
#[must_use]
pub fn text(text: &str) -> String {
    let plain = plain(text);
    let mut safe = String::with_capacity(plain.len());
    for (at, c) in plain.char_indices() {
        let rest = &plain[at..];
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' | '#' => safe.extend([c, BREAK]),
            ':' if rest.starts_with("://") => safe.extend([c, BREAK]),
            '.' if ends_with(&plain[..at], "www") => safe.extend([BREAK, c]),
            '-' if ends_with(&plain[..at], "gh") => safe.extend([BREAK, c]),
            c => safe.push(c),
        }
    }
    safe
}

fn ends_with(text: &str, word: &str) -> bool {
    let from = text.len().checked_sub(word.len());
    from.and_then(|from| text.get(from..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// Lines in a fence that is longer than any run of its character within, so that none of them ends it.
#[must_use]
pub fn fenced(lines: &[String]) -> String {
    let runs = lines.iter().flat_map(|line| line.split(|c| c != '`').map(str::len));
    let fence = "`".repeat(runs.max().unwrap_or(0).max(2) + 1);
    let lines: String = lines.iter().map(|line| plain(line) + "\n").collect();
    format!("{fence}text\n{lines}{fence}\n")
}

/// An address of the web that may be linked; nothing for others, and for those that could leave a link.
#[must_use]
pub fn address(text: &str) -> Option<&str> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    let is_safe = |byte: u8| byte.is_ascii_graphic() && !b"<>()[]\"'`\\|*".contains(&byte);
    (is_web && text.len() <= 1000 && text.bytes().all(is_safe)).then_some(text)
}

/// Markdown in so many bytes at most: whole lines, with what was opened closed again, and at the end `pointer`, which says where the rest is.
#[must_use]
pub fn cut(markdown: &str, most: usize, pointer: &str) -> String {
    if markdown.len() <= most {
        return markdown.to_owned();
    }
    let mut kept = String::new();
    let mut open = Open::default();
    for line in markdown.split_inclusive('\n') {
        let mut next = open.clone();
        next.take(line.trim_end());
        if kept.len() + line.len() + next.end().len() + pointer.len() + 2 > most {
            break;
        }
        kept.push_str(line);
        open = next;
    }
    kept + &open.end() + "\n" + pointer + "\n"
}

/// What a cut would leave open.
#[derive(Debug, Clone, Default)]
struct Open {
    fence: Option<String>,
    details: usize,
}

impl Open {
    fn take(&mut self, line: &str) {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match &self.fence {
            Some(fence) if line == fence => self.fence = None,
            Some(_) => {}
            None if ticks >= 3 => self.fence = Some("`".repeat(ticks)),
            None => {
                self.details += line.matches("<details>").count();
                self.details = self.details.saturating_sub(line.matches("</details>").count());
            }
        }
    }

    fn end(&self) -> String {
        let fence = self.fence.as_ref().map_or_else(String::new, |fence| format!("{fence}\n"));
        fence + &"\n</details>\n".repeat(self.details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_and_controls_leave_nothing() {
        let hostile = "a\u{1b}[31;1mred\u{1b}[0m \u{1b}]0;title\u{7}b\u{1b}]8;;http://x\u{1b}\\c\r\nd\u{9b}2Je\u{202e}f";
        assert_eq!(plain(hostile), "ared bc  def");
        assert_eq!(plain("\u{1b}"), "");
        assert_eq!(plain("\u{1b}[31"), "");
        assert_eq!(plain("\u{1b}[\u{1b}[1mx"), "x");
    }

    #[test]
    fn hostile_text_is_only_text() {
        let hostile = "v1|`x`<img src=x>@all\n#12 **b** [a](http://b) www.c.de GH-7 $x$ a&b";
        let safe = "v1\\|\\`x\\`&lt;img src=x&gt;@\u{200b}all #\u{200b}12 \\*\\*b\\*\\* \\[a\\](http:\u{200b}//b) www\u{200b}.c.de \
                    GH\u{200b}-7 \\$x\\$ a&amp;b";
        assert_eq!(text(hostile), safe);
        assert_eq!(text("1 % of 300; v1.2-rc"), "1 % of 300; v1.2-rc");
    }

    #[test]
    fn a_fence_is_longer_than_any_run_within() {
        let fence = |lines: &[&str]| fenced(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        assert_eq!(fence(&["a"]), "```text\na\n```\n");
        assert_eq!(fence(&["x ````` y", "```"]), "``````text\nx ````` y\n```\n``````\n");
        assert_eq!(fence(&["a\n```\u{1b}[1mb"]), "````text\na ```b\n````\n");
    }

    #[test]
    fn only_addresses_that_cannot_leave_a_link_are_linked() {
        for good in ["https://a.example.com/x?y=1&z=%20#f", "http://127.0.0.1:8080", "https://e/~me/a_b"] {
            assert_eq!(address(good), Some(good));
        }
        for bad in [
            "javascript:x",
            "https://a b",
            "https://a)",
            "https://a>",
            "//a",
            "https://a\u{202e}",
            "https://a\n",
        ] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cut_closes_what_it_opened_and_says_where_the_rest_is() {
        let long = format!(
            "# a\n\n<details><summary>s</summary>\n\n````text\n{}````\n\n</details>\n",
            "line\n".repeat(99)
        );
        for most in 100..long.len() {
            let cut = cut(&long, most, "…more elsewhere");
            assert!(cut.len() <= most, "{most}");
            assert!(cut.ends_with("\n…more elsewhere\n"), "{cut}");
            assert_eq!(cut.matches("<details>").count(), cut.matches("</details>").count(), "{most}: {cut}");
            assert_eq!(cut.matches("````").count() % 2, 0, "{cut}");
        }
        assert_eq!(cut(&long, long.len(), "x"), long);
    }
}
