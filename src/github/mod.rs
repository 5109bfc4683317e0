//! What GitHub tells a workflow's step: the event with its payload, and the repository.
//!
//! ```text
//! GITHUB_* + payload → Event ─┐
//! GITHUB_REPOSITORY, API ─────┴→ Repository
//! ```
//! What a step tells the runner in return is [`command`]: lines and entries of files, as texts.
//!
//! Reading is pure: variables and the payload are given. Only [`ask`] uses the network, for what a payload lacks, and
//! [`Client`], by which GitHub is told: check runs, deployments, comments; and asked who may what.

mod api;
pub mod checks;
mod client;
pub mod command;
pub mod comments;
pub mod deployments;
mod event;
pub mod oidc;
pub mod people;
pub mod pulls;
pub mod refs;
mod repository;
mod workflow;

pub use api::{Asking, ask};
pub use client::{Access, Again, Client, Failure, Patience, Token};
pub(crate) use client::{jitter, segment};
pub use event::Event;
pub use repository::Repository;
pub use workflow::Workflow;
