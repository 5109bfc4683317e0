//! Deployments, their statuses, and environments.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::github::ids;

/// The most characters of a deployment's and its status's description.
pub(crate) const LONGEST_DESCRIPTION: usize = 140;

/// One deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// GitHub's id.
    pub id: u64,
    /// What was asked for: branch, tag or commit.
    pub git_ref: String,
    /// The commit that it meant.
    pub sha: String,
    /// `deploy` unless said otherwise.
    pub task: String,
    /// The environment now, which a status can change.
    pub environment: String,
    /// The environment it was created for.
    pub original_environment: String,
    /// A sentence.
    pub description: Option<String>,
    /// What its maker wrote along: an object or a string.
    pub payload: Value,
    /// Whether the environment goes away some day.
    pub transient: bool,
    /// Whether end users meet the environment.
    pub production: bool,
    /// Who created it.
    pub creator: String,
    /// When it was created.
    pub created: Timestamp,
    /// When it last got a status.
    pub updated: Timestamp,
    /// Its statuses, the oldest first.
    pub statuses: Vec<DeploymentStatus>,
}

/// One status of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentStatus {
    /// GitHub's id.
    pub id: u64,
    /// `error`, `failure`, `inactive`, `in_progress`, `queued`, `pending` or `success`.
    pub state: String,
    /// A sentence, or empty.
    pub description: String,
    /// Where the log is, or empty.
    pub log_url: String,
    /// Where the environment is, or empty.
    pub environment_url: String,
    /// The environment it speaks of.
    pub environment: String,
    /// Who set it: the user of the status that made it inactive, when that was how it came.
    pub creator: String,
    /// When.
    pub created: Timestamp,
}

impl Deployment {
    /// A deployment by `octocat`, of the kind that GitHub takes it for when nothing more is said.
    #[must_use]
    pub fn new(sha: &str, environment: &str) -> Self {
        let now = ids::now();
        Self {
            id: ids::next(),
            git_ref: sha.to_owned(),
            sha: sha.to_owned(),
            task: "deploy".to_owned(),
            environment: environment.to_owned(),
            original_environment: environment.to_owned(),
            description: None,
            payload: Value::Object(Map::new()),
            transient: false,
            production: environment == "production",
            creator: "octocat".to_owned(),
            created: now,
            updated: now,
            statuses: Vec::new(),
        }
    }

    /// With a status by `octocat`, and others set so.
    #[must_use]
    pub fn status(mut self, state: &str) -> Self {
        let status = DeploymentStatus::new(state, &self.environment, "octocat");
        self.statuses.push(status);
        self
    }

    /// The newest state; `pending` before the first status.
    #[must_use]
    pub fn state(&self) -> &str {
        self.statuses.last().map_or("pending", |status| &status.state)
    }

    /// As GitHub counts for deletion: any state but success leaves it inactive, and none at all too.
    pub(crate) fn is_active(&self) -> bool {
        self.state() == "success"
    }
}

impl DeploymentStatus {
    /// A status with nothing but its state.
    #[must_use]
    pub fn new(state: &str, environment: &str, creator: &str) -> Self {
        Self {
            id: ids::next(),
            state: state.to_owned(),
            description: String::new(),
            log_url: String::new(),
            environment_url: String::new(),
            environment: environment.to_owned(),
            creator: creator.to_owned(),
            created: ids::now(),
        }
    }
}

/// Adds a status to a deployment; with `auto_inactive`, a success takes the place of the earlier ones: every prior
/// deployment of the same environment that is in success, is not transient and not production, becomes inactive.
pub(crate) fn add_status(all: &mut [Deployment], id: u64, status: DeploymentStatus, auto_inactive: bool) {
    let Some(at) = all.iter().position(|deployment| deployment.id == id) else { return };
    if auto_inactive && status.state == "success" {
        let prior = all[..at].iter_mut().filter(|other| {
            other.environment == status.environment
                && !other.transient
                && !other.production
                && other.is_active()
        });
        for other in prior {
            other.statuses.push(DeploymentStatus::new("inactive", &status.environment, &status.creator));
            other.updated = status.created;
        }
    }
    let deployment = &mut all[at];
    deployment.environment.clone_from(&status.environment);
    deployment.updated = status.created;
    deployment.statuses.push(status);
}

/// One environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// GitHub's id.
    pub id: u64,
    /// The name.
    pub name: String,
    /// Minutes that a job waits.
    pub wait_timer: u64,
    /// Whether who started a run may not approve it.
    pub prevent_self_review: bool,
    /// Logins of those who may approve.
    pub reviewers: Vec<String>,
    /// As GitHub says it: `null`, or an object with `protected_branches` and `custom_branch_policies`.
    pub branch_policy: Value,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

impl Environment {
    /// An environment without any rule.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let now = ids::now();
        Self {
            id: ids::next(),
            name: name.to_owned(),
            wait_timer: 0,
            prevent_self_review: false,
            reviewers: Vec::new(),
            branch_policy: Value::Null,
            created: now,
            updated: now,
        }
    }

    /// With somebody who may approve.
    #[must_use]
    pub fn reviewer(mut self, login: &str) -> Self {
        self.reviewers.push(login.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(all: &[Deployment]) -> Vec<&str> {
        all.iter().map(Deployment::state).collect()
    }

    fn succeed(all: &mut [Deployment], auto_inactive: bool) {
        let last = all.last().unwrap();
        let status = DeploymentStatus::new("success", &last.environment, "u");
        add_status(all, last.id, status, auto_inactive);
    }

    #[test]
    fn a_success_makes_the_earlier_successes_of_its_environment_inactive() {
        let mut transient = Deployment::new("e", "staging").status("success");
        transient.transient = true;
        let mut all = [
            Deployment::new("a", "staging").status("success"),
            Deployment::new("b", "staging").status("failure"),
            Deployment::new("c", "qa").status("success"),
            transient,
            Deployment::new("f", "staging"),
        ];
        succeed(&mut all, true);
        assert_eq!(states(&all), ["inactive", "failure", "success", "success", "success"]);
        assert_eq!(all[0].statuses.len(), 2);
    }

    #[test]
    fn production_and_those_who_do_not_want_it_are_left_alone() {
        let mut all =
            [Deployment::new("a", "production").status("success"), Deployment::new("b", "production")];
        succeed(&mut all, true);
        assert_eq!(states(&all), ["success", "success"]);
        let mut all = [Deployment::new("a", "qa").status("success"), Deployment::new("b", "qa")];
        succeed(&mut all, false);
        assert_eq!(states(&all), ["success", "success"]);
    }

    #[test]
    fn a_later_deployment_is_not_prior() {
        let mut all = [Deployment::new("a", "qa"), Deployment::new("b", "qa").status("success")];
        let id = all[0].id;
        add_status(&mut all, id, DeploymentStatus::new("success", "qa", "u"), true);
        assert_eq!(states(&all), ["success", "success"]);
    }
}
