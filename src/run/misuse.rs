//! A command line that cannot be understood, and the pages that are not commands: help and version.

use std::ffi::OsString;
use std::process::ExitCode;

use super::answer::ErrorAnswer;
use crate::error::{Error, ErrorKind};

/// Prints what the parser of the command line says: as text, or as the error object where json is asked for.
#[must_use]
pub fn answer(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && wants_json(std::env::args_os()) {
        let answer = ErrorAnswer::new(&explained(&error.render().to_string()));
        super::write(&format!("{}\n", serde_json::to_string_pretty(&answer).unwrap_or_default()));
    } else {
        // A reader that has closed its end has seen what it wanted.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// The command line was not understood as a whole, so the wish for json has to be found in it without the parser.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let all: Vec<OsString> = arguments.take_while(|argument| argument != "--").collect();
    let apart =
        all.windows(2).any(|pair| matches!(pair, [key, value] if key == "--output" && value == "json"));
    apart || all.iter().any(|argument| argument == "--output=json")
}

/// The parser's text: an error in the first paragraph, tips in others.
fn explained(text: &str) -> Error {
    let paragraphs = || text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let first = paragraphs().next().unwrap_or_default();
    let sentence = first.strip_prefix("error: ").unwrap_or(&first).to_owned();
    let tips = paragraphs().filter_map(|part| part.strip_prefix("tip: ").map(str::to_owned));
    let mut error = Error::new(ErrorKind::Usage, "usage", sentence);
    error.hints = tips.collect();
    error.hint("`tidegate --help` lists the commands")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_for_json_is_found_in_a_line_that_is_wrong() {
        let wants = |line: &str| wants_json(line.split(' ').map(OsString::from));
        assert!(wants("tidegate deply --output json"));
        assert!(wants("tidegate --output=json --bogus"));
        assert!(!wants("tidegate deply --output text json"));
        assert!(!wants("tidegate deploy -- --output json"));
    }

    #[test]
    fn the_parsers_text_becomes_a_sentence_with_hints() {
        let text = "error: unrecognized subcommand 'deply'\n\n  tip: a similar subcommand exists: 'deploy'\n\nUsage: x\n";
        let error = explained(text);
        assert_eq!(error.sentence, "unrecognized subcommand 'deply'");
        assert_eq!(error.hints[0], "a similar subcommand exists: 'deploy'");
    }
}
