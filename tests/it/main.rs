//! The integration tests: one crate, one module a part.

// All of this crate is a test; the attribute says so to the lints that let tests unwrap.
#[cfg(test)]
mod settings;
