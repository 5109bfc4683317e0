//! A repository and all that is in it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::check::{CheckRun, CommitStatus};
use super::commit::{Commit, history};
use super::deployment::{Deployment, Environment};
use super::issue::Issue;
use super::release::Release;
use super::run::WorkflowRun;
use crate::github::ids;

/// What somebody may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing, though known.
    None,
    /// Looking.
    Read,
    /// Sorting issues.
    Triage,
    /// Pushing.
    Write,
    /// Managing without the dangerous part.
    Maintain,
    /// Everything.
    Admin,
}

impl Role {
    /// GitHub's `role_name`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// GitHub's older `permission`: maintain counts as write, triage as read.
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Self::Triage => Self::Read.name(),
            Self::Maintain => Self::Write.name(),
            other => other.name(),
        }
    }
}

/// One move of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// GitHub's id.
    pub id: u64,
    /// The full name of the ref.
    pub reference: String,
    /// The commit that it was at; none when it was made.
    pub before: Option<String>,
    /// The commit that it is at since.
    pub after: String,
    /// When.
    pub at: Timestamp,
}

/// A repository. Its fields are what a test reads back; its methods are how a test writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Repository {
    /// GitHub's id.
    pub id: u64,
    /// The owner's login.
    pub owner: String,
    /// The name without the owner.
    pub name: String,
    /// Whether it can be seen only by those who are let in.
    pub private: bool,
    /// The branch that pull requests go to.
    pub default_branch: String,
    /// Every commit that is known, in the order in which they came.
    pub commits: Vec<Commit>,
    /// Full names such as `refs/heads/main`, to commits.
    pub refs: BTreeMap<String, String>,
    /// Every move of a ref, the oldest first.
    pub pushes: Vec<Push>,
    /// Names of protected branches.
    pub protected: BTreeSet<String>,
    /// Who may do what.
    pub collaborators: BTreeMap<String, Role>,
    /// Issues and pull requests by number.
    pub issues: BTreeMap<u64, Issue>,
    /// Check runs, the oldest first.
    pub check_runs: Vec<CheckRun>,
    /// Commit statuses, the oldest first.
    pub statuses: Vec<CommitStatus>,
    /// Deployments, the oldest first.
    pub deployments: Vec<Deployment>,
    /// Environments by name.
    pub environments: BTreeMap<String, Environment>,
    /// Runs of workflows.
    pub runs: Vec<WorkflowRun>,
    /// Releases, the oldest first.
    pub releases: Vec<Release>,
    /// By path: the contents, each from a commit on or, without one, everywhere.
    files: BTreeMap<String, Vec<(Option<String>, String)>>,
}

impl Repository {
    /// An empty public repository `owner/name` with the default branch `main`. A name without a slash is its own owner.
    #[must_use]
    pub fn new(full_name: &str) -> Self {
        let (owner, name) = full_name.split_once('/').unwrap_or((full_name, full_name));
        Self {
            id: ids::of(full_name),
            owner: owner.to_owned(),
            name: name.to_owned(),
            private: false,
            default_branch: "main".to_owned(),
            commits: Vec::new(),
            refs: BTreeMap::new(),
            pushes: Vec::new(),
            protected: BTreeSet::new(),
            collaborators: BTreeMap::new(),
            issues: BTreeMap::new(),
            check_runs: Vec::new(),
            statuses: Vec::new(),
            deployments: Vec::new(),
            environments: BTreeMap::new(),
            runs: Vec::new(),
            releases: Vec::new(),
            files: BTreeMap::new(),
        }
    }

    /// `owner/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// Private from now on.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// With another default branch.
    #[must_use]
    pub fn default_branch(mut self, name: &str) -> Self {
        name.clone_into(&mut self.default_branch);
        self
    }

    /// With a commit that no branch points to yet.
    #[must_use]
    pub fn commit(mut self, commit: Commit) -> Self {
        self.commits.push(commit);
        self
    }

    /// With the last move of a branch at this time.
    #[must_use]
    pub fn pushed(mut self, branch: &str, at: Timestamp) -> Self {
        let name = format!("refs/heads/{branch}");
        if let Some(push) = self.pushes.iter_mut().rfind(|push| push.reference == name) {
            push.at = at;
        }
        self
    }

    /// With a branch at a commit.
    #[must_use]
    pub fn branch(mut self, name: &str, sha: &str) -> Self {
        self.point(&format!("refs/heads/{name}"), sha);
        self
    }

    /// With a tag at a commit.
    #[must_use]
    pub fn tag(mut self, name: &str, sha: &str) -> Self {
        self.point(&format!("refs/tags/{name}"), sha);
        self
    }

    /// With this branch protected.
    #[must_use]
    pub fn protect(mut self, branch: &str) -> Self {
        self.protected.insert(branch.to_owned());
        self
    }

    /// With somebody who may do something.
    #[must_use]
    pub fn collaborator(mut self, login: &str, role: Role) -> Self {
        self.collaborators.insert(login.to_owned(), role);
        self
    }

    /// With an issue or pull request.
    #[must_use]
    pub fn issue(mut self, issue: Issue) -> Self {
        self.issues.insert(issue.number, issue);
        self
    }

    /// With an environment.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environments.insert(environment.name.clone(), environment);
        self
    }

    /// With a check run.
    #[must_use]
    pub fn check_run(mut self, run: CheckRun) -> Self {
        self.check_runs.push(run);
        self
    }

    /// With a commit status.
    #[must_use]
    pub fn status(mut self, status: CommitStatus) -> Self {
        self.statuses.push(status);
        self
    }

    /// With a deployment, and its environment if it is new.
    #[must_use]
    pub fn deployment(mut self, deployment: Deployment) -> Self {
        self.deploy(deployment);
        self
    }

    /// With a run of a workflow.
    #[must_use]
    pub fn run(mut self, run: WorkflowRun) -> Self {
        self.runs.push(run);
        self
    }

    /// With a release.
    #[must_use]
    pub fn release(mut self, release: Release) -> Self {
        self.releases.push(release);
        self
    }

    /// With a file that is the same at every commit.
    #[must_use]
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.entry(path.to_owned()).or_default().push((None, content.to_owned()));
        self
    }

    /// With a file's content at a commit and those after it.
    #[must_use]
    pub fn file_at(mut self, sha: &str, path: &str, content: &str) -> Self {
        let versions = self.files.entry(path.to_owned()).or_default();
        versions.push((Some(sha.to_owned()), content.to_owned()));
        self
    }

    /// Points a full ref name at a commit.
    pub fn point(&mut self, full_ref: &str, sha: &str) {
        let before = self.refs.insert(full_ref.to_owned(), sha.to_owned());
        let (id, reference, after) = (ids::next(), full_ref.to_owned(), sha.to_owned());
        self.pushes.push(Push { id, reference, before, after, at: ids::now() });
    }

    /// Adds a commit and moves a branch to it: a push.
    pub fn push(&mut self, branch: &str, commit: Commit) {
        self.point(&format!("refs/heads/{branch}"), &commit.sha);
        self.commits.push(commit);
    }

    /// Adds a deployment, and its environment if it is new.
    pub fn deploy(&mut self, deployment: Deployment) {
        let name = &deployment.environment;
        self.environments.entry(name.clone()).or_insert_with(|| Environment::new(name));
        self.deployments.push(deployment);
    }

    /// The commit that a branch, a tag, `heads/…`, `tags/…`, a full ref or a commit's sha means.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<&Commit> {
        let full =
            ["refs/heads/", "refs/tags/", "refs/", ""].into_iter().map(|start| format!("{start}{name}"));
        let sha = full.into_iter().find_map(|full| self.refs.get(&full)).map_or(name, String::as_str);
        let is = |commit: &&Commit| commit.sha == sha || sha.len() >= 7 && commit.sha.starts_with(sha);
        self.commits.iter().find(is)
    }

    /// A file's content at a commit: of the nearest commit that has one, else the one that is everywhere.
    #[must_use]
    pub fn content(&self, path: &str, sha: &str) -> Option<&str> {
        let versions = self.files.get(path)?;
        let at = |sha: Option<&str>| versions.iter().rev().find(|(of, _)| of.as_deref() == sha);
        let nearest = history(&self.commits, sha).into_iter().find_map(|commit| at(Some(&commit.sha)));
        nearest.or_else(|| at(None)).map(|(_, content)| content.as_str())
    }

    /// The names right below a folder, each with whether it is a folder.
    pub(crate) fn folder(&self, path: &str, sha: &str) -> BTreeMap<String, bool> {
        let start = if path.is_empty() { String::new() } else { format!("{}/", path.trim_end_matches('/')) };
        let there = self.files.keys().filter(|file| self.content(file, sha).is_some());
        there
            .filter_map(|file| file.strip_prefix(&start))
            .map(|rest| match rest.split_once('/') {
                Some((folder, _)) => (folder.to_owned(), true),
                None => (rest.to_owned(), false),
            })
            .collect()
    }

    /// A check run by its id.
    #[must_use]
    pub fn check_run_by_id(&self, id: u64) -> Option<&CheckRun> {
        self.check_runs.iter().find(|run| run.id == id)
    }

    /// A deployment by its id.
    #[must_use]
    pub fn deployment_by_id(&self, id: u64) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> Repository {
        Repository::new("o/r")
            .commit(Commit::new("1111111a", "one"))
            .commit(Commit::new("2222222b", "two").after("1111111a"))
            .branch("main", "2222222b")
            .branch("a/b", "1111111a")
            .tag("v1", "1111111a")
    }

    #[test]
    fn a_name_means_a_commit_in_every_form() {
        let repository = repository();
        let sha = |name: &str| repository.resolve(name).map(|commit| commit.sha.as_str());
        for name in ["v1", "tags/v1", "refs/tags/v1", "a/b", "heads/a/b", "1111111a", "1111111"] {
            assert_eq!(sha(name), Some("1111111a"), "{name}");
        }
        assert_eq!(sha("main"), Some("2222222b"));
        assert_eq!(sha("gone"), None);
    }

    #[test]
    fn a_file_is_as_the_nearest_commit_left_it() {
        let repository =
            repository().file("a/x", "everywhere").file_at("1111111a", "a/x", "old").file("y", "");
        assert_eq!(repository.content("a/x", "2222222b"), Some("old"));
        assert_eq!(repository.content("a/x", "unknown"), Some("everywhere"));
        let folder = repository.folder("", "2222222b");
        assert_eq!(folder, BTreeMap::from([("a".to_owned(), true), ("y".to_owned(), false)]));
    }
}
