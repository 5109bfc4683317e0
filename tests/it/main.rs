//! The integration tests, one crate so that they are linked once.

mod local;
