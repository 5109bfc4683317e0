//! Runs of workflows, as far as an action looks at its own.

use jiff::Timestamp;

use crate::github::ids;

/// One run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRun {
    /// GitHub's id, `GITHUB_RUN_ID`.
    pub id: u64,
    /// The workflow's name.
    pub name: String,
    /// The workflow's file.
    pub path: String,
    /// What started it, such as `push`.
    pub event: String,
    /// The branch.
    pub branch: String,
    /// The commit.
    pub sha: String,
    /// `queued`, `in_progress`, `completed` and others.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// Who started it.
    pub actor: String,
    /// Which try it is, from 1.
    pub attempt: u64,
    /// When it was created.
    pub created: Timestamp,
}

impl WorkflowRun {
    /// A first try in progress, started by a push of `octocat`.
    #[must_use]
    pub fn new(id: u64, branch: &str, sha: &str) -> Self {
        Self {
            id,
            name: "Deploy".to_owned(),
            path: ".github/workflows/deploy.yml".to_owned(),
            event: "push".to_owned(),
            branch: branch.to_owned(),
            sha: sha.to_owned(),
            status: "in_progress".to_owned(),
            conclusion: None,
            actor: "octocat".to_owned(),
            attempt: 1,
            created: ids::now(),
        }
    }
}
