//! The log of a step: masks and annotations are for the runner, everything else is not.

use std::collections::BTreeSet;
use std::io::{Write as _, stderr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::carry::Done;
use super::salt;
use crate::error::Error;
use crate::github::checks::{self, Annotation};
use crate::github::command::{self, Level, annotation};
use crate::rollout::OutcomeKind;
use crate::run::places::within_repository;

/// GitHub shows no more annotations of a level for a step.
const MOST: usize = 10;

/// The codes of what is wrong in the configuration or the workflow itself, before anything is done.
pub(super) const MISTAKES: [&str; 2] = ["configuration", "bad-input"];

/// Talks to the runner, where there is one. Between its own lines the runner takes nothing for a command: what a release logs, or
/// a commit says, stays text.
pub(super) struct Console {
    is_heard: bool,
}

/// The word that has the runner listen again; nothing while it listens. There is one runner, whoever speaks to it.
static LISTENS_AGAIN_AT: Mutex<Option<String>> = Mutex::new(None);

/// Whether this process is the step itself, and what it writes goes to the runner.
static IS_SPOKEN_TO: AtomicBool = AtomicBool::new(false);

/// Has the runner hide a secret that was not known before, where the step speaks to it. Another command's lines may go anywhere: it prints the
/// secret nowhere, not even for that.
pub(in crate::run) fn hide(secret: &str) {
    if IS_SPOKEN_TO.load(Ordering::Relaxed) {
        say(&command::masks(secret), false);
    }
}

impl Console {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        let is_heard = std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true");
        IS_SPOKEN_TO.store(is_heard, Ordering::Relaxed);
        Self { is_heard }
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
        let again = LISTENS_AGAIN_AT.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(token) = again.filter(|_| self.is_heard) {
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

    /// Why it could not be done: at the lines where it lies, unless a check run `has_lines` already.
    pub(super) fn tell_error(&mut self, error: &Error, has_lines: bool) {
        let is_line = MISTAKES.contains(&error.code.as_str()) && !error.annotations.is_empty();
        if is_line && !has_lines {
            self.annotate(&error.annotations);
            // Of several mistakes not each need have a line of its own.
            if error.code == "configuration" || error.annotations.len() >= error.sentence.lines().count() {
                return;
            }
        }
        let mut message = error.sentence.clone();
        for hint in &error.hints {
            message.push_str("\nhelp: ");
            message.push_str(hint);
        }
        self.tell(&[annotation(Level::Error, None, &error.code, &message)]);
    }

    /// What is to be said of lines of files, at these.
    pub(super) fn annotate(&mut self, all: &[Annotation]) {
        let told = all.iter().take(MOST).map(|one| {
            let level = match one.level {
                checks::Level::Failure => Level::Error,
                checks::Level::Warning => Level::Warning,
                checks::Level::Notice => Level::Notice,
            };
            let file = within_repository(Path::new(&one.path));
            annotation(level, Some((&file, one.line)), &one.title, &one.message)
        });
        self.tell(&told.collect::<Vec<_>>());
    }

    /// Says these lines to the runner, and then has it take nothing for a command.
    fn tell(&self, lines: &[String]) {
        if self.is_heard {
            say(lines, true);
        }
    }
}

/// Says these lines to the runner. Afterwards it listens only if it did before and is not to stop; the word that ends that has nobody seen
/// before.
fn say(lines: &[String], stops: bool) {
    let mut again = LISTENS_AGAIN_AT.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.is_empty() && (again.is_some() || !stops) {
        return;
    }
    let mut all: Vec<String> = again.iter().map(|token| command::listen_again(token)).collect();
    all.extend_from_slice(lines);
    *again = (stops || again.is_some()).then(salt);
    all.extend(again.iter().map(|token| command::stop_listening(token)));
    write(&all);
}

/// A runner that has gone away has no use for the rest.
fn write(lines: &[String]) {
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let _ = stderr().lock().write_all(text.as_bytes());
}
