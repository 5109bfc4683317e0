//! What a workflow of GitHub's tells of itself that a build has to know.

use crate::error::Error;
use crate::image::build::own_context;
use crate::run::image::facts::{payload, variable};

/// The workflow that is built in; all empty where it is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workflow {
    /// Whether it is one: groups and annotations are understood then.
    pub is_workflow: bool,
    /// Whether the repository is a private one.
    pub is_private: bool,
    /// The address of the run.
    pub run_url: String,
    /// The address of the repository at its commit.
    pub own_context: String,
    /// The commit.
    pub commit: String,
}

impl Workflow {
    /// What the environment tells.
    ///
    /// # Errors
    /// `bad-event` when the event's payload cannot be read.
    pub fn of_environment() -> Result<Self, Error> {
        if variable("GITHUB_ACTIONS") != "true" {
            return Ok(Self::default());
        }
        let [server, repository, reference, commit] =
            ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_REF", "GITHUB_SHA"].map(variable);
        let [run, attempt] = ["GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT"].map(variable);
        let run_url = if run.is_empty() || server.is_empty() {
            String::new()
        } else {
            let attempt = if attempt.is_empty() { attempt } else { format!("/attempts/{attempt}") };
            format!("{}/{repository}/actions/runs/{run}{attempt}", server.trim_end_matches('/'))
        };
        Ok(Self {
            is_workflow: true,
            is_private: payload()?["repository"]["private"].as_bool().unwrap_or(false),
            run_url,
            own_context: own_context(&server, &repository, &reference, &commit),
            commit,
        })
    }
}
