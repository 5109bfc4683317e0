//! Who asks, and what a workflow's `permissions:` let them do.

use std::collections::BTreeMap;

/// An area of GitHub's permissions, as in a workflow's `permissions:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Workflow runs and the reading of environments.
    Actions,
    /// Settings of the repository; no workflow token can have it.
    Administration,
    /// Check runs and suites.
    Checks,
    /// Files, commits, branches, releases.
    Contents,
    /// Deployments and their statuses.
    Deployments,
    /// Issues; pull requests too where they act as issues.
    Issues,
    /// What everybody who sees the repository may read.
    Metadata,
    /// Pull requests.
    PullRequests,
    /// Commit statuses.
    Statuses,
}

/// How far a permission goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Looking only.
    Read,
    /// Looking and changing.
    Write,
}

/// One permission that opens an operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need(pub(crate) Area, pub(crate) Level);

impl Area {
    const ALL: [Self; 9] = [
        Self::Actions,
        Self::Administration,
        Self::Checks,
        Self::Contents,
        Self::Deployments,
        Self::Issues,
        Self::Metadata,
        Self::PullRequests,
        Self::Statuses,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Administration => "administration",
            Self::Checks => "checks",
            Self::Contents => "contents",
            Self::Deployments => "deployments",
            Self::Issues => "issues",
            Self::Metadata => "metadata",
            Self::PullRequests => "pull_requests",
            Self::Statuses => "statuses",
        }
    }
}

impl Need {
    /// As the header `x-accepted-github-permissions` says it.
    pub(crate) fn words(self) -> String {
        let level = if self.1 == Level::Read { "read" } else { "write" };
        format!("{}={level}", self.0.name())
    }
}

/// A token: who it stands for and what it may.
///
/// Reading needs its area here on public repositories too, where GitHub would let some of it pass: so a test sees every
/// permission that a workflow has to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub(crate) secret: String,
    pub(crate) login: String,
    /// The app that an installation token belongs to; `None` for a person's token.
    pub(crate) app: Option<String>,
    may: BTreeMap<Area, Level>,
    /// The repositories it reaches; all when empty.
    repositories: Vec<String>,
}

impl Token {
    /// The token of a workflow, `github-actions[bot]`, that may read metadata and nothing else yet.
    #[must_use]
    pub fn workflow(secret: &str) -> Self {
        Self::app(secret, "github-actions")
    }

    /// An installation token of the app `slug`, that may read metadata and nothing else yet.
    #[must_use]
    pub fn app(secret: &str, slug: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            login: format!("{slug}[bot]"),
            app: Some(slug.to_owned()),
            may: BTreeMap::from([(Area::Metadata, Level::Read)]),
            repositories: Vec::new(),
        }
    }

    /// The token of a workflow on a pull request from a fork: it may read everything and change nothing.
    #[must_use]
    pub fn fork(secret: &str) -> Self {
        let may = Area::ALL.into_iter().filter(|area| *area != Area::Administration);
        Self { may: may.map(|area| (area, Level::Read)).collect(), ..Self::workflow(secret) }
    }

    /// A person's own token, that may do everything.
    #[must_use]
    pub fn person(secret: &str, login: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            login: login.to_owned(),
            app: None,
            may: Area::ALL.into_iter().map(|area| (area, Level::Write)).collect(),
            repositories: Vec::new(),
        }
    }

    /// With reading in `area`.
    #[must_use]
    pub fn read(mut self, area: Area) -> Self {
        self.may.entry(area).or_insert(Level::Read);
        self
    }

    /// With reading and writing in `area`.
    #[must_use]
    pub fn write(mut self, area: Area) -> Self {
        self.may.insert(area, Level::Write);
        self
    }

    /// Reaching only this repository, `owner/name`, and others named so.
    #[must_use]
    pub fn only(mut self, repository: &str) -> Self {
        self.repositories.push(repository.to_owned());
        self
    }

    /// Whether one of `needs` is met; nothing needed is met by anybody.
    pub(crate) fn meets(&self, needs: &[Need]) -> bool {
        needs.is_empty()
            || needs.iter().any(|Need(area, level)| self.may.get(area).is_some_and(|has| has >= level))
    }

    /// Whether it reaches a repository at all.
    pub(crate) fn reaches(&self, repository: &str) -> bool {
        self.repositories.is_empty()
            || self.repositories.iter().any(|other| other.eq_ignore_ascii_case(repository))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_includes_reading_and_not_the_other_way() {
        let token = Token::workflow("s").write(Area::Checks).read(Area::Issues).read(Area::Checks);
        assert!(token.meets(&[Need(Area::Checks, Level::Write)]));
        assert!(token.meets(&[Need(Area::Checks, Level::Read)]));
        assert!(!token.meets(&[Need(Area::Issues, Level::Write)]));
        assert!(token.meets(&[Need(Area::Issues, Level::Write), Need(Area::Issues, Level::Read)]));
    }

    #[test]
    fn a_fork_changes_nothing() {
        let token = Token::fork("s");
        assert!(Area::ALL.into_iter().all(|area| !token.meets(&[Need(area, Level::Write)])));
        assert!(token.meets(&[Need(Area::PullRequests, Level::Read)]));
    }

    #[test]
    fn a_token_reaches_what_it_was_made_for() {
        assert!(Token::workflow("s").reaches("a/b"));
        assert!(Token::workflow("s").only("A/b").reaches("a/B"));
        assert!(!Token::workflow("s").only("a/b").reaches("a/c"));
    }
}
