//! The Kubernetes target, end to end: the binary, a real cluster, real pods, and visitors who count what they lose.

mod back;
mod disturbed;
mod judged;
mod kills;
mod no_loss;
mod rights;
mod routers;
mod runbook;
mod shape;
pub mod stage;
mod steering;
mod wrong;
