//! The repository itself, its collaborators and environments.

use serde_json::{Value, json};

use super::{View, user};
use crate::github::escape::segment;
use crate::github::ids;
use crate::github::world::deployment::Environment;
use crate::github::world::repository::{Repository, Role};

const EPOCH: &str = "2020-01-01T00:00:00Z";

/// Addresses below the repository's own.
const BELOW: [(&str, &str); 36] = [
    ("archive_url", "{archive_format}{/ref}"),
    ("assignees_url", "assignees{/user}"),
    ("blobs_url", "git/blobs{/sha}"),
    ("branches_url", "branches{/branch}"),
    ("collaborators_url", "collaborators{/collaborator}"),
    ("comments_url", "comments{/number}"),
    ("commits_url", "commits{/sha}"),
    ("compare_url", "compare/{base}...{head}"),
    ("contents_url", "contents/{+path}"),
    ("contributors_url", "contributors"),
    ("deployments_url", "deployments"),
    ("downloads_url", "downloads"),
    ("events_url", "events"),
    ("forks_url", "forks"),
    ("git_commits_url", "git/commits{/sha}"),
    ("git_refs_url", "git/refs{/sha}"),
    ("git_tags_url", "git/tags{/sha}"),
    ("hooks_url", "hooks"),
    ("issue_comment_url", "issues/comments{/number}"),
    ("issue_events_url", "issues/events{/number}"),
    ("issues_url", "issues{/number}"),
    ("keys_url", "keys{/key_id}"),
    ("labels_url", "labels{/name}"),
    ("languages_url", "languages"),
    ("merges_url", "merges"),
    ("milestones_url", "milestones{/number}"),
    ("notifications_url", "notifications{?since,all,participating}"),
    ("pulls_url", "pulls{/number}"),
    ("releases_url", "releases{/id}"),
    ("stargazers_url", "stargazers"),
    ("statuses_url", "statuses/{sha}"),
    ("subscribers_url", "subscribers"),
    ("subscription_url", "subscription"),
    ("tags_url", "tags"),
    ("teams_url", "teams"),
    ("trees_url", "git/trees{/sha}"),
];

impl View<'_> {
    /// The shape inside other answers; complete for both `repository` and `minimal-repository`.
    pub(crate) fn repository(&self) -> Value {
        let mut shown = self.identity();
        merge(&mut shown, self.addresses());
        merge(&mut shown, self.features());
        shown
    }

    /// `full-repository`, the answer about the repository alone.
    pub(crate) fn full_repository(&self) -> Value {
        let mut shown = self.repository();
        merge(&mut shown, json!({"subscribers_count": 0, "network_count": 0}));
        shown
    }

    /// Another repository, of which only the name is known: a fork.
    pub(super) fn fork(&self, full_name: &str) -> Value {
        let repository = Repository::new(full_name);
        let mut shown = View { base: self.base, repository: &repository }.repository();
        shown["fork"] = true.into();
        shown
    }

    fn identity(&self) -> Value {
        let it = self.repository;
        json!({
            "id": it.id,
            "node_id": ids::node("R", it.id),
            "name": it.name,
            "full_name": it.full_name(),
            "owner": user(self.base, &it.owner),
            "private": it.private,
            "visibility": if it.private { "private" } else { "public" },
            "description": null,
            "fork": false,
            "url": self.home(),
            "html_url": format!("https://github.com/{}", it.full_name()),
            "default_branch": it.default_branch,
        })
    }

    fn addresses(&self) -> Value {
        let full = self.repository.full_name();
        let mut shown = json!({
            "git_url": format!("git://github.com/{full}.git"),
            "ssh_url": format!("git@github.com:{full}.git"),
            "clone_url": format!("https://github.com/{full}.git"),
            "svn_url": format!("https://github.com/{full}"),
            "mirror_url": null,
            "homepage": null,
        });
        for (name, path) in BELOW {
            shown[name] = self.api(path).into();
        }
        shown
    }

    fn features(&self) -> Value {
        let open = self.repository.issues.values().filter(|issue| issue.open).count();
        json!({
            "language": null,
            "license": null,
            "topics": [],
            "size": 1,
            "forks": 0,
            "forks_count": 0,
            "stargazers_count": 0,
            "watchers": 0,
            "watchers_count": 0,
            "open_issues": open,
            "open_issues_count": open,
            "has_issues": true,
            "has_projects": true,
            "has_wiki": true,
            "has_pages": false,
            "has_downloads": true,
            "has_discussions": false,
            "archived": false,
            "disabled": false,
            "is_template": false,
            "pushed_at": EPOCH,
            "created_at": EPOCH,
            "updated_at": EPOCH,
        })
    }

    /// Somebody with a role.
    pub(crate) fn collaborator(&self, login: &str, role: Role) -> Value {
        let mut shown = user(self.base, login);
        merge(
            &mut shown,
            json!({
                "permissions": {
                    "pull": role >= Role::Read,
                    "triage": role >= Role::Triage,
                    "push": role >= Role::Write,
                    "maintain": role >= Role::Maintain,
                    "admin": role >= Role::Admin,
                },
                "role_name": role.name(),
            }),
        );
        shown
    }

    pub(crate) fn environment(&self, it: &Environment) -> Value {
        let mut rules = Vec::new();
        let mut rule = |kind: &str, more: Value| {
            let id = ids::of(&format!("{kind} {}", it.id));
            let mut rule = json!({"id": id, "node_id": ids::node("GA", id), "type": kind});
            merge(&mut rule, more);
            rules.push(rule);
        };
        if it.wait_timer > 0 {
            rule("wait_timer", json!({"wait_timer": it.wait_timer}));
        }
        if !it.reviewers.is_empty() {
            let reviewer = |login: &String| json!({"type": "User", "reviewer": user(self.base, login)});
            let reviewers: Vec<Value> = it.reviewers.iter().map(reviewer).collect();
            let more = json!({"prevent_self_review": it.prevent_self_review, "reviewers": reviewers});
            rule("required_reviewers", more);
        }
        if !it.branch_policy.is_null() {
            rule("branch_policy", json!({}));
        }
        json!({
            "id": it.id,
            "node_id": ids::node("EN", it.id),
            "name": it.name,
            "url": self.api(&format!("environments/{}", segment(&it.name))),
            "html_url": self.html(&format!("deployments/activity_log?environments_filter={}", segment(&it.name))),
            "created_at": it.created.to_string(),
            "updated_at": it.updated.to_string(),
            "protection_rules": rules,
            "deployment_branch_policy": it.branch_policy,
        })
    }
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
