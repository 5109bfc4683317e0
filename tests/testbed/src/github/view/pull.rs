//! Pull requests, their files and reviews.

use serde_json::{Value, json};

use super::issue::state;
use super::{View, user};
use crate::github::escape::escaped;
use crate::github::ids;
use crate::github::world::commit::{Commit, beyond};
use crate::github::world::issue::Issue;
use crate::github::world::pull::{ChangedFile, Pull, Review};

impl View<'_> {
    /// The shape in lists.
    pub(crate) fn pull_in_list(&self, it: &Issue, pull: &Pull) -> Value {
        let mut shown = self.pull_addresses(it, pull);
        let more = json!({
            "id": it.id,
            "node_id": ids::node("PR", it.id),
            "number": it.number,
            "state": state(it),
            "locked": false,
            "title": it.title,
            "user": user(self.base, &it.author),
            "body": it.body,
            "labels": self.labels(it),
            "milestone": null,
            "active_lock_reason": null,
            "created_at": it.created.to_string(),
            "updated_at": it.updated.to_string(),
            "closed_at": it.closed.map(|at| at.to_string()),
            "merged_at": pull.merged.as_ref().map(|(_, at)| at.to_string()),
            "merge_commit_sha": pull.merged.as_ref().map(|(sha, _)| sha),
            "assignee": null,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "head": self.side(&pull.head_repository, &pull.head, &pull.head_sha),
            "base": self.side("", &pull.base, &pull.base_sha),
            "author_association": self.association(&it.author),
            "auto_merge": null,
            "draft": pull.draft,
        });
        if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
            shown.extend(more);
        }
        shown
    }

    /// The shape of one alone.
    pub(crate) fn pull(&self, it: &Issue, pull: &Pull) -> Value {
        let mut shown = self.pull_in_list(it, pull);
        let lines = pull.files.iter().map(ChangedFile::lines);
        let (added, removed) = lines.fold((0, 0), |sum, file| (sum.0 + file.0, sum.1 + file.1));
        let more = json!({
            "merged": pull.merged.is_some(),
            "mergeable": it.open.then_some(true),
            "rebaseable": it.open.then_some(true),
            "mergeable_state": match (it.open, pull.draft) {
                (true, true) => "draft",
                (true, false) => "clean",
                (false, _) => "unknown",
            },
            "merged_by": pull.merged.as_ref().map(|_| user(self.base, &it.author)),
            "comments": it.comments.len(),
            "review_comments": 0,
            "maintainer_can_modify": false,
            "commits": self.commits_of(pull).len(),
            "additions": added,
            "deletions": removed,
            "changed_files": pull.files.len(),
        });
        if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
            shown.extend(more);
        }
        shown
    }

    fn pull_addresses(&self, it: &Issue, pull: &Pull) -> Value {
        let url = self.api(&format!("pulls/{}", it.number));
        let issue = self.api(&format!("issues/{}", it.number));
        let html = self.html(&format!("pull/{}", it.number));
        let statuses = self.api(&format!("statuses/{}", pull.head_sha));
        let one_comment = self.api("pulls/comments{/number}");
        json!({
            "url": url,
            "html_url": html,
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
            "issue_url": issue,
            "commits_url": format!("{url}/commits"),
            "review_comments_url": format!("{url}/comments"),
            "review_comment_url": one_comment,
            "comments_url": format!("{issue}/comments"),
            "statuses_url": statuses,
            "_links": {
                "self": {"href": url},
                "html": {"href": html},
                "issue": {"href": issue},
                "comments": {"href": format!("{issue}/comments")},
                "review_comments": {"href": format!("{url}/comments")},
                "review_comment": {"href": one_comment},
                "commits": {"href": format!("{url}/commits")},
                "statuses": {"href": statuses},
            },
        })
    }

    fn side(&self, repository: &str, branch: &str, sha: &str) -> Value {
        let own = repository.is_empty() || repository == self.repository.full_name();
        let owner =
            if own { &self.repository.owner } else { repository.split('/').next().unwrap_or(repository) };
        json!({
            "label": format!("{owner}:{branch}"),
            "ref": branch,
            "sha": sha,
            "user": user(self.base, owner),
            "repo": if own { self.repository() } else { self.fork(repository) },
        })
    }

    /// The commits of a pull request, the oldest first.
    pub(crate) fn commits_of(&self, pull: &Pull) -> Vec<&Commit> {
        let all = &self.repository.commits;
        if pull.commits.is_empty() {
            return beyond(all, &pull.base_sha, &pull.head_sha);
        }
        pull.commits.iter().filter_map(|sha| all.iter().find(|commit| commit.sha == *sha)).collect()
    }

    pub(crate) fn changed_file(&self, pull: &Pull, it: &ChangedFile) -> Value {
        let (added, removed) = it.lines();
        let (path, sha) = (escaped(&it.path), &pull.head_sha);
        let mut shown = json!({
            "sha": ids::sha(&format!("{sha} {}", it.path)),
            "filename": it.path,
            "status": it.status,
            "additions": added,
            "deletions": removed,
            "changes": added + removed,
            "blob_url": self.html(&format!("blob/{sha}/{path}")),
            "raw_url": self.html(&format!("raw/{sha}/{path}")),
            "contents_url": self.api(&format!("contents/{path}?ref={sha}")),
        });
        if let Some(patch) = &it.patch {
            shown["patch"] = patch.as_str().into();
        }
        if let Some(previous) = &it.previous {
            shown["previous_filename"] = previous.as_str().into();
        }
        shown
    }

    pub(crate) fn review(&self, number: u64, it: &Review) -> Value {
        let pull = self.api(&format!("pulls/{number}"));
        let html = self.html(&format!("pull/{number}#pullrequestreview-{}", it.id));
        json!({
            "id": it.id,
            "node_id": ids::node("PRR", it.id),
            "user": user(self.base, &it.user),
            "body": it.body,
            "state": it.state,
            "html_url": html,
            "pull_request_url": pull,
            "_links": {"html": {"href": html}, "pull_request": {"href": pull}},
            "submitted_at": it.submitted.to_string(),
            "commit_id": it.sha,
            "author_association": self.association(&it.user),
        })
    }
}
