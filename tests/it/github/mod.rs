//! What GitHub is told of rollouts. Rollouts run in the in-memory world; GitHub is the testbed's stateful one, which holds every request
//! against GitHub's own description. Pages that need no GitHub are seen in `pages`.

mod asking;
mod client;
pub mod kit;
mod pages;
mod telling;
mod troubles;
