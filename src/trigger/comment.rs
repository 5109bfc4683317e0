//! Commands in comments: the first line of a comment, if it begins with a slash.
//!
//! ```text
//! /deploy [ENVIRONMENT] [--ref REF]    /plan [ENVIRONMENT] [--ref REF]
//! /rollback [ENVIRONMENT]    /promote [ENVIRONMENT]    /abort [ENVIRONMENT]    /status [ENVIRONMENT]
//! /lock [ENVIRONMENT] [REASON]    /unlock [ENVIRONMENT]    /preview [COMMIT | stop | extend TIME]    /help
//! ```
//! No other line is read, and the slash is the line's first character: what is quoted, indented or in a fence does nothing. Words
//! are what stands between spaces; nothing is expanded, and a word that is not understood is told, not left out.

use super::Command;
use super::payload::shown;
use crate::yaml::words::nearest;

/// The commands that comments know, with what they take.
pub const COMMANDS: [(Command, &str); 10] = [
    (Command::Deploy, "/deploy [ENVIRONMENT] [--ref REF]"),
    (Command::Rollback, "/rollback [ENVIRONMENT]"),
    (Command::Promote, "/promote [ENVIRONMENT]"),
    (Command::Abort, "/abort [ENVIRONMENT]"),
    (Command::Plan, "/plan [ENVIRONMENT] [--ref REF]"),
    (Command::Lock, "/lock [ENVIRONMENT] [REASON]"),
    (Command::Unlock, "/unlock [ENVIRONMENT]"),
    (Command::Status, "/status [ENVIRONMENT]"),
    (Command::Preview, "/preview [COMMIT | stop | extend TIME]"),
    (Command::Help, "/help"),
];

/// The longest line that is read, in characters.
const LONGEST: usize = 500;

/// What a comment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comment {
    /// A command.
    Line(Line),
    /// Something that is nearly a command: one sentence, and the cure.
    Wrong {
        /// One sentence.
        why: String,
        /// The cure.
        hint: String,
    },
    /// Nothing that is meant for Tidegate: why.
    Silent(String),
}

/// A command with its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The command.
    pub command: Command,
    /// The environment; of `/lock` the first word, which may be the first one of the reason.
    pub environment: Option<String>,
    /// The ref.
    pub reference: Option<String>,
    /// Of `/lock` and `/preview` the words after the command, with single spaces between; empty else.
    pub text: String,
}

/// Reads a comment.
#[must_use]
pub fn read(body: &str) -> Comment {
    let line = body.split(['\n', '\r']).next().unwrap_or_default();
    let silent = |why: &str| Comment::Silent(why.to_owned());
    let Some(rest) = line.strip_prefix('/') else {
        return silent("the comment does not begin with a command");
    };
    if line.chars().count() > LONGEST {
        return silent("the comment's first line is too long for a command");
    }
    if line.chars().any(is_unseen) {
        return silent("the comment's first line holds characters that nobody sees");
    }
    let mut words = rest.split([' ', '\t']);
    let word = words.next().unwrap_or_default();
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let known = COMMANDS.iter().find(|(command, _)| command.name() == word.to_ascii_lowercase());
    match known {
        Some((command, usage)) => {
            understood(*command, &words).unwrap_or_else(|why| wrong(*command, &why, usage))
        }
        None => unknown(word),
    }
}

/// Characters that do not show, or that change how others show: such a line is not what its reader saw.
fn is_unseen(c: char) -> bool {
    let hides = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    hides || c.is_control() && c != '\t'
}

fn wrong(command: Command, why: &str, usage: &str) -> Comment {
    Comment::Wrong { why: format!("`/{}` {why}", command.name()), hint: format!("write `{usage}`") }
}

/// Other programs have commands, too: only what is nearly one of these is answered.
fn unknown(word: &str) -> Comment {
    let names = COMMANDS.iter().map(|(command, _)| command.name());
    match nearest(word, names) {
        Some(meant) => Comment::Wrong {
            why: format!("there is no command `/{}`", shown(word)),
            hint: format!("did you mean `/{meant}`? `/help` lists the commands"),
        },
        None => Comment::Silent(format!("`/{}` is no command of Tidegate", shown(word))),
    }
}

fn understood(command: Command, words: &[&str]) -> Result<Comment, String> {
    let mut line = Line { command, environment: None, reference: None, text: String::new() };
    if command == Command::Lock {
        line.environment = words.first().map(|word| (*word).to_owned());
        line.text = words.join(" ");
        return Ok(Comment::Line(line));
    }
    if command == Command::Preview {
        return match words {
            [] | ["stop"] | ["extend", _] => {
                line.text = words.join(" ");
                Ok(Comment::Line(line))
            }
            [commit] if is_begin_of_commit(commit) => {
                line.text = words.join(" ");
                Ok(Comment::Line(line))
            }
            ["extend"] => Err("does not say how much longer".to_owned()),
            [other, ..] => Err(format!("does not know `{}`", shown(other))),
        };
    }
    let takes_ref = matches!(command, Command::Deploy | Command::Plan);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--ref") {
            Some("") if takes_ref => {
                let next = words.next().ok_or("names no ref after `--ref`")?;
                set(&mut line.reference, reference(next)?, "names two refs")?;
            }
            Some(rest) if takes_ref && rest.starts_with('=') => {
                set(&mut line.reference, reference(&rest[1..])?, "names two refs")?;
            }
            _ if word.starts_with('-') => return Err(format!("does not know `{}`", shown(word))),
            _ if command == Command::Help => return Err("takes nothing more".to_owned()),
            _ => set(&mut line.environment, environment(word)?, "takes one environment")?,
        }
    }
    Ok(Comment::Line(line))
}

/// Whether a word can be a commit, or the first digits of one.
fn is_begin_of_commit(word: &str) -> bool {
    (7..=64).contains(&word.len()) && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn set(place: &mut Option<String>, value: String, twice: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(twice.to_owned()),
    }
}

fn environment(word: &str) -> Result<String, String> {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if word.len() <= 63 && word.bytes().all(allowed) {
        return Ok(word.to_owned());
    }
    Err(format!("takes the name of an environment, and `{}` cannot be one", shown(word)))
}

/// A name of a branch or tag, or a commit; by git's rules (<https://git-scm.com/docs/git-check-ref-format>), and of ASCII only.
fn reference(word: &str) -> Result<String, String> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._/+-@#=%".contains(&c);
    let whole = (1..=200).contains(&word.len()) && word.bytes().all(allowed);
    let parts =
        word.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"));
    if whole && parts && !word.starts_with('-') && !word.ends_with('.') && !word.contains("..") {
        return Ok(word.to_owned());
    }
    Err(format!("takes a branch, a tag or a commit, and `{}` cannot be one", shown(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(body: &str) -> Line {
        match read(body) {
            Comment::Line(line) => line,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn every_command_is_read_with_its_words() {
        for (body, command, environment, reference) in [
            ("/deploy", Command::Deploy, None, None),
            ("/deploy staging", Command::Deploy, Some("staging"), None),
            ("/deploy  staging --ref v1.2.3", Command::Deploy, Some("staging"), Some("v1.2.3")),
            ("/deploy --ref=feature/a+b staging", Command::Deploy, Some("staging"), Some("feature/a+b")),
            ("/Deploy\tstaging\r\nplease", Command::Deploy, Some("staging"), None),
            ("/rollback production\n/deploy staging", Command::Rollback, Some("production"), None),
            ("/promote", Command::Promote, None, None),
            ("/abort ", Command::Abort, None, None),
            ("/plan --ref main", Command::Plan, None, Some("main")),
            ("/unlock production", Command::Unlock, Some("production"), None),
            ("/status", Command::Status, None, None),
            ("/help", Command::Help, None, None),
        ] {
            let read = line(body);
            assert_eq!(
                (read.command, read.environment.as_deref(), read.reference.as_deref()),
                (command, environment, reference),
                "{body}"
            );
        }
        assert_eq!(line("/lock production  the sale").text, "production the sale");
        assert_eq!(line("/lock").text, "");
        for words in ["", "stop", "extend 48h", "0123abc"] {
            assert_eq!(line(&format!("/preview {words}")).text, words);
        }
    }

    #[test]
    fn every_listed_command_reads_its_own_name() {
        for (command, usage) in COMMANDS {
            assert_eq!(line(&format!("/{}", command.name())).command, command);
            assert!(usage.starts_with(&format!("/{}", command.name())));
        }
    }

    #[test]
    fn only_the_first_line_counts_and_only_as_it_stands() {
        for body in [
            "",
            "please\n/deploy",
            "> /deploy production",
            " /deploy",
            "    /deploy",
            "```\n/deploy\n```",
            "`/deploy`",
            "- /deploy",
            "\n/deploy",
            "\u{feff}/deploy",
            "<!-- -->/deploy",
            "/dep\u{200b}loy",
            "/deploy \u{202e}gnigats",
            "/deploy \u{1b}[2J",
            "/approve",
            "/etc/passwd is readable",
            "/",
        ] {
            assert!(matches!(read(body), Comment::Silent(_)), "{body:?}: {:?}", read(body));
        }
        assert!(matches!(read(&format!("/lock {}", "a".repeat(600))), Comment::Silent(_)));
    }

    #[test]
    fn what_is_nearly_a_command_is_told_the_nearest() {
        for (body, hint) in [
            ("/deplyo staging", "did you mean `/deploy`?"),
            ("/roll-back", "did you mean `/rollback`?"),
            ("/deploy staging production", "write `/deploy"),
            ("/deploy --force", "write `/deploy"),
            ("/deploy --ref", "write `/deploy"),
            ("/deploy --ref a --ref b", "write `/deploy"),
            ("/deploy --ref a..b", "write `/deploy"),
            ("/deploy --ref -x", "write `/deploy"),
            ("/deploy --ref a;rm", "write `/deploy"),
            ("/deploy $(rm)", "write `/deploy"),
            ("/deploy staging;ls", "write `/deploy"),
            ("/rollback --ref v1", "write `/rollback"),
            ("/help me", "write `/help`"),
            ("/preview down", "write `/preview [COMMIT"),
            ("/preview extend", "write `/preview [COMMIT"),
            ("/preveiw", "did you mean `/preview`?"),
        ] {
            match read(body) {
                Comment::Wrong { hint: told, .. } => assert!(told.contains(hint), "{body}: {told}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}
