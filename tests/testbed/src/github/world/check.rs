//! Check runs and commit statuses.

use jiff::Timestamp;
use serde_json::Value;

use crate::github::ids;

/// One check run.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRun {
    /// GitHub's id.
    pub id: u64,
    /// The suite of its app and commit.
    pub suite: u64,
    /// The app that made it, and alone may change it.
    pub app: String,
    /// The name that people see.
    pub name: String,
    /// The commit.
    pub head_sha: String,
    /// The maker's own id.
    pub external_id: Option<String>,
    /// Where the full story is.
    pub details_url: Option<String>,
    /// `queued`, `in_progress`, `completed`, or a state that only GitHub Actions sets.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// When it began, as the maker says.
    pub started_at: Option<String>,
    /// When it ended, as the maker says, else GitHub's clock.
    pub completed_at: Option<String>,
    /// The output's title.
    pub title: Option<String>,
    /// The output's summary, in Markdown.
    pub summary: Option<String>,
    /// The output's details, in Markdown.
    pub text: Option<String>,
    /// All annotations, over all requests, in order.
    pub annotations: Vec<Value>,
    /// The output's images.
    pub images: Vec<Value>,
    /// The buttons.
    pub actions: Vec<Value>,
    /// How often it was asked to run again.
    pub rerequested: u32,
    /// When GitHub got it.
    pub created: Timestamp,
}

impl CheckRun {
    /// A check run that an app made on a commit, queued.
    #[must_use]
    pub fn new(app: &str, name: &str, head_sha: &str) -> Self {
        Self {
            id: ids::next(),
            suite: ids::of(&format!("{app} {head_sha}")),
            app: app.to_owned(),
            name: name.to_owned(),
            head_sha: head_sha.to_owned(),
            external_id: None,
            details_url: None,
            status: "queued".to_owned(),
            conclusion: None,
            started_at: None,
            completed_at: None,
            title: None,
            summary: None,
            text: None,
            annotations: Vec::new(),
            images: Vec::new(),
            actions: Vec::new(),
            rerequested: 0,
            created: ids::now(),
        }
    }

    /// Completed with this conclusion.
    #[must_use]
    pub fn concluded(mut self, conclusion: &str) -> Self {
        self.apply(&serde_json::json!({"conclusion": conclusion}));
        self
    }

    /// Takes over what a request says. Annotations are added to those that are there; the rest of an output replaces the
    /// output that was; what is not said stays.
    pub(crate) fn apply(&mut self, said: &Value) {
        let text = |from: &Value, name: &str| from.get(name).and_then(Value::as_str).map(str::to_owned);
        let list = |from: &Value, name: &str| from.get(name).and_then(Value::as_array).cloned();
        let keep = |place: &mut Option<String>, new: Option<String>| {
            if new.is_some() {
                *place = new;
            }
        };
        self.name = text(said, "name").unwrap_or_else(|| self.name.clone());
        keep(&mut self.external_id, text(said, "external_id"));
        keep(&mut self.details_url, text(said, "details_url"));
        keep(&mut self.started_at, text(said, "started_at"));
        if let Some(output) = said.get("output") {
            keep(&mut self.title, text(output, "title"));
            self.summary = text(output, "summary");
            self.text = text(output, "text");
            self.annotations.extend(list(output, "annotations").unwrap_or_default());
            self.images = list(output, "images").unwrap_or_default();
        }
        if let Some(actions) = list(said, "actions") {
            self.actions = actions;
        }
        self.advance(text(said, "status"), text(said, "conclusion"), text(said, "completed_at"));
    }

    fn advance(&mut self, status: Option<String>, conclusion: Option<String>, completed: Option<String>) {
        if conclusion.is_some() || completed.is_some() {
            self.status = "completed".to_owned();
            self.conclusion = conclusion.or(self.conclusion.take());
            self.completed_at = completed.or(self.completed_at.take()).or(Some(ids::now().to_string()));
        } else if let Some(status) = status {
            if status != "completed" {
                self.conclusion = None;
                self.completed_at = None;
            }
            self.status = status;
        }
        if self.status != "queued" && self.started_at.is_none() {
            self.started_at = Some(ids::now().to_string());
        }
    }
}

/// One commit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStatus {
    /// GitHub's id.
    pub id: u64,
    /// The commit.
    pub sha: String,
    /// `error`, `failure`, `pending` or `success`.
    pub state: String,
    /// What it speaks of.
    pub context: String,
    /// A sentence.
    pub description: Option<String>,
    /// Where the full story is.
    pub target_url: Option<String>,
    /// Who set it.
    pub creator: String,
    /// When.
    pub created: Timestamp,
}

impl CommitStatus {
    /// A status by `octocat`.
    #[must_use]
    pub fn new(sha: &str, context: &str, state: &str) -> Self {
        Self {
            id: ids::next(),
            sha: sha.to_owned(),
            state: state.to_owned(),
            context: context.to_owned(),
            description: None,
            target_url: None,
            creator: "octocat".to_owned(),
            created: ids::now(),
        }
    }
}

/// The newest status of each context, the newest first.
pub(crate) fn latest<'a>(statuses: &'a [CommitStatus], sha: &str) -> Vec<&'a CommitStatus> {
    let mut found: Vec<&CommitStatus> = Vec::new();
    for status in statuses.iter().rev().filter(|status| status.sha == sha) {
        if !found.iter().any(|other| other.context == status.context) {
            found.push(status);
        }
    }
    found
}

/// The state of several contexts as one.
pub(crate) fn combined(latest: &[&CommitStatus]) -> &'static str {
    if latest.iter().any(|it| it.state == "error" || it.state == "failure") {
        "failure"
    } else if latest.is_empty() || latest.iter().any(|it| it.state == "pending") {
        "pending"
    } else {
        "success"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn annotations_are_added_and_the_rest_of_an_output_replaced() {
        let mut run = CheckRun::new("app", "n", "s");
        run.apply(
            &json!({"output": {"title": "t", "summary": "one", "text": "x", "annotations": [{"path": "a"}]}}),
        );
        run.apply(&json!({"output": {"summary": "two", "annotations": [{"path": "b"}]}}));
        assert_eq!(run.annotations, [json!({"path": "a"}), json!({"path": "b"})]);
        assert_eq!((run.title.as_deref(), run.summary.as_deref(), run.text), (Some("t"), Some("two"), None));
    }

    #[test]
    fn a_conclusion_completes_and_a_new_start_takes_it_back() {
        let mut run = CheckRun::new("app", "n", "s");
        assert_eq!(run.started_at, None);
        run.apply(&json!({"conclusion": "success"}));
        assert_eq!(run.status, "completed");
        assert!(run.completed_at.is_some() && run.started_at.is_some());
        run.apply(&json!({"status": "in_progress"}));
        assert_eq!((run.status.as_str(), run.conclusion, run.completed_at), ("in_progress", None, None));
    }

    #[test]
    fn only_the_newest_status_of_a_context_counts() {
        let all = [
            CommitStatus::new("s", "a", "failure"),
            CommitStatus::new("s", "b", "success"),
            CommitStatus::new("other", "a", "error"),
            CommitStatus::new("s", "a", "success"),
        ];
        let newest = latest(&all, "s");
        assert_eq!(newest.len(), 2);
        assert_eq!(combined(&newest), "success");
        assert_eq!(combined(&latest(&all[..2], "s")), "failure");
        assert_eq!(combined(&latest(&all, "none")), "pending");
    }
}
