//! Why nothing was built.

/// Why nothing was built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct BuildError {
    /// Stable code; `docs/reasons.md` lists all of them.
    pub code: &'static str,
    /// One sentence with place and cause; of a failed instruction with its last lines. No secret stands in it.
    pub sentence: String,
    /// What could mend it.
    pub hint: Option<String>,
    /// The signal that told to stop, where one did.
    pub signal: Option<i32>,
    /// The Dockerfile and the line in it, from 1, at which it failed.
    pub place: Option<(String, u64)>,
}

impl BuildError {
    /// An error without a hint.
    #[must_use]
    pub fn new(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), hint: None, signal: None, place: None }
    }

    /// The same with what could mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A signal told to stop.
    #[must_use]
    pub fn stopped(signal: i32) -> Self {
        let sentence = "the build was told to stop, and nothing was pushed by a name".to_owned();
        Self { signal: Some(signal), ..Self::new("cancelled", sentence) }
    }
}
