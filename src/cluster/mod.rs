//! Reaching a cluster: the connection, calls that bear a moment of silence, and failures in words.
//!
//! Nothing here imports another module of the crate.

mod call;
mod connect;

pub use call::{Trouble, is_invalid, patiently, trouble};
pub use connect::{Access, TokenFile, connect};
