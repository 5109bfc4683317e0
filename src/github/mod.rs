//! What GitHub tells a workflow's step: the event with its payload, and the repository.
//!
//! ```text
//! GITHUB_* + payload → Event ─┐
//! GITHUB_REPOSITORY, API ─────┴→ Repository
//! ```
//! What a step tells the runner in return is [`command`]: lines and entries of files, as texts.
//!
//! Reading is pure: variables and the payload are given. Only [`ask`] uses the network, for what a payload lacks.

mod api;
pub mod command;
mod event;
mod repository;

pub use api::{Asking, ask};
pub use event::Event;
pub use repository::Repository;
