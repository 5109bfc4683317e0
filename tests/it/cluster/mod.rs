//! The Kubernetes target, end to end: the binary, a real cluster, real pods, and visitors who count what they lose.

mod kills;
mod no_loss;
mod routers;
mod shape;
mod stage;
