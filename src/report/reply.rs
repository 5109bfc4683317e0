//! The answer to a comment that is a command: what it was, who is answered, and what came of it.

use super::safe;
use crate::github::comments::LONGEST;

/// So many characters of the command are shown.
const COMMAND: usize = 200;

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The first line of the comment.
    pub command: &'a str,
    /// Whose it is.
    pub by: &'a str,
    /// One sentence or more: a line each.
    pub text: &'a str,
    /// Where the log of the run is.
    pub run: Option<&'a str>,
}

impl Reply<'_> {
    /// As Markdown. It begins with a quote, so that no program takes it for a command.
    #[must_use]
    pub fn render(&self) -> String {
        let command: String = self.command.chars().take(COMMAND).collect();
        let log =
            self.run.and_then(safe::address).map(|run| format!(" ([log](<{run}>))")).unwrap_or_default();
        let lines: Vec<String> = self.text.lines().map(str::to_owned).collect();
        let told = match lines.as_slice() {
            [line] => format!("{}{log}\n", safe::text(line)),
            _ => format!("{log}\n\n{}", safe::fenced(&lines)),
        };
        let whole = format!("> {}\n\n@{}: {told}", safe::text(&command), login(self.by));
        safe::cut(&whole, LONGEST, "… the rest is in the log of the run.")
    }
}

/// A login as it is: letters, digits and `-` (<https://docs.github.com/en/enterprise-cloud@latest/admin/managing-iam/iam-configuration-reference/username-considerations-for-external-authentication>),
/// and `_` before the short code of an enterprise. With anything else nobody is meant.
fn login(name: &str) -> &str {
    let is_login = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.bytes().all(is_login) { name } else { "nobody" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sentence_is_a_line_and_more_are_a_block() {
        let run = Some("https://github.com/a/b/actions/runs/1");
        let reply = Reply { command: "/deploy staging", by: "ada", text: "1.0 is live in staging", run };
        assert_eq!(
            reply.render(),
            "> /deploy staging\n\n@ada: 1.0 is live in staging ([log](<https://github.com/a/b/actions/runs/1>))\n"
        );
        let more = Reply { text: "one\ntwo ``` <b>", run: None, ..reply };
        assert_eq!(more.render(), "> /deploy staging\n\n@ada: \n\n````text\none\ntwo ``` <b>\n````\n");
    }

    #[test]
    fn nothing_from_outside_is_more_than_text() {
        let reply = Reply {
            command: "/lock <!-- @all [x](http://y)",
            by: "a b\n@all",
            text: "*no* @team `x`",
            run: None,
        };
        let text = reply.render();
        assert!(!text.contains("<!--") && !text.contains("@all") && !text.contains("@team"), "{text}");
        assert!(text.contains("@nobody: "), "{text}");
    }
}
