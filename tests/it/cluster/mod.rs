//! The Kubernetes target, end to end: the binary, a real cluster, real pods, and visitors who count what they lose.

mod drift;
mod ground;
mod kills;
mod no_loss;
mod plan;
mod preflight;
mod shape;
mod stage;
