//! A git repository as a context: by the tree of its commit, where that is here. Two commits with the same files are the same context.

use std::process::Command;

use super::Order;

/// The sum of the context, and its Dockerfile.
///
/// # Errors
/// Why it cannot be told, as part of a sentence.
pub(super) fn read(order: &Order, commit: Option<&str>) -> Result<(String, String), String> {
    let (_, fragment) = order.context.split_once('#').unwrap_or((&order.context, ""));
    let (reference, below) = fragment.split_once(':').unwrap_or((fragment, ""));
    let commit = match commit {
        _ if is_commit(reference) => reference,
        Some(commit) if is_commit(commit) => commit,
        _ => return Err(format!("the context {} names no commit", shown(&order.context))),
    };
    let below = below.trim_matches('/');
    let file = order.file.as_deref().unwrap_or("Dockerfile");
    let file = if below.is_empty() { file.to_owned() } else { format!("{below}/{file}") };
    let dockerfile = git(&["show", &format!("{commit}:{file}")])?;
    // With its history a context is another one at each commit.
    let keeps_history = order.build_args.iter().any(|one| one.starts_with("BUILDKIT_CONTEXT_KEEP_GIT_DIR"));
    let sum = if keeps_history {
        format!("{commit}:{below}")
    } else {
        git(&["rev-parse", "--verify", &format!("{commit}:{below}")])?.trim().to_owned()
    };
    Ok((format!("git {sum}"), dockerfile))
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// An address without what may be a password in it.
fn shown(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => address.to_owned(),
    }
}

fn git(words: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(words)
        .output()
        .map_err(|error| format!("git cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err("the commit of the context is not checked out here, so its Dockerfile is not known".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_commit_is_always_the_same() {
        let of = |context: &str| {
            read(&Order { context: context.to_owned(), ..Order::default() }, None).unwrap_err()
        };
        assert_eq!(
            of("https://ada:hunter2@git.test/a.git#main"),
            "the context https://git.test/a.git#main names no commit"
        );
        assert_eq!(of("https://git.test/a.git"), "the context https://git.test/a.git names no commit");
        let unknown = format!("https://git.test/a.git#{}:sub", "0".repeat(40));
        assert!(of(&unknown).starts_with("the commit of the context is not checked out here"));
    }
}
