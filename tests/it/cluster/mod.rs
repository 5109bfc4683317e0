//! The Kubernetes target, end to end: the binary, a real cluster, real pods, and visitors who count what they lose.

mod no_loss;
mod shape;
mod stage;
