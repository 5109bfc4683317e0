//! Commits, branches, tags, refs and commit statuses.

use serde_json::{Value, json};

use super::{View, user};
use crate::github::escape::escaped;
use crate::github::ids;
use crate::github::world::check::CommitStatus;
use crate::github::world::commit::{Commit, beyond, merge_base};
use crate::github::world::repository::Push;

impl View<'_> {
    pub(crate) fn commit(&self, it: &Commit) -> Value {
        let who = json!({
            "name": it.author,
            "email": email(&it.author),
            "date": it.date.to_string(),
        });
        let tree = ids::sha(&format!("tree {}", it.sha));
        let parent = |sha: &String| {
            json!({
                "sha": sha,
                "url": self.api(&format!("commits/{sha}")),
                "html_url": self.html(&format!("commit/{sha}")),
            })
        };
        let parents: Vec<Value> = it.parents.iter().map(parent).collect();
        json!({
            "sha": it.sha,
            "node_id": ids::node("C", ids::of(&it.sha)),
            "url": self.api(&format!("commits/{}", it.sha)),
            "html_url": self.html(&format!("commit/{}", it.sha)),
            "comments_url": self.api(&format!("commits/{}/comments", it.sha)),
            "commit": {
                "url": self.api(&format!("git/commits/{}", it.sha)),
                "author": who,
                "committer": who,
                "message": it.message,
                "comment_count": 0,
                "tree": {"sha": tree, "url": self.api(&format!("git/trees/{tree}"))},
            },
            "author": user(self.base, &it.author),
            "committer": user(self.base, &it.author),
            "parents": parents,
        })
    }

    /// The shape of a commit inside check suites and runs of workflows.
    pub(super) fn plain_commit(&self, sha: &str) -> Value {
        let commit = self.repository.resolve(sha).cloned().unwrap_or_else(|| Commit::new(sha, ""));
        let who = json!({"name": commit.author, "email": email(&commit.author)});
        json!({
            "id": sha,
            "tree_id": ids::sha(&format!("tree {sha}")),
            "message": commit.message,
            "timestamp": commit.date.to_string(),
            "author": who,
            "committer": who,
        })
    }

    /// A branch in a list.
    pub(crate) fn short_branch(&self, name: &str, sha: &str) -> Value {
        json!({
            "name": name,
            "commit": {"sha": sha, "url": self.api(&format!("commits/{sha}"))},
            "protected": self.repository.protected.contains(name),
        })
    }

    /// A branch alone.
    pub(crate) fn branch(&self, name: &str, commit: &Commit) -> Value {
        let protected = self.repository.protected.contains(name);
        let url = self.api(&format!("branches/{}", escaped(name)));
        json!({
            "name": name,
            "commit": self.commit(commit),
            "_links": {"self": url, "html": self.html(&format!("tree/{}", escaped(name)))},
            "protected": protected,
            "protection": {"enabled": protected},
            "protection_url": format!("{url}/protection"),
        })
    }

    pub(crate) fn tag(&self, name: &str, sha: &str) -> Value {
        let name_in_url = escaped(name);
        json!({
            "name": name,
            "commit": {"sha": sha, "url": self.api(&format!("commits/{sha}"))},
            "zipball_url": self.api(&format!("zipball/refs/tags/{name_in_url}")),
            "tarball_url": self.api(&format!("tarball/refs/tags/{name_in_url}")),
            "node_id": ids::node("REF", ids::of(name)),
        })
    }

    pub(crate) fn git_ref(&self, full: &str, sha: &str) -> Value {
        json!({
            "ref": full,
            "node_id": ids::node("REF", ids::of(full)),
            "url": self.api(&format!("git/{}", escaped(full))),
            "object": {"type": "commit", "sha": sha, "url": self.api(&format!("git/commits/{sha}"))},
        })
    }

    pub(crate) fn activity(&self, push: &Push) -> Value {
        let kind = if push.before.is_none() { "branch_creation" } else { "push" };
        json!({
            "id": push.id,
            "node_id": ids::node("PSH", push.id),
            "before": push.before.clone().unwrap_or_else(|| "0".repeat(40)),
            "after": push.after,
            "ref": push.reference,
            "timestamp": push.at.to_string(),
            "activity_type": kind,
            "actor": user(self.base, "octocat"),
        })
    }

    /// What `head` has beyond `base`. The files between them are not known and left out.
    pub(crate) fn comparison(&self, base: &Commit, head: &Commit, spelled: &str) -> Value {
        let commits = &self.repository.commits;
        let ahead = beyond(commits, &base.sha, &head.sha);
        let behind = beyond(commits, &head.sha, &base.sha).len();
        let common = merge_base(commits, &base.sha, &head.sha).unwrap_or(base);
        let status = match (ahead.len(), behind) {
            (0, 0) => "identical",
            (_, 0) => "ahead",
            (0, _) => "behind",
            _ => "diverged",
        };
        let html = self.html(&format!("compare/{}", escaped(spelled)));
        let shown: Vec<Value> = ahead.iter().map(|commit| self.commit(commit)).collect();
        json!({
            "url": self.api(&format!("compare/{}", escaped(spelled))),
            "html_url": html,
            "permalink_url": self.html(&format!("compare/{}...{}", base.sha, head.sha)),
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
            "base_commit": self.commit(base),
            "merge_base_commit": self.commit(common),
            "status": status,
            "ahead_by": ahead.len(),
            "behind_by": behind,
            "total_commits": ahead.len(),
            "commits": shown,
        })
    }

    pub(crate) fn status(&self, it: &CommitStatus) -> Value {
        let mut shown = short_status(&self.home(), it);
        shown["creator"] = user(self.base, &it.creator);
        shown
    }
}

/// A status inside the combined answer, where nobody is said to have set it.
pub(crate) fn short_status(home: &str, it: &CommitStatus) -> Value {
    json!({
        "url": format!("{home}/statuses/{}", it.sha),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", ids::of(&it.creator)),
        "id": it.id,
        "node_id": ids::node("SC", it.id),
        "state": it.state,
        "description": it.description,
        "target_url": it.target_url,
        "context": it.context,
        "created_at": it.created.to_string(),
        "updated_at": it.created.to_string(),
    })
}

/// The address that GitHub makes up for who keeps theirs private; it must be one even for `name[bot]`.
fn email(login: &str) -> String {
    let plain: String = login.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '-').collect();
    format!("{}+{plain}@users.noreply.github.com", ids::of(login))
}
