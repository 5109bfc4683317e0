//! What a repository holds, in the shapes that GitHub's description has for it.

mod check;
mod commit;
mod content;
mod deployment;
mod issue;
mod people;
mod pull;
mod release;
mod repository;
mod run;

pub(crate) use commit::short_status;
pub(crate) use people::{account, user};

use super::world::repository::Repository;

/// A repository as seen through a GitHub at an address.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// Where the API is served, without a slash at the end.
    pub(crate) base: &'a str,
    pub(crate) repository: &'a Repository,
}

impl View<'_> {
    /// The repository's own address in the API.
    pub(crate) fn home(&self) -> String {
        format!("{}/repos/{}", self.base, self.repository.full_name())
    }

    /// An address below it.
    pub(crate) fn api(&self, path: &str) -> String {
        format!("{}/{path}", self.home())
    }

    /// An address that people visit.
    pub(crate) fn html(&self, path: &str) -> String {
        format!("https://github.com/{}/{path}", self.repository.full_name())
    }
}
