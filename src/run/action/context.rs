//! What the runner gives a step: <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::console::MISTAKES;
use super::salt;
use crate::error::{Error, ErrorKind};
use crate::github::{Access, Client, Failure, Patience, Workflow, command};
use crate::report::github::refuse;
use crate::run::places::in_repository;
use crate::run::session;

/// Variables whose values are secrets wherever they are set.
const SECRETS: [&str; 4] =
    ["INPUT_GITHUB-TOKEN", "GITHUB_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_RUNTIME_TOKEN"];

/// Variables with the token of the workflow, the first one that is set.
const TOKENS: [&str; 2] = ["INPUT_GITHUB-TOKEN", "GITHUB_TOKEN"];

/// What the runner gives a step.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// The event's name.
    pub(super) event: String,
    /// The full ref.
    pub(super) reference: String,
    /// The commit.
    pub(super) sha: String,
    /// Who started it.
    pub(super) actor: String,
    /// `OWNER/NAME`.
    pub(super) repository: String,
    /// The environment that the main step began to work on, for its `post`.
    pub(super) began: Option<String>,
    /// This is its `post`.
    pub(super) is_post: bool,
    /// Whether GitHub heard how the main step ended.
    pub(super) was_told: bool,
    /// The process of the main step, by the name that it gave itself.
    pub(super) began_by: Option<String>,
    /// The commit that GitHub hears of it, where the main step found another one than the workflow's.
    pub(super) began_at: Option<String>,
    /// Whom GitHub's API is asked as, and about which repository; nothing without a token.
    pub(super) access: Option<Access>,
    /// The server that the repository is on.
    pub(super) server: String,
    /// Whether the step has a token, by which GitHub is told of rollouts.
    pub(super) has_token: bool,
    /// Whether the summary of the job tells what came of it already.
    pub(super) is_summarized: AtomicBool,
    /// Whether the main step ended by itself, for its `post`.
    pub(super) has_ended: bool,
    // The files that the runner names; none outside of a workflow.
    pub(super) payload: Option<PathBuf>,
    pub(super) outputs: Option<PathBuf>,
    pub(super) state: Option<PathBuf>,
    pub(super) summary: Option<PathBuf>,
}

impl Context {
    /// That of this process.
    pub(super) fn of_process() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default().trim().to_owned();
        let path = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            event: variable("GITHUB_EVENT_NAME"),
            reference: variable("GITHUB_REF"),
            sha: variable("GITHUB_SHA"),
            actor: variable("GITHUB_ACTOR"),
            repository: variable("GITHUB_REPOSITORY"),
            began: Some(variable("STATE_environment")).filter(|name| !name.is_empty()),
            is_post: false,
            was_told: variable("STATE_told") == "true",
            began_by: Some(variable("STATE_process")).filter(|process| !process.is_empty()),
            began_at: Some(variable("STATE_commit")).filter(|commit| !commit.is_empty()),
            access: Access::of(&|name| std::env::var(name).ok()),
            server: Some(variable("GITHUB_SERVER_URL"))
                .filter(|server| !server.is_empty())
                .unwrap_or_else(|| "https://github.com".to_owned()),
            has_token: TOKENS.iter().any(|name| !variable(name).is_empty()),
            is_summarized: AtomicBool::new(false),
            has_ended: variable("STATE_ended") == "true",
            payload: path("GITHUB_EVENT_PATH"),
            outputs: path("GITHUB_OUTPUT"),
            state: path("GITHUB_STATE"),
            summary: path("GITHUB_STEP_SUMMARY"),
        }
    }

    /// The values that must not be shown, as far as the runner gives them.
    pub(super) fn secrets(&self) -> BTreeSet<String> {
        SECRETS.iter().filter_map(|name| std::env::var(name).ok()).collect()
    }

    /// The event's payload; null where none is named.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn payload(&self) -> Result<Value, Error> {
        let Some(path) = &self.payload else { return Ok(Value::Null) };
        let bad = |why: String| {
            let sentence = format!("the event's payload {} cannot be used: {why}", path.display());
            Error::new(ErrorKind::Usage, "bad-event", sentence)
                .hint("GITHUB_EVENT_PATH names it; take that variable away where there is none")
        };
        let text = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| bad(format!("it is no JSON ({error})")))
    }

    /// The page of the run, where it is one of a workflow.
    pub(super) fn run(&self, payload: &Value) -> Option<String> {
        Workflow::of(&|name| std::env::var(name).ok(), payload)?.run
    }

    /// A client of GitHub's API; nothing without a token.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn client(&self) -> Result<Option<Client>, Failure> {
        self.access.clone().map(|access| Client::new(access, Patience::default())).transpose()
    }

    /// Has GitHub show what is wrong in the configuration or the workflow at its lines, in a check run; says whether it does.
    pub(super) async fn refuse(&self, error: &Error) -> bool {
        if error.annotations.is_empty() || !MISTAKES.contains(&error.code.as_str()) {
            return false;
        }
        let payload = self.payload().unwrap_or_default();
        let Some(workflow) = Workflow::of(&|name| std::env::var(name).ok(), &payload) else { return false };
        let patience = Patience { answer: Duration::from_secs(5), tries: 2, ..Patience::default() };
        let told = match Client::new(workflow.access.clone(), patience) {
            Ok(client) => refuse(&client, &workflow, &in_repository(&error.annotations)).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = &told {
            tracing::debug!(code = failure.code, "no check run shows the mistakes: {failure}");
        }
        told.is_ok()
    }

    /// Has the runner know that GitHub heard how the step ended.
    pub(super) fn told(&self) {
        add(self.state.as_deref(), &command::entry("told", "true", &salt()));
    }

    /// Has the runner know, for this action's `post`, which commit GitHub hears of.
    pub(super) fn begins_at(&self, commit: &str) {
        add(self.state.as_deref(), &command::entry("commit", commit, &salt()));
    }

    /// Has the runner know, for this action's `post`, which environment the step works on now.
    pub(super) fn begins(&self, environment: &str) {
        let salt = salt();
        let entries = command::entry("environment", environment, &salt)
            + &command::entry("process", session::process(), &salt);
        add(self.state.as_deref(), &entries);
    }

    /// Has the runner know that the step has ended by itself.
    pub(super) fn ended(&self) {
        add(self.state.as_deref(), &command::entry("ended", "true", &salt()));
    }

    /// Sets outputs of the step.
    pub(super) fn set_outputs(&self, all: &[(&str, String)]) {
        let salt = salt();
        let text: String = all.iter().map(|(name, value)| command::entry(name, value, &salt)).collect();
        add(self.outputs.as_deref(), &text);
    }

    /// Adds to the summary of the job, in Markdown, unless it tells all already.
    pub(super) fn summarize(&self, text: &str) {
        if self.is_summarized.load(Ordering::Relaxed) {
            return;
        }
        add(self.summary.as_deref(), text);
    }
}

/// Adds to a file of the runner's; outside of a workflow there is none.
fn add(file: Option<&Path>, text: &str) {
    let Some(file) = file else { return };
    let written = OpenOptions::new().append(true).create(true).open(file);
    if let Err(error) = written.and_then(|mut file| file.write_all(text.as_bytes())) {
        tracing::warn!("{} could not be written: {error}", file.display());
    }
}
