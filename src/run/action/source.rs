//! That what is deployed is what was asked for: the commit of the intent is the one that is checked out.

use std::path::Path;
use std::process::Command;

use super::refusal;
use crate::error::Error;
use crate::trigger::{Deploy, Source};

/// Checks that the working tree is of the commit that the intent names.
///
/// # Errors
/// When it is of another one, or only GitHub could tell.
pub(super) fn check(deploy: &Deploy) -> Result<(), Error> {
    let wanted = match &deploy.source {
        Source::CheckedOut => return Ok(()),
        Source::Commit(commit) => commit,
        Source::Tip { branch, .. } | Source::Branch(branch) => {
            return Err(unasked(&format!("branch {branch}")));
        }
        Source::Tag(name) | Source::Named(name) => return Err(unasked(name)),
        Source::Pull(number) => return Err(unasked(&format!("pull request {number}"))),
    };
    match head(Path::new(".")) {
        Some(head) if head != *wanted => Err(other(&head, wanted)),
        // Without git, as where only an artifact was fetched, nothing tells of a commit.
        _ => Ok(()),
    }
}

fn other(head: &str, wanted: &str) -> Error {
    let why = format!("commit {head} is checked out, and {wanted} is what is to be deployed");
    refusal("other-commit", &why, &format!("let `actions/checkout` have `ref: {wanted}`"))
}

/// This version does not ask GitHub anything before a deploy.
fn unasked(what: &str) -> Error {
    let why =
        format!("which commit {what} is has to be asked of GitHub, which this version of Tidegate does not");
    refusal(
        "not-in-version",
        &why,
        "deploy by a push, or by a dispatch of the workflow on that branch or tag",
    )
}

/// The commit that is checked out.
fn head(folder: &Path) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
