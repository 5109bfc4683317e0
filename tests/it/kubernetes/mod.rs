//! The Kubernetes target, end to end: the binary, a real cluster, real pods, and visitors who count what they lose.

mod back;
mod canaries;
mod disturbed;
mod drift;
mod gates;
mod ground;
mod image;
mod job_identity;
mod judged;
mod kills;
mod kinds;
mod migrate;
mod no_loss;
mod plan;
mod preflight;
mod preview_events;
mod previews;
mod prometheus;
mod rights;
mod router_counts;
mod routers;
mod runbook;
mod shape;
mod ship;
pub mod stage;
mod steering;
mod wrong;
