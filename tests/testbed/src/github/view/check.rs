//! Check runs, their annotations and suites.

use serde_json::{Value, json};

use super::View;
use super::people::app;
use crate::github::escape::escaped;
use crate::github::ids;
use crate::github::world::check::CheckRun;

impl View<'_> {
    pub(crate) fn check_run(&self, it: &CheckRun) -> Value {
        let url = self.api(&format!("check-runs/{}", it.id));
        let html = self.html(&format!("runs/{}", it.id));
        json!({
            "id": it.id,
            "node_id": ids::node("CR", it.id),
            "name": it.name,
            "head_sha": it.head_sha,
            "external_id": it.external_id.clone().unwrap_or_default(),
            "url": url,
            "html_url": html,
            "details_url": it.details_url.as_ref().unwrap_or(&html),
            "status": it.status,
            "conclusion": it.conclusion,
            "started_at": it.started_at,
            "completed_at": it.completed_at,
            "output": {
                "title": it.title,
                "summary": it.summary,
                "text": it.text,
                "annotations_count": it.annotations.len(),
                "annotations_url": format!("{url}/annotations"),
            },
            "check_suite": {"id": it.suite},
            "app": app(self.base, &it.app),
            "pull_requests": self.pulls_of(&it.head_sha),
        })
    }

    pub(crate) fn annotation(&self, run: &CheckRun, said: &Value) -> Value {
        let path = said["path"].as_str().unwrap_or_default();
        json!({
            "path": path,
            "start_line": said["start_line"],
            "end_line": said["end_line"],
            "start_column": said["start_column"],
            "end_column": said["end_column"],
            "annotation_level": said["annotation_level"],
            "title": said["title"],
            "message": said["message"],
            "raw_details": said["raw_details"],
            "blob_href": self.html(&format!("blob/{}/{}", run.head_sha, escaped(path))),
        })
    }

    /// The suite of an app's check runs on one commit; `runs` are the latest of each name, and at least one.
    pub(crate) fn check_suite(&self, id: u64, runs: &[&CheckRun]) -> Option<Value> {
        let first = runs.first()?;
        let sha = &first.head_sha;
        let done = runs.iter().all(|run| run.status == "completed");
        let going = runs.iter().any(|run| run.status != "queued");
        let status = match (done, going) {
            (true, _) => "completed",
            (false, true) => "in_progress",
            (false, false) => "queued",
        };
        let branch = self.repository.refs.iter().find(|(_, at)| *at == sha);
        let created = first.created.to_string();
        Some(json!({
            "id": id,
            "node_id": ids::node("CS", id),
            "head_branch": branch.and_then(|(name, _)| name.strip_prefix("refs/heads/")),
            "head_sha": sha,
            "status": status,
            "conclusion": done.then(|| conclusion(runs)),
            "url": self.api(&format!("check-suites/{id}")),
            "before": null,
            "after": sha,
            "pull_requests": self.pulls_of(sha),
            "app": app(self.base, &first.app),
            "repository": self.repository(),
            "created_at": created,
            "updated_at": created,
            "head_commit": self.plain_commit(sha),
            "latest_check_runs_count": runs.len(),
            "check_runs_url": self.api(&format!("check-suites/{id}/check-runs")),
        }))
    }

    /// The open pull requests whose head is this commit, in the shape inside check runs.
    pub(super) fn pulls_of(&self, sha: &str) -> Vec<Value> {
        let side = |name: &str, sha: &str| {
            let it = self.repository;
            let repository = json!({"id": it.id, "url": self.home(), "name": it.name});
            json!({"ref": name, "sha": sha, "repo": repository})
        };
        // A pull request from a fork is not shown here: GitHub leaves the list empty for it.
        let shown = self.repository.issues.values().filter(|issue| issue.open).filter_map(|issue| {
            let pull =
                issue.pull.as_ref().filter(|it| it.head_sha == sha && it.head_repository.is_empty())?;
            Some(json!({
                "id": issue.id,
                "number": issue.number,
                "url": self.api(&format!("pulls/{}", issue.number)),
                "head": side(&pull.head, &pull.head_sha),
                "base": side(&pull.base, &pull.base_sha),
            }))
        });
        shown.collect()
    }
}

/// The gravest of the conclusions.
fn conclusion<'a>(runs: &[&'a CheckRun]) -> &'a str {
    let gravest = ["failure", "timed_out", "action_required", "cancelled", "success", "neutral", "skipped"];
    let of = |word: &&&str| runs.iter().any(|run| run.conclusion.as_deref() == Some(**word));
    gravest.iter().find(of).copied().unwrap_or("neutral")
}
