//! The command line as its users meet it: the real binary, real files, real processes, and what is left when something is
//! wrong.

mod busy;
mod check;
mod cluster;
mod comment;
mod disk;
mod failing;
mod gates;
mod github;
mod image;
pub(crate) mod kit;
mod load;
mod look;
mod migrate;
mod notify;
pub(crate) mod output;
pub(crate) mod preview;
mod preview_sweep;
mod preview_visit;
mod reasons;
mod refusal;
mod run;
mod secret;
pub(crate) mod servers;
mod signals;
mod steer;
mod text;
mod verify;
