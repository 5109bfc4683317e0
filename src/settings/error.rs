//! Why there are no settings.

use std::path::PathBuf;

use crate::yaml::{Diagnostic, render};

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("{sentence}")]
    Read {
        /// The file.
        file: PathBuf,
        /// One sentence with place and cause.
        sentence: String,
        /// The cure.
        hint: String,
    },
    /// The file is wrong: all that is wrong with it, warnings included, in the order of the file.
    #[error("{}", render(.0))]
    Invalid(Vec<Diagnostic>),
}

impl SettingsError {
    /// What is wrong in the file; empty when it could not be read at all.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Read { .. } => &[],
            Self::Invalid(diagnostics) => diagnostics,
        }
    }
}
