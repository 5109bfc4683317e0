//! The integration tests, one crate so that they are linked once.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says by panic that it failed"
)]

mod local;
