//! A commit in a folder of its own, so that what is deployed is that commit and nothing that lies beside it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::refusal;
use crate::cli::Common;
use crate::error::{Error, ErrorKind};
use crate::github::Token;
use crate::run::place::beside;
use crate::run::session::process;

/// The longest that git may take for one thing.
const PATIENCE: Duration = Duration::from_secs(300);

/// So many of them are kept for the next time.
const KEPT: usize = 5;

/// Checks that a commit is the one that is checked out.
///
/// # Errors
/// When another one is.
pub(super) async fn check(folder: &Path, commit: &str) -> Result<(), Error> {
    match head(folder).await {
        Some(head) if head != commit => {
            let why = format!("commit {head} is checked out, and {commit} is what is to be deployed");
            Err(refusal("other-commit", &why, &format!("let `actions/checkout` have `ref: {commit}`")))
        }
        // Without git, as where only an artifact was fetched, nothing tells of a commit.
        _ => Ok(()),
    }
}

/// The options for a commit: those that are, where it is checked out around `file`, which is the configuration; else those for the same
/// file in a folder of its own. What runs, and the journal, stay where they are. What `is_run_there` is left as it is, and kept.
///
/// # Errors
/// When it cannot be laid out.
pub(super) async fn at(
    common: &Common,
    file: &Path,
    commit: &str,
    server: Option<Server<'_>>,
    is_run_there: bool,
) -> Result<Common, Error> {
    let folder = beside(file);
    if head(&folder).await.as_deref() == Some(commit) {
        return Ok(common.clone());
    }
    let root = root(&folder).await?;
    let state = common.state_dir.clone().unwrap_or_else(|| folder.join(".tidegate"));
    let state = std::path::absolute(&state).unwrap_or(state);
    let there = lay_out(&root, commit, &state.join("commits"), server, is_run_there).await?;
    let folder = folder.canonicalize().unwrap_or(folder);
    let within = folder.strip_prefix(&root).unwrap_or(Path::new(""));
    let file = there.join(within).join(file.file_name().unwrap_or_default());
    let mut moved = common.clone();
    moved.state_dir = Some(state);
    match &mut moved.inline {
        Some(inline) => inline.file = file,
        None if file.is_file() => moved.file = Some(file),
        None => {
            let why = format!("commit {commit} has no configuration: {} is not there", file.display());
            return Err(Error::new(ErrorKind::Usage, "no-configuration", why).hint("add it there, too"));
        }
    }
    Ok(moved)
}

/// The commit that is checked out in a folder.
async fn head(folder: &Path) -> Option<String> {
    git(folder, &["rev-parse", "HEAD"], None).await.ok().filter(|head| !head.is_empty())
}

/// The folder that the repository of this one begins at.
async fn root(folder: &Path) -> Result<PathBuf, Error> {
    git(folder, &["rev-parse", "--show-toplevel"], None).await.map(PathBuf::from).map_err(|why| {
        let sentence = format!(
            "{} is in no git repository ({why}), and a certain commit is to be deployed",
            folder.display()
        );
        Error::new(ErrorKind::Usage, "no-repository", sentence)
            .hint("let a step with `actions/checkout` go before")
    })
}

/// A server, and the token that is for it and no other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server<'a> {
    pub(super) address: &'a str,
    pub(super) token: &'a Token,
}

/// Lays out a commit below `at`, fetched from where the repository at `root` comes from if it is not there yet. A folder bears the commit's
/// name only once it is whole.
async fn lay_out(
    root: &Path,
    commit: &str,
    at: &Path,
    server: Option<Server<'_>>,
    is_run_there: bool,
) -> Result<PathBuf, Error> {
    let failed = |what: &str, why: String| {
        let sentence = format!("commit {commit} could not be {what}: {why}");
        Error::new(ErrorKind::Failed, "not-laid-out", sentence)
            .hint("`actions/checkout` with `fetch-depth: 0` fetches all there is to fetch before")
    };
    let folder = at.join(commit);
    if head(&folder).await.as_deref() == Some(commit) {
        if !is_run_there {
            // A build may have put something into it.
            for tidy in [&["reset", "--quiet", "--hard"][..], &["clean", "-ffdxq"]] {
                git(&folder, tidy, None).await.map_err(|why| failed("laid out", why))?;
            }
        }
        return Ok(folder);
    }
    let wanted = format!("{commit}^{{commit}}");
    if git(root, &["cat-file", "-e", &wanted], None).await.is_err() {
        let fetch = ["fetch", "--quiet", "--no-tags", "--depth=1", "origin", commit];
        // What the checkout has left there first: two of them are refused.
        if let Err(why) = git(root, &fetch, None).await {
            let Some(server) = server else { return Err(failed("fetched", why)) };
            git(root, &fetch, Some(server)).await.map_err(|why| failed("fetched", why))?;
        }
    }
    let (part, whole) = (at.join(format!("{commit}.{}", process())), folder.display().to_string());
    let part = part.display().to_string();
    for step in [
        &["worktree", "prune"][..],
        &["worktree", "add", "--quiet", "--detach", &part, commit],
        &["worktree", "move", &part, &whole],
    ] {
        git(root, step, None).await.map_err(|why| failed("laid out", why))?;
    }
    if !is_run_there {
        forget(at, &folder);
    }
    Ok(folder)
}

/// Takes the oldest away.
fn forget(at: &Path, newest: &Path) {
    let entries = std::fs::read_dir(at).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .filter(|entry| entry.path() != newest)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    all.sort();
    let surplus = all.len().saturating_sub(KEPT - 1);
    for (_, folder) in all.into_iter().take(surplus) {
        if let Err(error) = std::fs::remove_dir_all(&folder) {
            tracing::warn!("{} could not be taken away: {error}", folder.display());
        }
    }
}

/// Runs git; the error is its last line. No hook of the repository runs, and nobody is asked for a password. The token is in a variable of
/// that process, for in its arguments everybody on the machine could read it.
async fn git(folder: &Path, arguments: &[&str], server: Option<Server<'_>>) -> Result<String, String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["-c", "core.hooksPath=/dev/null"]).args(arguments);
    git.env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null()).kill_on_drop(true);
    if let Some(Server { address, token }) = server {
        git.env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", format!("http.{}/.extraheader", address.trim_end_matches('/')))
            .env("GIT_CONFIG_VALUE_0", format!("authorization: {}", token.basic()));
    }
    let output = match tokio::time::timeout(PATIENCE, git.output()).await {
        Err(_) => return Err(format!("git takes longer than {} s", PATIENCE.as_secs())),
        Ok(output) => output.map_err(|error| format!("git cannot be run: {error}"))?,
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(told.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("git says nothing").trim().to_owned())
}
