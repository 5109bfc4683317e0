//! The Kubernetes target, end to end: the binary, a real cluster, real pods, and visitors who count what they lose.

mod back;
mod kills;
mod no_loss;
mod rights;
mod runbook;
mod shape;
mod stage;
mod steering;
mod wrong;
