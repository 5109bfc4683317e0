//! What git tells of a working tree.

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;

/// What is checked out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The full ref.
    pub(super) reference: String,
    /// The commit.
    pub(super) sha: String,
}

/// What is checked out. Where no branch is, it is a tag, branch or pull request that stands at the commit: the one that the workflow
/// names, or else a tag, or else a branch.
///
/// # Errors
/// Why it cannot be told, as part of a sentence.
pub(super) fn head(folder: &Path, named: &str) -> Result<Head, String> {
    let git = |arguments: &[&str]| git(folder, arguments);
    let sha = git(&["rev-parse", "--verify", "HEAD"])?;
    if let Ok(reference) = git(&["symbolic-ref", "--quiet", "HEAD"]) {
        return Ok(Head { reference, sha });
    }
    // The latest version first, so that of several tags it is the one.
    let format = "--format=%(refname)";
    let listed = git(&["for-each-ref", "--sort=-version:refname", "--points-at=HEAD", format])?;
    let found: Vec<String> = listed.lines().filter_map(full).collect();
    let of = |kind: &str| found.iter().find(|reference| reference.starts_with(kind));
    let chosen = found.iter().find(|reference| *reference == named);
    let chosen =
        chosen.or_else(|| of("refs/tags/")).or_else(|| of("refs/heads/")).or_else(|| of("refs/pull/"));
    match chosen {
        Some(reference) => Ok(Head { reference: reference.clone(), sha }),
        None => Err(format!("neither a branch nor a tag stands at the commit {sha} that is checked out")),
    }
}

/// A ref as the remote has it: what is fetched of pull requests and branches lies below `refs/remotes`.
fn full(reference: &str) -> Option<String> {
    let Some(remote) = reference.strip_prefix("refs/remotes/") else { return Some(reference.to_owned()) };
    if let Some(pull) = remote.strip_prefix("pull/") {
        return Some(format!("refs/pull/{pull}"));
    }
    let (_, branch) = remote.split_once('/')?;
    (branch != "HEAD").then(|| format!("refs/heads/{branch}"))
}

/// When a commit was committed; none where git does not know it.
pub(super) fn commit_date(folder: &Path, sha: &str) -> Option<Timestamp> {
    if sha.is_empty() || !sha.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    git(folder, &["show", "--no-patch", "--format=%cI", sha]).ok()?.parse().ok()
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .map_err(|error| format!("git cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said
            .lines()
            .next()
            .unwrap_or("git fails and does not say why")
            .escape_debug()
            .to_string());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_those_of_the_remote() {
        for (reference, expected) in [
            ("refs/tags/v1", Some("refs/tags/v1")),
            ("refs/remotes/origin/feature/a", Some("refs/heads/feature/a")),
            ("refs/remotes/origin/HEAD", None),
            ("refs/remotes/pull/7/merge", Some("refs/pull/7/merge")),
        ] {
            assert_eq!(full(reference).as_deref(), expected);
        }
    }

    #[test]
    fn what_is_no_commit_is_not_asked_for() {
        assert_eq!(commit_date(Path::new("."), "--output=x"), None);
        assert_eq!(commit_date(Path::new("."), ""), None);
    }
}
