//! Check runs: <https://docs.github.com/en/rest/checks/runs>.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::{Client, Failure, segment};

/// So many annotations go with one request.
pub const BATCH: usize = 50;
/// So many bytes a summary or a text may have. GitHub counts characters, which are never more.
pub const LONGEST: usize = 65_535;
/// So many bytes the title of an annotation may have, and so many the message.
const ANNOTATION: (usize, usize) = (255, 4096);

/// How a check run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits.
    Queued,
    /// It is under way.
    InProgress,
    /// It is over.
    Concluded(Conclusion),
}

/// How a check run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// As asked.
    Success,
    /// Not as asked.
    Failure,
    /// There was nothing to do.
    Neutral,
    /// Told to stop, or overtaken.
    Cancelled,
    /// A person has to do something first.
    ActionRequired,
}

impl Conclusion {
    /// GitHub's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
            Self::Cancelled => "cancelled",
            Self::ActionRequired => "action_required",
        }
    }
}

/// What a check run shows.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRun {
    /// The name by which it can be required.
    pub name: String,
    /// The commit.
    pub sha: String,
    /// Our own name for it: the rollout's.
    pub external_id: String,
    /// Where the whole log is.
    pub details: Option<String>,
    /// How it stands.
    pub standing: Standing,
    /// When it began and, when it is over, ended.
    pub times: (Option<Timestamp>, Option<Timestamp>),
    /// One line.
    pub title: String,
    /// Markdown.
    pub summary: String,
    /// More Markdown.
    pub text: String,
}

/// A word about a line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The file, as a path within the repository.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
    /// How grave it is.
    pub level: Level,
    /// A few words.
    pub title: String,
    /// The sentence.
    pub message: String,
}

/// How grave a word about a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Worth knowing.
    Notice,
    /// Worth mending.
    Warning,
    /// To be mended first.
    Failure,
}

impl CheckRun {
    /// The request that says so. `annotations` are added to those that are there.
    fn body(&self, annotations: &[Annotation]) -> Value {
        let mut body = json!({
            "name": self.name,
            "external_id": self.external_id,
            "output": {"title": self.title, "summary": self.summary, "text": self.text},
        });
        if self.text.is_empty()
            && let Some(output) = body["output"].as_object_mut()
        {
            output.remove("text");
        }
        if !annotations.is_empty() {
            body["output"]["annotations"] = annotations.iter().map(Annotation::body).collect();
        }
        if let Some(details) = &self.details {
            body["details_url"] = details.as_str().into();
        }
        if let Some(began) = self.times.0 {
            body["started_at"] = began.strftime("%FT%TZ").to_string().into();
        }
        match self.standing {
            Standing::Queued => body["status"] = "queued".into(),
            Standing::InProgress => body["status"] = "in_progress".into(),
            Standing::Concluded(conclusion) => {
                body["status"] = "completed".into();
                body["conclusion"] = conclusion.as_str().into();
                if let Some(ended) = self.times.1 {
                    body["completed_at"] = ended.strftime("%FT%TZ").to_string().into();
                }
            }
        }
        body
    }
}

impl Annotation {
    fn body(&self) -> Value {
        let level = match self.level {
            Level::Notice => "notice",
            Level::Warning => "warning",
            Level::Failure => "failure",
        };
        json!({
            "path": self.path,
            "start_line": self.line.max(1),
            "end_line": self.line.max(1),
            "annotation_level": level,
            "title": within(&self.title, ANNOTATION.0),
            "message": within(&self.message, ANNOTATION.1),
        })
    }
}

/// The text's beginning, in so many bytes at most.
fn within(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// Makes a check run and gives its number.
///
/// # Errors
/// Why GitHub did not; where that is unsure, [`find`] first.
pub async fn create(client: &Client, run: &CheckRun, annotations: &[Annotation]) -> Result<u64, Failure> {
    let mut body = run.body(annotations);
    body["head_sha"] = run.sha.as_str().into();
    let made = client.create("/check-runs", &body).await?;
    made["id"].as_u64().ok_or_else(|| Failure::without("a check run", "id"))
}

/// Says anew what a check run shows.
///
/// # Errors
/// Why GitHub did not.
pub async fn update(
    client: &Client,
    id: u64,
    run: &CheckRun,
    annotations: &[Annotation],
) -> Result<(), Failure> {
    client.change(&format!("/check-runs/{id}"), &run.body(annotations)).await.map(drop)
}

/// The check run of that commit with that name and our own name for it.
///
/// # Errors
/// Why GitHub does not say.
pub async fn find(client: &Client, sha: &str, name: &str, external_id: &str) -> Result<Option<u64>, Failure> {
    let path =
        format!("/commits/{}/check-runs?check_name={}&filter=all&per_page=100", segment(sha), segment(name));
    let all = client.get(&path).await?;
    let mut all = all["check_runs"].as_array().into_iter().flatten();
    Ok(all.find(|run| run["external_id"] == external_id).and_then(|run| run["id"].as_u64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(standing: Standing) -> CheckRun {
        let time = |text: &str| text.parse().ok();
        CheckRun {
            name: "tidegate / shop / live".into(),
            sha: "a".into(),
            external_id: "r".into(),
            details: None,
            standing,
            times: (time("2026-01-01T00:00:00.123Z"), time("2026-01-01T00:01:00Z")),
            title: "t".into(),
            summary: "s".into(),
            text: String::new(),
        }
    }

    #[test]
    fn only_what_is_over_has_an_end() {
        let body = run(Standing::InProgress).body(&[]);
        assert_eq!(
            body,
            json!({"name": "tidegate / shop / live", "external_id": "r", "status": "in_progress",
                "started_at": "2026-01-01T00:00:00Z", "output": {"title": "t", "summary": "s"}})
        );
        let body = run(Standing::Concluded(Conclusion::ActionRequired)).body(&[]);
        assert_eq!((&body["status"], &body["conclusion"]), (&json!("completed"), &json!("action_required")));
        assert_eq!(body["completed_at"], "2026-01-01T00:01:00Z");
    }

    #[test]
    fn an_annotation_is_cut_at_its_limits_between_characters() {
        let (path, message) = ("deploy/web.yaml".to_owned(), "é".repeat(5000));
        let annotation =
            Annotation { path, line: 0, level: Level::Warning, title: "é".repeat(300), message };
        let body = annotation.body();
        assert_eq!(body["title"].as_str().unwrap().len(), 254);
        assert_eq!(body["message"].as_str().unwrap().len(), 4096);
        assert_eq!((&body["start_line"], &body["annotation_level"]), (&json!(1), &json!("warning")));
    }
}
