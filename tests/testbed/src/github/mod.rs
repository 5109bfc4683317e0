//! A stateful GitHub for tests, served on loopback.
//!
//! A test seeds a [`World`], starts a [`GitHub`] with it, points the program under test at [`GitHub::url`], and reads back
//! what came of it. Every request and every answer is held against GitHub's official OpenAPI description; what does not
//! fit is a [`Finding`], and a GitHub that goes away with findings that no test has seen panics.
//!
//! A request with a finding changes nothing and is refused, with 400 when its body is not JSON, 404 when its path cannot
//! be, and else 422 with the pointer into the description in its message. Members and query parameters that the
//! description does not declare are findings too, though GitHub would pass over them. Faults other than
//! [`Fault::Answer`] give answers that are not looked at.
//!
//! ```no_run
//! use testbed::github::{Area, Commit, Fault, GitHub, GitHubError, Matcher, Repository, Token, World};
//!
//! # async fn story() -> Result<(), GitHubError> {
//! let sha = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
//! let shop = Repository::new("acme/shop").commit(Commit::new(sha, "Cheaper")).branch("main", sha);
//! let token = Token::workflow("ghs_secret").write(Area::Checks).write(Area::Deployments);
//! let github = GitHub::start(World::new().repository(shop).token(token)).await?;
//! github.fault(Matcher::operation("checks/create"), Fault::Status(502), 1);
//! // … the program under test runs with `GITHUB_API_URL` set to `github.url()` …
//! assert_eq!(github.repository("acme/shop")?.check_runs.len(), 1);
//! assert_eq!(github.log().iter().filter(|it| it.is("checks/create")).count(), 2);
//! github.finish()
//! # }
//! ```

mod answering;
mod api;
mod contract;
mod error;
mod escape;
mod faults;
mod ids;
mod limits;
mod line;
mod log;
mod page;
mod refusals;
mod reply;
mod server;
mod tokens;
mod view;
mod world;

use std::time::Duration;

pub use contract::{Finding, Part, Side};
pub use error::GitHubError;
pub use faults::{Fault, Matcher};
pub use log::Exchange;
pub use tokens::{Area, Level, Token};
pub use world::World;
pub use world::check::{CheckRun, CommitStatus};
pub use world::commit::Commit;
pub use world::deployment::{Deployment, DeploymentStatus, Environment};
pub use world::issue::{Comment, Issue, Reaction};
pub use world::pull::{ChangedFile, Pull, Review};
pub use world::release::Release;
pub use world::repository::{Push, Repository, Role};
pub use world::run::WorkflowRun;

use answering::State;
use contract::Contract;
use server::{Served, Server};

/// A GitHub that is served until it is dropped.
pub struct GitHub {
    served: Served,
    server: Server,
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("GitHub").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl GitHub {
    /// Serves a world on a free port of the loopback address, on a thread of its own.
    ///
    /// # Errors
    /// When GitHub's description is not installed or the port cannot be had.
    pub async fn start(world: World) -> Result<Self, GitHubError> {
        let contract = Contract::of_user().map_err(GitHubError::Description)?;
        let (served, server) = server::launch(contract, State::new(world)).map_err(GitHubError::Serve)?;
        Ok(Self { served, server })
    }

    /// The base of the API, as `GITHUB_API_URL` has it: without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.served.base.to_string()
    }

    /// The ids of the operations that are acted out; a request for another one is answered with 501, and is a finding.
    #[must_use]
    pub fn operations() -> Vec<&'static str> {
        api::acted_out().collect()
    }

    /// A repository as it is now.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn repository(&self, full_name: &str) -> Result<Repository, GitHubError> {
        let found = self.served.state().world.find(full_name).cloned();
        found.ok_or_else(|| GitHubError::NoRepository(full_name.to_owned()))
    }

    /// Changes a repository behind the API's back: somebody pushes, comments, labels.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn change<T>(
        &self,
        full_name: &str,
        change: impl FnOnce(&mut Repository) -> T,
    ) -> Result<T, GitHubError> {
        let mut state = self.served.state();
        let found = state.world.find_mut(full_name);
        found.map(change).ok_or_else(|| GitHubError::NoRepository(full_name.to_owned()))
    }

    /// Adds a token, or replaces the one of the same secret.
    pub fn grant(&self, token: Token) {
        let tokens = &mut self.served.state().world.tokens;
        tokens.retain(|other| other.secret != token.secret);
        tokens.push(token);
    }

    /// Every request so far, in the order in which they came.
    #[must_use]
    pub fn log(&self) -> Vec<Exchange> {
        self.served.state().log.clone()
    }

    /// Meets the next `times` requests that fit with a fault. Faults act in the order in which they are registered, one a
    /// request.
    pub fn fault(&self, matcher: Matcher, fault: Fault, times: u32) {
        self.served.state().faults.arm(matcher, fault, times);
    }

    /// How often registered faults have yet to act: 0 when all of them met a request.
    #[must_use]
    pub fn faults_left(&self) -> u32 {
        self.served.state().faults.left()
    }

    /// Leaves a token `remaining` requests, until its hour ends after `reset`.
    pub fn limit(&self, secret: &str, remaining: u64, reset: Duration) {
        self.served.state().limits.set(secret, remaining, reset);
    }

    /// What was not as the description says, so far. Seen findings make no drop panic; [`GitHub::finish`] fails with them
    /// all the same.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut state = self.served.state();
        state.looked = true;
        state.findings.clone()
    }

    /// The findings so far, which are forgotten here: for a test that provokes them.
    #[must_use]
    pub fn take_findings(&self) -> Vec<Finding> {
        std::mem::take(&mut self.served.state().findings)
    }

    /// Whether everything so far was as the description says.
    ///
    /// # Errors
    /// With all findings, when there are some.
    pub fn check(&self) -> Result<(), GitHubError> {
        let findings = self.findings();
        if findings.is_empty() { Ok(()) } else { Err(GitHubError::Mismatch(findings)) }
    }

    /// Ends the server and says whether everything was as the description says.
    ///
    /// # Errors
    /// With all findings, when there are some.
    pub fn finish(mut self) -> Result<(), GitHubError> {
        self.server.stop();
        self.check()
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        self.server.stop();
        let state = self.served.state();
        let missed = if state.looked { Vec::new() } else { state.findings.clone() };
        drop(state);
        if !missed.is_empty() && !std::thread::panicking() {
            complain(missed);
        }
    }
}

#[expect(clippy::panic, reason = "a mismatch that no test has looked at must fail the test")]
fn complain(findings: Vec<Finding>) {
    panic!("{}", GitHubError::Mismatch(findings));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_that_is_acted_out_is_in_the_description_and_there_once() {
        let contract = Contract::of_user().unwrap();
        let known: BTreeSet<&str> = contract.operations().map(|operation| operation.id.as_str()).collect();
        let all: Vec<&str> = api::acted_out().collect();
        let unknown: Vec<&&str> = all.iter().filter(|id| !known.contains(**id)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
