//! The one error of the command line: kind, code, sentence, hints.

use std::process::ExitCode;

use crate::cluster::Trouble;
use crate::engine::EngineError;
use crate::github::checks::{Annotation, Level};
use crate::image::build::BuildError;
use crate::journal::{JournalError, LockError};
use crate::registry::RegistryError;
use crate::target::TargetError;

/// What kind of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It failed, and nothing is left changed.
    Failed,
    /// Usage or configuration is wrong.
    Usage,
    /// Lock, hold, approval, permission or policy says no.
    Refused,
    /// A person is needed.
    Stuck,
    /// The signal of this number told the command to stop before it had begun.
    Cancelled(i32),
}

impl ErrorKind {
    /// The exit code; README lists all of them.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Stuck => 5,
            Self::Cancelled(2) => 130,
            Self::Cancelled(_) => 143,
        }
    }

    /// What kind of failure it is when a code of the journal, the target, the cluster or a registry keeps a command from beginning.
    #[must_use]
    pub fn of(code: &str) -> Self {
        match code {
            "corrupt" | "newer-format" | "half-tagged" => Self::Stuck,
            "forbidden" | "unauthorized" | "registry-refused" | "unsafe-redirect" | "foreign-namespace" => {
                Self::Refused
            }
            "bad-kubeconfig" | "bad-image" | "bad-credentials" => Self::Usage,
            _ => Self::Failed,
        }
    }

    /// The name in json.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Stuck => "stuck",
            Self::Cancelled(_) => "cancelled",
        }
    }
}

/// Why a command could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Error {
    /// Decides the exit code.
    pub kind: ErrorKind,
    /// Stable code; `docs/reasons.md` lists all of them.
    pub code: String,
    /// One sentence with place and cause.
    pub sentence: String,
    /// What could mend it.
    pub hints: Vec<String>,
    /// At which lines of files it lies, for whoever reads the change; the paths are as the caller named the files.
    pub annotations: Vec<Annotation>,
}

impl Error {
    /// An error without a hint.
    pub fn new(kind: ErrorKind, code: &str, sentence: impl Into<String>) -> Self {
        let (hints, annotations) = (Vec::new(), Vec::new());
        Self { kind, code: code.to_owned(), sentence: sentence.into(), hints, annotations }
    }

    /// The same with the lines of files at which it lies.
    #[must_use]
    pub fn at(mut self, annotations: impl IntoIterator<Item = Annotation>) -> Self {
        self.annotations.extend(annotations);
        self
    }

    /// The same with more hints.
    fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// Both as one: the first one's kind and code, the sentences of both, a line each, and every hint once.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.sentence = format!("{}\n{}", self.sentence, other.sentence);
        let more: Vec<String> = other.hints.into_iter().filter(|hint| !self.hints.contains(hint)).collect();
        self.hints.extend(more);
        self.annotations.extend(other.annotations);
        self
    }

    /// The same with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code of the process.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        ExitCode::from(self.kind.code())
    }
}

impl From<JournalError> for Error {
    /// Before a rollout has begun: nothing was changed.
    fn from(error: JournalError) -> Self {
        Self::new(ErrorKind::of(error.code), error.code, error.sentence).hints(error.hint)
    }
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Journal(error) => error.into(),
            LockError::Held(_) => Self::new(ErrorKind::Refused, "locked", error.to_string()),
            LockError::Lost(_) => Self::new(ErrorKind::Refused, "lock-lost", error.to_string()),
        }
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self::new(ErrorKind::of(error.code), error.code, error.sentence).hints(error.hint)
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self::new(ErrorKind::of(trouble.code), trouble.code, trouble.sentence).hints(trouble.hint)
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        let hint = error.hint.map(str::to_owned);
        Self::new(ErrorKind::of(error.code), error.code, error.sentence).hints(hint)
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        let kind = match (error.signal, error.code) {
            (Some(signal), _) => ErrorKind::Cancelled(signal),
            (None, "builder-lacks") => ErrorKind::Usage,
            (None, code) => ErrorKind::of(code),
        };
        let annotation = error.place.map(|(file, line)| Annotation {
            path: file,
            line,
            level: Level::Failure,
            title: error.code.to_owned(),
            message: error.sentence.clone(),
        });
        Self::new(kind, error.code, error.sentence).hints(error.hint).at(annotation)
    }
}

impl From<EngineError> for Error {
    /// In the middle of a rollout: it stays open, and the next command goes on from the journal.
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Lock(error @ (LockError::Lost(_) | LockError::Held(_))) => {
                Self::from(error).hint("this run has stopped acting; the other one goes on from the journal")
            }
            EngineError::Lock(LockError::Journal(error)) | EngineError::Journal(error) => {
                let sentence = format!(
                    "the rollout stopped half way, because nothing is done unrecorded: {}",
                    error.sentence
                );
                let stuck = Self::new(ErrorKind::Stuck, error.code, sentence).hints(error.hint);
                stuck.hint("then run `tidegate resume`: it goes on from the journal")
            }
            EngineError::Replay(error) => Self::new(ErrorKind::Stuck, "contradiction", error.to_string()),
        }
    }
}
