//! Lines of files, as who reads a change knows them.

use std::path::{Path, PathBuf};

use crate::github::checks::{Annotation, Level};
use crate::yaml::{Diagnostic, Severity};

/// The file as the repository has it: from the folder that a runner has checked out, else from the present one.
#[must_use]
pub(super) fn within_repository(file: &Path) -> String {
    let root = std::env::var_os("GITHUB_WORKSPACE").filter(|root| !root.is_empty()).map(PathBuf::from);
    let roots = root.into_iter().chain(std::env::current_dir());
    let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let within = roots.into_iter().find_map(|root| whole.strip_prefix(root).ok().map(Path::to_owned));
    within.unwrap_or_else(|| file.to_owned()).display().to_string()
}

/// What is wrong in a file, each at its line.
#[must_use]
pub(super) fn of_diagnostics(all: &[Diagnostic]) -> Vec<Annotation> {
    let annotation = |one: &Diagnostic| Annotation {
        path: one.file.display().to_string(),
        line: u64::try_from(one.line).unwrap_or(1),
        level: if one.severity == Severity::Error { Level::Failure } else { Level::Warning },
        title: one.path.clone(),
        message: match &one.hint {
            Some(hint) => format!("{}\nhelp: {hint}", one.message),
            None => one.message.clone(),
        },
    };
    all.iter().map(annotation).collect()
}

/// The same with paths as the repository has them.
#[must_use]
pub(super) fn in_repository(all: &[Annotation]) -> Vec<Annotation> {
    let one = |one: &Annotation| Annotation { path: within_repository(Path::new(&one.path)), ..one.clone() };
    all.iter().map(one).collect()
}
