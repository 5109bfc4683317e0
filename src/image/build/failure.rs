//! Why a build failed, in a sentence: the instruction, its place in the Dockerfile, its exit code, its last lines. Pure.

use super::progress::Failed;
use crate::github::command::{Level, annotation};

/// So many last lines stand in the sentence.
const LINES: usize = 10;
/// So long an instruction is told.
const INSTRUCTION: usize = 200;

/// Why a build failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// The instruction, where one failed.
    pub instruction: Option<String>,
    /// The Dockerfile.
    pub file: String,
    /// The instruction's line in it, from 1.
    pub line: Option<u64>,
    /// The exit code of the instruction.
    pub exit_code: Option<i32>,
    /// The cause in the builder's words.
    pub cause: String,
    /// The last lines that were written.
    pub tail: Vec<String>,
}

impl Failure {
    /// What is known of a failure: the step that failed, and what the builder said besides.
    ///
    /// buildx shows where it was: the file with the line of the instruction, a rule, the lines around it with `>>>` at those of the
    /// instruction, a rule.
    #[must_use]
    pub(super) fn read(file: &str, failed: Option<&Failed>, said: &[String]) -> Self {
        let base = file.rsplit('/').next().unwrap_or(file);
        let is_rule = |line: &String| line.len() > 3 && line.chars().all(|c| c == '-');
        let shown = said.windows(2).find(|pair| is_rule(&pair[1])).and_then(|pair| {
            let (name, line) = pair[0].rsplit_once(':')?;
            (name.rsplit('/').next() == Some(base)).then(|| line.trim().parse::<u64>().ok()).flatten()
        });
        let marked: Vec<&str> =
            said.iter().filter_map(|line| Some(line.split_once("| >>>")?.1.trim())).collect();
        let own = said.iter().rev().find(|line| line.starts_with("ERROR:") || line.starts_with("error:"));
        let own = own.or_else(|| said.iter().rev().find(|line| !line.trim().is_empty()));
        let own =
            own.map(|line| line.trim_start_matches("ERROR:").trim_start_matches("error:").trim().to_owned());
        let error = failed.map(|failed| failed.error.clone()).filter(|error| !error.is_empty());
        let cause = error.or(own).unwrap_or_else(|| "the builder does not say why".to_owned());
        let step = failed.map(|failed| instruction(&failed.name)).filter(|step| !step.is_empty());
        Self {
            instruction: if marked.is_empty() { step } else { Some(marked.join(" ")) },
            file: file.to_owned(),
            line: shown,
            exit_code: exit_code(&cause),
            tail: failed.map(|failed| failed.tail.clone()).unwrap_or_default(),
            cause,
        }
    }

    /// One sentence, with the last lines after it where there are some.
    #[must_use]
    pub(super) fn sentence(&self) -> String {
        let place = match self.line {
            Some(line) => format!("{}:{line}", self.file),
            None => self.file.clone(),
        };
        let how = match self.exit_code {
            Some(code) => format!("ended with exit code {code}"),
            None => format!("failed: {}", self.cause),
        };
        let what = match &self.instruction {
            Some(instruction) => {
                let short: String = instruction.chars().take(INSTRUCTION).collect();
                let more = if short.len() < instruction.len() { "…" } else { "" };
                format!("{place}: `{short}{more}` {how}")
            }
            None => format!("{place}: the build {how}"),
        };
        let from = self.tail.len().saturating_sub(LINES);
        match &self.tail[from..] {
            [] => what,
            tail => format!("{what}; its last lines were:\n    {}", tail.join("\n    ")),
        }
    }

    /// The annotation at its line.
    #[must_use]
    pub(super) fn annotation(&self) -> String {
        let place = self.line.map(|line| (self.file.as_str(), line));
        annotation(Level::Error, place, "build-failed", &self.sentence())
    }
}

/// The instruction of a step: its name without stage and platform.
fn instruction(name: &str) -> String {
    match name.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some(("internal", _)) => String::new(),
        Some((_, instruction)) => instruction.trim().to_owned(),
        None => name.trim().to_owned(),
    }
}

/// `… exit code: 2`, or `… returned a non-zero code: 2` of the classic builder.
fn exit_code(cause: &str) -> Option<i32> {
    let after =
        ["exit code: ", "non-zero code: ", "exit status "].iter().find_map(|word| cause.split_once(word));
    let digits: String = after?.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    const SHOWN: &str = "Dockerfile:3\n--------------------\n   1 |     FROM a\n   2 |     \n   3 | >>> RUN make \\\n   4 | >>>   all\n--------------------\nERROR: failed to build: failed to solve: process \"/bin/sh -c make all\" did not complete successfully: exit code: 2";

    #[test]
    fn the_instruction_is_named_with_its_line_and_exit_code() {
        let failed = Failed {
            name: "[web 2/3] RUN make all".to_owned(),
            error: "process \"/bin/sh -c make all\" did not complete successfully: exit code: 2".to_owned(),
            tail: (1..=12).map(|n| format!("line {n}")).collect(),
        };
        let failure = Failure::read("app/Dockerfile", Some(&failed), &said(SHOWN));
        let sentence = failure.sentence();
        let (head, tail) = sentence.split_once('\n').unwrap();
        assert_eq!(head, "app/Dockerfile:3: `RUN make \\ all` ended with exit code 2; its last lines were:");
        assert_eq!(tail.lines().count(), LINES);
        assert!(tail.ends_with("    line 12"));
        assert!(
            failure
                .annotation()
                .starts_with("::error file=app/Dockerfile,line=3,title=build-failed::app/Dockerfile:3: ")
        );
    }

    #[test]
    fn a_failure_of_no_instruction_has_the_builders_words() {
        let read = |text: &str| Failure::read("Dockerfile", None, &said(text)).sentence();
        assert_eq!(
            read(
                "ERROR: failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory"
            ),
            "Dockerfile: the build failed: failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory"
        );
        assert_eq!(read("a\n\n"), "Dockerfile: the build failed: a");
        assert_eq!(read(""), "Dockerfile: the build failed: the builder does not say why");
        let unknown = "Dockerfile:2\n-----\n   1 | FROM a\n   2 | >>> RUNN x\n-----\nERROR: dockerfile parse error on line 2: unknown instruction: RUNN";
        assert_eq!(
            read(unknown),
            "Dockerfile:2: `RUNN x` failed: dockerfile parse error on line 2: unknown instruction: RUNN"
        );
    }

    #[test]
    fn docker_engine_says_it_in_other_words() {
        let error = "The command '/bin/sh -c make' returned a non-zero code: 2".to_owned();
        let failed = Failed { name: "RUN make".to_owned(), error, tail: Vec::new() };
        let sentence = Failure::read("Dockerfile", Some(&failed), &[]).sentence();
        assert_eq!(sentence, "Dockerfile: `RUN make` ended with exit code 2");
    }

    #[test]
    fn a_step_without_a_shown_place_is_told_by_its_name() {
        let name = "[linux/arm64 web 2/3] COPY a b".to_owned();
        let failed = Failed { name, error: "\"/a\": not found".to_owned(), tail: Vec::new() };
        let sentence = Failure::read("Dockerfile", Some(&failed), &[]).sentence();
        assert_eq!(sentence, "Dockerfile: `COPY a b` failed: \"/a\": not found");
    }
}
