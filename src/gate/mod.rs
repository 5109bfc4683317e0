//! Gates collect samples; they never judge.

use std::future::Future;
use std::time::Duration;

use crate::rollout::Release;
use crate::rollout::analysis::verify::Answer;
use crate::rollout::gate::{Filling, Gate, Sample};
use crate::rollout::step::{Check, Load};

mod answer;
pub mod http;
mod load;
mod metric;
mod probe;
mod webhook;

/// Sends declared requests and brings back the answers.
pub trait Collector: Send + Sync {
    /// One answer a check, in their order, from `address` (`host:port`, or a URL without a path). Failures are answers, too.
    fn collect(&self, address: &str, checks: &[Check]) -> impl Future<Output = Vec<Answer>> + Send;

    /// Asks a gate once. How far that is may be told by `say`.
    fn ask(
        &self,
        question: Question<'_>,
        say: &(dyn Fn(String) + Send + Sync),
    ) -> impl Future<Output = Sample> + Send;

    /// Sends a load to `address` until it is dropped, or has sent all that it may. What is answered is not looked at: who counts
    /// the visitors' requests counts these.
    fn send(&self, address: &str, load: Load) -> impl Future<Output = ()> + Send + 'static;
}

/// One question to a gate.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The gate, its places filled.
    pub gate: &'a Gate,
    /// What fills them.
    pub filling: &'a Filling,
    /// The release that it is about.
    pub release: &'a Release,
    /// Where the release is to be reached; nothing where there is no address.
    pub address: Option<&'a str>,
    /// Names the question: the same one is not asked twice where asking changes something.
    pub id: &'a str,
    /// The answer is wanted within this time.
    pub within: Duration,
    /// When it was first asked, in milliseconds since 1970: points of time series from before tell nothing. `i64::MIN` takes any.
    pub since: i64,
}

/// What an environment variable holds. What is not set is told by its name.
fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| format!("${name} is not set"))
}
