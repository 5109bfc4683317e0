//! The real parts that Tidegate is tested against, and a stateful GitHub that holds every request and answer against the
//! official description.
//!
//! One process, the *holder*, lives in namespaces of its own (processes, mounts, network, host name) and starts the parts
//! there. So the testbed cannot touch a Docker, a cluster or a `/run` of the user's, and its end is one signal: with the first
//! process of its namespace the kernel ends all others, unmounts what they mounted and takes down their links.
//!
//! ```text
//! testbed up ── control socket ──> holder (198.18.0.1: control plane, gateway, registry, database …)
//!   host 198.18.0.254 ── veth ──── bridge ──┬── node1 198.18.0.11, pods 198.18.65.0/24
//!                                           ├── node2, node3: a network namespace, containerd and kubelet each
//!                                           └── docker 198.18.0.20
//! ```

pub mod address;
mod bed;
mod control;
mod error;
pub mod github;
mod holder;
mod home;
mod images;
mod launch;
mod parts;
mod process;
mod requirements;

pub use bed::Bed;
pub use control::{Part, Request, Word};
pub use error::BedError;
pub use holder::hold;
pub use home::{Home, RUN, run};
pub use launch::{down, up};
