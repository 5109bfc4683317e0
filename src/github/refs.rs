//! Branches, tags and commits: <https://docs.github.com/en/rest/commits> and
//! <https://docs.github.com/en/rest/repos/repos#list-repository-activities>.

use jiff::Timestamp;
use serde_json::Value;

use super::client::{Client, Failure, segment};

/// What has a name in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// A branch.
    Branch(&'a str),
    /// A tag.
    Tag(&'a str),
}

/// The commit that something is at; nothing where there is no such thing.
///
/// # Errors
/// Why GitHub does not say.
pub async fn commit(client: &Client, named: Named<'_>) -> Result<Option<String>, Failure> {
    // A bare name could be either, and a commit too. Even a spelled one is guessed at where there is none: so it must be there.
    let spelled = match named {
        Named::Branch(name) => format!("heads/{name}"),
        Named::Tag(name) => format!("tags/{name}"),
    };
    let path: Vec<String> = spelled.split('/').map(segment).collect();
    match client.get(&format!("/git/ref/{}", path.join("/"))).await {
        Err(failure) if failure.code == "github-not-found" => return Ok(None),
        told if told.as_ref().is_ok_and(|found| found["ref"] == format!("refs/{spelled}")) => {}
        told => return told.map(|_| None),
    }
    let told = match client.get(&format!("/commits/{}", segment(&spelled))).await {
        // A name that is none is "no commit found" to GitHub, with 422.
        Err(failure) if ["github-not-found", "github-invalid"].contains(&failure.code) => return Ok(None),
        told => told?,
    };
    match told["sha"].as_str() {
        Some(sha) => Ok(Some(sha.to_owned())),
        None => Err(Failure::without("a commit", "sha")),
    }
}

/// Whether a commit is on the default branch. That GitHub knows it is not enough: it shows the commits of every fork under the name of
/// the repository that was forked.
///
/// # Errors
/// Why GitHub does not say.
pub async fn is_on_default_branch(client: &Client, sha: &str) -> Result<bool, Failure> {
    let repository = client.get("").await?;
    let Some(branch) = repository["default_branch"].as_str() else {
        return Err(Failure::without("a repository", "default_branch"));
    };
    let Some(last) = commit(client, Named::Branch(branch)).await? else { return Ok(false) };
    let path = format!("/compare/{}...{}?per_page=1", segment(&last), segment(sha));
    match client.get(&path).await {
        Err(failure) if failure.code == "github-not-found" => Ok(false),
        told => Ok(["behind", "identical"].map(Value::from).contains(&told?["status"])),
    }
}

/// When a branch got the commit that it is at; nothing where that is another commit, or too long ago for GitHub to know.
///
/// # Errors
/// Why GitHub does not say.
pub async fn pushed(client: &Client, branch: &str, sha: &str) -> Result<Option<Timestamp>, Failure> {
    let path = format!("/activity?ref={}&per_page=1", segment(&format!("refs/heads/{branch}")));
    let told = client.get(&path).await?;
    let last = &told[0];
    Ok(last["timestamp"].as_str().filter(|_| last["after"] == sha).and_then(|text| text.parse().ok()))
}
