//! Commits, and the ways between them.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use crate::github::ids;

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Forty hexadecimal digits.
    pub sha: String,
    /// The whole message.
    pub message: String,
    /// The author's login.
    pub author: String,
    /// When it was authored and committed.
    pub date: Timestamp,
    /// The commits it follows.
    pub parents: Vec<String>,
}

impl Commit {
    /// A commit of the clock's time, without parents, by `octocat`.
    #[must_use]
    pub fn new(sha: &str, message: &str) -> Self {
        Self {
            sha: sha.to_owned(),
            message: message.to_owned(),
            author: "octocat".to_owned(),
            date: ids::now(),
            parents: Vec::new(),
        }
    }

    /// By this login.
    #[must_use]
    pub fn by(mut self, login: &str) -> Self {
        login.clone_into(&mut self.author);
        self
    }

    /// Of this time.
    #[must_use]
    pub fn at(mut self, date: Timestamp) -> Self {
        self.date = date;
        self
    }

    /// Following this commit, and others named so.
    #[must_use]
    pub fn after(mut self, parent: &str) -> Self {
        self.parents.push(parent.to_owned());
        self
    }
}

/// `sha` and everything before it, the nearest first.
pub(crate) fn history<'a>(commits: &'a [Commit], sha: &str) -> Vec<&'a Commit> {
    let mut found: Vec<&Commit> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next = VecDeque::from([sha.to_owned()]);
    while let Some(sha) = next.pop_front() {
        if !seen.insert(sha.clone()) {
            continue;
        }
        if let Some(commit) = commits.iter().find(|commit| commit.sha == sha) {
            next.extend(commit.parents.iter().cloned());
            found.push(commit);
        }
    }
    found
}

/// The commits of `head` that `base` has not, the oldest first.
pub(crate) fn beyond<'a>(commits: &'a [Commit], base: &str, head: &str) -> Vec<&'a Commit> {
    let known = history(commits, base);
    let mut found: Vec<&Commit> =
        history(commits, head).into_iter().filter(|commit| !known.contains(commit)).collect();
    found.reverse();
    found
}

/// The nearest commit that both have.
pub(crate) fn merge_base<'a>(commits: &'a [Commit], base: &str, head: &str) -> Option<&'a Commit> {
    let known = history(commits, base);
    history(commits, head).into_iter().find(|commit| known.contains(commit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forked() -> Vec<Commit> {
        vec![
            Commit::new("root", "root"),
            Commit::new("main", "main").after("root"),
            Commit::new("one", "one").after("root"),
            Commit::new("two", "two").after("one"),
        ]
    }

    fn shas(commits: &[&Commit]) -> Vec<String> {
        commits.iter().map(|commit| commit.sha.clone()).collect()
    }

    #[test]
    fn a_branch_is_beyond_its_base_by_its_own_commits() {
        let commits = forked();
        assert_eq!(shas(&beyond(&commits, "main", "two")), ["one", "two"]);
        assert_eq!(shas(&beyond(&commits, "two", "main")), ["main"]);
        assert_eq!(merge_base(&commits, "main", "two").unwrap().sha, "root");
        assert_eq!(shas(&history(&commits, "two")), ["two", "one", "root"]);
    }
}
