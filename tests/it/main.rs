//! The integration tests, in one crate: it links once.

mod sample;
