//! All that a GitHub holds: what a test seeds, what requests change, what a test reads back.

pub(crate) mod check;
pub(crate) mod commit;
pub(crate) mod deployment;
pub(crate) mod issue;
pub(crate) mod pull;
pub(crate) mod release;
pub(crate) mod repository;
pub(crate) mod run;

use repository::Repository;

use super::tokens::Token;

/// The most requests an hour that a token has when nothing else is said: that of an app's installation.
const USUAL_LIMIT: u64 = 5000;

/// What a GitHub begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub(crate) repositories: Vec<Repository>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) hourly_limit: u64,
    pub(crate) limit_status: u16,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Without any repository or token.
    #[must_use]
    pub fn new() -> Self {
        Self { repositories: Vec::new(), tokens: Vec::new(), hourly_limit: USUAL_LIMIT, limit_status: 403 }
    }

    /// With a repository.
    #[must_use]
    pub fn repository(mut self, repository: Repository) -> Self {
        self.repositories.push(repository);
        self
    }

    /// With a token.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.tokens.push(token);
        self
    }

    /// With so many requests an hour for each token.
    #[must_use]
    pub fn hourly_limit(mut self, requests: u64) -> Self {
        self.hourly_limit = requests;
        self
    }

    /// With this status, 403 or 429, for requests beyond the hour's; GitHub has both, and 403 is what it is here when
    /// nothing is said.
    #[must_use]
    pub fn limit_status(mut self, status: u16) -> Self {
        self.limit_status = status;
        self
    }

    pub(crate) fn find(&self, full_name: &str) -> Option<&Repository> {
        self.repositories.iter().find(|it| it.full_name().eq_ignore_ascii_case(full_name))
    }

    pub(crate) fn find_mut(&mut self, full_name: &str) -> Option<&mut Repository> {
        self.repositories.iter_mut().find(|it| it.full_name().eq_ignore_ascii_case(full_name))
    }

    pub(crate) fn bearer(&self, secret: &str) -> Option<&Token> {
        self.tokens.iter().find(|token| token.secret == secret)
    }
}
