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
    let within = within.unwrap_or_else(|| file.to_owned());
    of_a_commit(&within).unwrap_or(&within).display().to_string()
}

/// The rest of a path into a commit that was laid out beside, which lies in a folder with its hash for a name.
fn of_a_commit(file: &Path) -> Option<&Path> {
    let mut rest = file.components();
    let mut last = None;
    while let Some(part) = rest.next() {
        let name = part.as_os_str().to_str()?;
        let is_hash = matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hash && last == Some("commits") {
            return Some(rest.as_path());
        }
        last = Some(name);
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_was_laid_out_has_its_own_paths() {
        let hash = "0f1e2d3c4b5a69788796a5b4c3d2e1f001122334";
        let of = |text: &str| of_a_commit(Path::new(text)).map(|rest| rest.display().to_string());
        assert_eq!(
            of(&format!(".tidegate/commits/{hash}/app/Dockerfile")),
            Some("app/Dockerfile".to_owned())
        );
        assert_eq!(of(&format!("{hash}/app/Dockerfile")), None);
        assert_eq!(of("commits/main/Dockerfile"), None);
    }
}
