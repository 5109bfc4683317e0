//! Gates collect samples; they never judge.

use std::future::Future;

use crate::rollout::analysis::verify::Answer;
use crate::rollout::step::{Check, Load};

pub mod http;
mod load;

/// Sends declared requests and brings back the answers.
pub trait Collector: Send + Sync {
    /// One answer a check, in their order, from `address` (`host:port`, or a URL without a path). Failures are answers, too.
    fn collect(&self, address: &str, checks: &[Check]) -> impl Future<Output = Vec<Answer>> + Send;

    /// Sends a load to `address` until it is dropped, or has sent all that it may. What is answered is not looked at: who counts
    /// the visitors' requests counts these.
    fn send(&self, address: &str, load: Load) -> impl Future<Output = ()> + Send + 'static;
}
