//! Issues, comments, labels and reactions.

use serde_json::{Value, json};

use super::{View, user};
use crate::github::escape::segment;
use crate::github::ids;
use crate::github::world::issue::{Comment, Issue, Reaction};

impl View<'_> {
    pub(crate) fn issue(&self, it: &Issue) -> Value {
        let url = self.api(&format!("issues/{}", it.number));
        let kind = if it.pull.is_some() { "pull" } else { "issues" };
        let html = self.html(&format!("{kind}/{}", it.number));
        let mut shown = json!({
            "id": it.id,
            "node_id": ids::node("I", it.id),
            "url": url,
            "repository_url": self.home(),
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "timeline_url": format!("{url}/timeline"),
            "html_url": html,
            "number": it.number,
            "state": state(it),
            "state_reason": it.closed.filter(|_| it.pull.is_none()).map(|_| "completed"),
            "title": it.title,
            "body": it.body,
            "user": user(self.base, &it.author),
            "labels": self.labels(it),
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "locked": false,
            "active_lock_reason": null,
            "comments": it.comments.len(),
            "closed_at": it.closed.map(|at| at.to_string()),
            "created_at": it.created.to_string(),
            "updated_at": it.updated.to_string(),
            "author_association": self.association(&it.author),
            "reactions": rollup(&format!("{url}/reactions"), &it.reactions),
            "performed_via_github_app": null,
        });
        if let Some(pull) = &it.pull {
            shown["draft"] = pull.draft.into();
            shown["pull_request"] = json!({
                "url": self.api(&format!("pulls/{}", it.number)),
                "html_url": html,
                "diff_url": format!("{html}.diff"),
                "patch_url": format!("{html}.patch"),
                "merged_at": pull.merged.as_ref().map(|(_, at)| at.to_string()),
            });
        }
        shown
    }

    pub(crate) fn labels(&self, issue: &Issue) -> Vec<Value> {
        let label = |name: &String| {
            let id = ids::of(name);
            json!({
                "id": id,
                "node_id": ids::node("LA", id),
                "url": self.api(&format!("labels/{}", segment(name))),
                "name": name,
                "description": "",
                "color": "ededed",
                "default": false,
            })
        };
        issue.labels.iter().map(label).collect()
    }

    pub(crate) fn comment(&self, issue: &Issue, it: &Comment) -> Value {
        let url = self.api(&format!("issues/comments/{}", it.id));
        let kind = if issue.pull.is_some() { "pull" } else { "issues" };
        json!({
            "id": it.id,
            "node_id": ids::node("IC", it.id),
            "url": url,
            "html_url": self.html(&format!("{kind}/{}#issuecomment-{}", issue.number, it.id)),
            "issue_url": self.api(&format!("issues/{}", issue.number)),
            "body": it.body,
            "user": user(self.base, &it.author),
            "created_at": it.created.to_string(),
            "updated_at": it.updated.to_string(),
            "author_association": self.association(&it.author),
            "reactions": rollup(&format!("{url}/reactions"), &it.reactions),
            "performed_via_github_app": null,
        })
    }

    pub(crate) fn reaction(&self, it: &Reaction) -> Value {
        json!({
            "id": it.id,
            "node_id": ids::node("REA", it.id),
            "user": user(self.base, &it.user),
            "content": it.content,
            "created_at": it.created.to_string(),
        })
    }

    pub(super) fn association(&self, login: &str) -> &'static str {
        if login == self.repository.owner {
            "OWNER"
        } else if self.repository.collaborators.contains_key(login) {
            "COLLABORATOR"
        } else {
            "NONE"
        }
    }
}

pub(super) fn state(it: &Issue) -> &'static str {
    if it.open { "open" } else { "closed" }
}

fn rollup(url: &str, reactions: &[Reaction]) -> Value {
    let mut shown = json!({"url": url, "total_count": reactions.len()});
    for content in ["+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket"] {
        shown[content] = reactions.iter().filter(|it| it.content == content).count().into();
    }
    shown
}
