//! Runs of workflows.

use serde_json::{Value, json};

use super::{View, user};
use crate::github::ids;
use crate::github::world::run::WorkflowRun;

impl View<'_> {
    pub(crate) fn run(&self, it: &WorkflowRun) -> Value {
        let url = self.api(&format!("actions/runs/{}", it.id));
        let workflow = ids::of(&it.path);
        let suite = ids::of(&format!("github-actions {}", it.sha));
        let title = self.repository.resolve(&it.sha).and_then(|commit| commit.message.lines().next());
        let created = it.created.to_string();
        json!({
            "id": it.id,
            "name": it.name,
            "node_id": ids::node("WFR", it.id),
            "check_suite_id": suite,
            "check_suite_node_id": ids::node("CS", suite),
            "head_branch": it.branch,
            "head_sha": it.sha,
            "path": it.path,
            "run_number": 1,
            "run_attempt": it.attempt,
            "event": it.event,
            "status": it.status,
            "conclusion": it.conclusion,
            "workflow_id": workflow,
            "url": url,
            "html_url": self.html(&format!("actions/runs/{}", it.id)),
            "pull_requests": self.pulls_of(&it.sha),
            "created_at": created,
            "updated_at": created,
            "run_started_at": created,
            "actor": user(self.base, &it.actor),
            "triggering_actor": user(self.base, &it.actor),
            "jobs_url": format!("{url}/jobs"),
            "logs_url": format!("{url}/logs"),
            "check_suite_url": self.api(&format!("check-suites/{suite}")),
            "artifacts_url": format!("{url}/artifacts"),
            "cancel_url": format!("{url}/cancel"),
            "rerun_url": format!("{url}/rerun"),
            "previous_attempt_url": (it.attempt > 1).then(|| format!("{url}/attempts/{}", it.attempt - 1)),
            "workflow_url": self.api(&format!("actions/workflows/{workflow}")),
            "head_commit": self.plain_commit(&it.sha),
            "repository": self.repository(),
            "head_repository": self.repository(),
            "display_title": title.unwrap_or(&it.name),
        })
    }
}
