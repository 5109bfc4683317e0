//! The log of a step: masks and annotations are for the runner, everything else is not.

use std::collections::BTreeSet;
use std::io::{Write as _, stderr};

use super::carry::Done;
use super::salt;
use crate::error::Error;
use crate::github::command::{self, Level, annotation};
use crate::rollout::OutcomeKind;
use crate::yaml::{Diagnostic, Severity};

/// GitHub shows no more annotations of a level for a step.
const MOST: usize = 10;

/// Talks to the runner, where there is one. Between its own lines the runner takes nothing for a command: what a release logs, or
/// a commit says, stays text.
pub(super) struct Console {
    is_heard: bool,
    has_shown_places: bool,
    token: Option<String>,
}

impl Console {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        let is_heard = std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true");
        Self { is_heard, has_shown_places: false, token: None }
    }

    /// Masks what is secret, and has the runner take nothing for a command from here on.
    pub(super) fn begin(&mut self, secrets: &BTreeSet<String>) {
        self.tell(&secrets.iter().flat_map(|secret| command::masks(secret)).collect::<Vec<_>>());
    }

    /// Masks what is secret.
    pub(super) fn mask(&mut self, secrets: &BTreeSet<String>) {
        self.begin(secrets);
    }

    /// Has the runner listen again, for the steps after this one.
    pub(super) fn end(&mut self) {
        if let Some(token) = self.token.take() {
            write(&[command::listen_again(&token)]);
        }
    }

    /// How it ended.
    pub(super) fn tell_done(&mut self, done: &Done) {
        let Done::Rollout(answer) = done else { return };
        let level = match answer.outcome.as_str() {
            outcome if outcome == OutcomeKind::Promoted.to_string() => return,
            _ if answer.exit_code == 0 => Level::Notice,
            outcome if outcome == OutcomeKind::Paused.to_string() => Level::Warning,
            _ => Level::Error,
        };
        let title = format!("{} {}: {}", answer.app, answer.environment, answer.reason);
        self.tell(&[annotation(level, None, &title, &answer.sentence)]);
    }

    /// Why it could not be done.
    pub(super) fn tell_error(&mut self, error: &Error) {
        if self.has_shown_places && error.code == "configuration" {
            return;
        }
        let mut message = error.sentence.clone();
        for hint in &error.hints {
            message.push_str("\nhelp: ");
            message.push_str(hint);
        }
        self.tell(&[annotation(Level::Error, None, &error.code, &message)]);
    }

    /// What is wrong in the configuration, at its lines.
    pub(super) fn tell_diagnostics(&mut self, all: &[Diagnostic]) {
        let told = all.iter().take(MOST).map(|one| {
            let level = if one.severity == Severity::Error { Level::Error } else { Level::Warning };
            let message = match &one.hint {
                Some(hint) => format!("{}\nhelp: {hint}", one.message),
                None => one.message.clone(),
            };
            annotation(level, Some((&within(&one.file), one.line as u64)), &one.path, &message)
        });
        self.tell(&told.collect::<Vec<_>>());
        self.has_shown_places |= !all.is_empty();
    }

    /// Says these lines to the runner, and then has it take nothing for a command, with a word that nobody has seen before.
    fn tell(&mut self, lines: &[String]) {
        if !self.is_heard || lines.is_empty() && self.token.is_some() {
            return;
        }
        let token = salt();
        let mut all: Vec<String> =
            self.token.take().iter().map(|token| command::listen_again(token)).collect();
        all.extend_from_slice(lines);
        all.push(command::stop_listening(&token));
        write(&all);
        self.token = Some(token);
    }
}

/// The file as the runner knows it: from the folder of the repository.
fn within(file: &std::path::Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(&here).unwrap_or(file).display().to_string()
}

/// A runner that has gone away has no use for the rest.
fn write(lines: &[String]) {
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let _ = stderr().lock().write_all(text.as_bytes());
}
