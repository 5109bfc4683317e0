//! The version of a release, and the commit that it was made from.

use std::path::Path;
use std::process::Command;

use crate::error::{Error, ErrorKind};

/// The version that was given, or else the one that the working tree at `folder` has.
///
/// # Errors
/// When there is none, or it cannot be one.
pub fn of(folder: &Path, given: Option<&str>) -> Result<String, Error> {
    match given {
        Some(version) => checked(version),
        None => described(folder),
    }
}

/// The commit that is checked out at `folder`.
#[must_use]
pub fn commit(folder: &Path) -> Option<String> {
    git(folder, &["rev-parse", "HEAD"])
}

/// A version is shown, compared and sent in headers: printable, without spaces, not long.
fn checked(version: &str) -> Result<String, Error> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._+-/".contains(c);
    if version.is_empty() || version.len() > 128 || !version.chars().all(fine) {
        let shown = version.escape_debug();
        let sentence = format!(
            "`{shown}` cannot be a version: use up to 128 of letters, digits, `.`, `_`, `+`, `-` and `/`"
        );
        return Err(Error::new(ErrorKind::Usage, "bad-version", sentence));
    }
    Ok(version.to_owned())
}

fn described(directory: &Path) -> Result<String, Error> {
    let tag = git(directory, &["describe", "--tags", "--exact-match", "HEAD"]);
    let version = tag.or_else(|| git(directory, &["rev-parse", "--short=12", "HEAD"]));
    let version = version.ok_or_else(|| {
        let sentence =
            format!("there is no version: {} is not in a git repository with a commit", directory.display());
        Error::new(ErrorKind::Usage, "no-version", sentence).hint("give one with --version")
    })?;
    checked(&version)
}

fn git(directory: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(directory).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
