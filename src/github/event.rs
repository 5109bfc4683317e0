//! The event that started a workflow: <https://docs.github.com/en/actions/reference/events-that-trigger-workflows>.

use jiff::Timestamp;
use serde_json::Value;

use super::Repository;

/// The event that started a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name, such as `push`.
    pub name: String,
    /// The full ref, such as `refs/heads/main`; empty where the event has none.
    pub reference: String,
    /// The commit; empty where the event has none.
    pub sha: String,
    /// The branch that a pushed tag was made on, as the payload of a push names it. GitHub often leaves it out.
    pub pushed_from: Option<String>,
    /// The branch that a pull request is to be merged into.
    pub target: Option<String>,
    /// The last commit of a pull request's own branch.
    pub head: Option<String>,
    /// The repository, where the payload tells of it.
    pub repository: Option<Repository>,
    /// The commits that the payload dates, by their hashes.
    commits: Vec<(String, Timestamp)>,
}

impl Event {
    /// The event of that name with its ref, commit and payload.
    ///
    /// An event `pull_request_target` runs on the branch that is merged into; what it is about is the pull request, so its ref
    /// is that of the pull request.
    #[must_use]
    pub fn new(name: &str, reference: &str, sha: &str, payload: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let pull = &payload["pull_request"];
        let number = payload["number"].as_u64().or_else(|| pull["number"].as_u64());
        let reference = match number {
            Some(number) if name == "pull_request_target" => format!("refs/pull/{number}/merge"),
            _ => reference.to_owned(),
        };
        let listed = payload["commits"].as_array().into_iter().flatten();
        let commits = listed.chain([&payload["head_commit"]]).filter_map(|commit| {
            let at = commit["timestamp"].as_str()?.parse().ok()?;
            Some((text(&commit["id"])?, at))
        });
        Self {
            name: name.to_owned(),
            reference,
            sha: sha.to_owned(),
            pushed_from: text(&payload["base_ref"]),
            target: text(&pull["base"]["ref"]),
            head: text(&pull["head"]["sha"]),
            repository: Repository::read(&payload["repository"]),
            commits: commits.collect(),
        }
    }

    /// The same for the last commit of the pull request's own branch, where it is about a pull request: by itself, the commit is
    /// the one that GitHub has made to try the merge.
    #[must_use]
    pub fn at_head(mut self) -> Self {
        if self.name.contains("pull_request")
            && let Some(head) = &self.head
        {
            self.sha.clone_from(head);
        }
        self
    }

    /// The branch, where the ref is one.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.reference.strip_prefix("refs/heads/")
    }

    /// The tag, where the ref is one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.reference.strip_prefix("refs/tags/")
    }

    /// The number of the pull request, where the ref is one; with what else stands in the ref besides `/merge`.
    #[must_use]
    pub fn pull(&self) -> Option<&str> {
        let pull = self.reference.strip_prefix("refs/pull/")?;
        Some(pull.strip_suffix("/merge").unwrap_or(pull))
    }

    /// When the commit was committed, where the payload tells it.
    #[must_use]
    pub fn commit_date(&self) -> Option<Timestamp> {
        self.commits.iter().find(|(id, _)| *id == self.sha).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ref_is_one_thing() {
        let event = |reference: &str| Event::new("push", reference, "", &json!(null));
        assert_eq!(event("refs/heads/a/b").branch(), Some("a/b"));
        assert_eq!(event("refs/tags/v1").tag(), Some("v1"));
        assert_eq!(event("refs/pull/7/merge").pull(), Some("7"));
        assert_eq!(event("refs/pull/7/head").pull(), Some("7/head"));
        let none = event("");
        assert_eq!((none.branch(), none.tag(), none.pull()), (None, None, None));
    }

    #[test]
    fn an_event_on_the_target_is_about_the_pull_request() {
        let payload =
            json!({ "number": 7, "pull_request": { "base": { "ref": "main" }, "head": { "sha": "b" } } });
        let event = Event::new("pull_request_target", "refs/heads/main", "a", &payload);
        assert_eq!((event.reference.as_str(), event.sha.as_str()), ("refs/pull/7/merge", "a"));
        assert_eq!(event.at_head().sha, "b");
        let push = Event::new("push", "refs/heads/main", "a", &payload);
        assert_eq!(push.at_head().sha, "a");
    }

    #[test]
    fn a_commit_is_dated_by_the_payload_that_names_it() {
        let payload = json!({ "commits": [{ "id": "a", "timestamp": "2020-01-10T00:30:00+09:00" }, { "id": 1 }],
            "head_commit": { "id": "b", "timestamp": "2020-01-11T00:00:00Z" } });
        let at = |sha: &str| Event::new("push", "", sha, &payload).commit_date().map(|at| at.to_string());
        assert_eq!(at("a").as_deref(), Some("2020-01-09T15:30:00Z"));
        assert_eq!(at("b").as_deref(), Some("2020-01-11T00:00:00Z"));
        assert_eq!(at("c"), None);
    }
}
