//! The embedded target: child processes behind a reverse proxy of our own, kept by a supervisor that outlives the command.

pub mod proxy;
