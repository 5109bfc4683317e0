//! Why GitHub did not do what it was asked to: one sentence, a stable code, and whether asking again can help.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// The wait where a secondary limit names none.
const SECONDARY: Duration = Duration::from_secs(60);
/// GitHub's hour: no limit lasts longer, whatever a clock says.
const HOUR: Duration = Duration::from_secs(3600);
/// So many characters of GitHub's own words are told.
const WORDS: usize = 200;

/// Whether asking again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// No: the answer would be the same.
    Never,
    /// In a moment.
    Soon,
    /// Not before this time is over: a limit is used up.
    After(Duration),
}

/// Why GitHub did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    /// Stable code; `docs/reasons.md` lists them.
    pub code: &'static str,
    /// One sentence.
    pub sentence: String,
    /// What could mend it.
    pub hint: Option<String>,
    /// Whether asking again can help.
    pub again: Again,
    /// Whether it may have been done all the same: the answer was lost.
    pub is_unsure: bool,
}

/// What an answer says beside its body, as far as failures go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    /// What was asked, such as `POST /repos/a/b/check-runs`.
    pub(super) asked: &'a str,
    pub(super) status: u16,
    pub(super) headers: &'a http::HeaderMap,
    pub(super) body: &'a [u8],
    pub(super) now: Timestamp,
}

impl Failure {
    fn new(code: &'static str, sentence: String) -> Self {
        Self { code, sentence, hint: None, again: Again::Never, is_unsure: false }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// There is no token, or it has characters that no token has.
    pub(super) fn no_token() -> Self {
        let sentence = "the token for GitHub has characters that no token has, or is empty".to_owned();
        Self { code: "github-token", ..Self::new("", sentence) }.hint(TOKEN)
    }

    /// No answer came, for this reason.
    pub(super) fn unreachable(asked: &str, why: &str) -> Self {
        let sentence = format!("GitHub does not answer {asked}: {why}");
        Self { code: "github-unreachable", again: Again::Soon, is_unsure: true, ..Self::new("", sentence) }
    }

    /// An answer came that is none of the API's.
    pub(super) fn garbage(asked: &str) -> Self {
        let sentence = format!("what answers {asked} is not GitHub's API");
        Self { code: "github-answer", again: Again::Soon, is_unsure: true, ..Self::new("", sentence) }
    }

    /// The time was over before it was told.
    pub(crate) fn late(what: &str) -> Self {
        let sentence = format!("the time was over before the {what} was told");
        Self { code: "github-unreachable", again: Again::Soon, ..Self::new("", sentence) }
    }

    /// What was made lacks something that it cannot lack.
    pub(crate) fn without(what: &str, part: &str) -> Self {
        let sentence = format!("GitHub tells of {what}, and does not tell its {part}");
        Self { code: "github-answer", is_unsure: true, ..Self::new("", sentence) }
    }

    /// A limit that an earlier answer told of still holds.
    pub(super) fn limited(wait: Duration) -> Self {
        let sentence = format!("GitHub takes no request from this token for {} s", wait.as_secs() + 1);
        let hint = "limits are per token: fewer jobs at a time, or a token of an app of your own";
        Self { code: "github-limit", again: Again::After(wait), ..Self::new("", sentence) }.hint(hint)
    }

    /// What the answer means; nothing where it is a success.
    pub(super) fn of(answer: Answer<'_>) -> Option<Self> {
        let Answer { asked, status, .. } = answer;
        if (200..300).contains(&status) || status == 304 {
            return None;
        }
        if let Some(wait) = answer.limit() {
            return Some(Self::limited(wait));
        }
        let words = answer.words();
        Some(match status {
            401 => {
                let sentence = "GitHub does not know the token, or it has expired".to_owned();
                Self { code: "github-token", ..Self::new("", sentence) }.hint(TOKEN)
            }
            403 => answer.forbidden(&words),
            404 | 410 => {
                let sentence = format!("GitHub has nothing there for this token: {asked}");
                let hint = "the token may lack the right to see it: GitHub answers so for what is private";
                Self { code: "github-not-found", ..Self::new("", sentence) }.hint(hint)
            }
            409 | 422 => {
                let sentence = format!("GitHub does not take {asked}: {words}");
                Self { code: "github-invalid", ..Self::new("", sentence) }
            }
            500.. | 408 => {
                let sentence = format!("GitHub fails at {asked} with status {status}");
                let sure = Self { code: "github-unreachable", ..Self::new("", sentence) };
                Self { again: Again::Soon, is_unsure: true, ..sure }
            }
            _ => {
                let sentence = format!("GitHub answers {asked} with status {status}: {words}");
                Self { code: "github-answer", ..Self::new("", sentence) }
            }
        })
    }
}

/// The cure for a token that is refused.
const TOKEN: &str =
    "give the step `github-token`, or the variable GITHUB_TOKEN: ${{ github.token }} is the workflow's own";

impl Answer<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// GitHub's own words, harmless and short.
    fn words(&self) -> String {
        let body: Value = serde_json::from_slice(self.body).unwrap_or_default();
        let detail = body["errors"].as_array().into_iter().flatten().find_map(|error| {
            let field = error["field"].as_str().unwrap_or_default();
            let message = error["message"].as_str().or_else(|| error["code"].as_str())?;
            Some(format!(" ({field} {message})").replace("( ", "("))
        });
        let message = body["message"].as_str().unwrap_or("without a word");
        let all = format!("{message}{}", detail.unwrap_or_default());
        all.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect()
    }

    /// How long a limit lasts that this answer tells of: the hour's that is used up, or the one on too much at a time. See
    /// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
    fn limit(&self) -> Option<Duration> {
        if self.status != 403 && self.status != 429 {
            return None;
        }
        let seconds = |name: &str| self.header(name)?.parse::<i64>().ok();
        let wait = if let Some(after) = seconds("retry-after") {
            Duration::from_secs(u64::try_from(after).unwrap_or(0))
        } else if self.header("x-ratelimit-remaining") == Some("0") {
            let reset = seconds("x-ratelimit-reset").unwrap_or(0);
            Duration::from_secs(u64::try_from(reset - self.now.as_second()).unwrap_or(0))
                + Duration::from_secs(1)
        } else if self.status == 429 || self.words().to_lowercase().contains("rate limit") {
            SECONDARY
        } else {
            return None;
        };
        Some(wait.min(HOUR))
    }

    fn forbidden(&self, words: &str) -> Failure {
        let sentence = format!("the token may not do {}: {words}", self.asked);
        let failure = Failure { code: "github-permission", ..Failure::new("", sentence) };
        match self.header("x-accepted-github-permissions").and_then(keys) {
            Some(keys) => failure.hint(format!("the workflow's `permissions:` lack {keys}")),
            None => failure.hint("give the job the `permissions:` that docs/reports.md lists"),
        }
    }
}

/// The keys of a workflow's `permissions:` that would do, from the header's form: `a=write,b=read; c=write` is both of the first
/// two, or the third.
fn keys(header: &str) -> Option<String> {
    let key = |need: &str| {
        let (area, level) = need.trim().split_once('=')?;
        let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        (is_word(area) && is_word(level)).then(|| format!("`{}: {level}`", area.replace('_', "-")))
    };
    let choice = |all: &str| {
        let keys: Vec<String> = all.split(',').filter_map(key).collect();
        (!keys.is_empty()).then(|| keys.join(" and "))
    };
    let choices: Vec<String> = header.split(';').filter_map(choice).collect();
    (!choices.is_empty()).then(|| choices.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, headers: &[(&'static str, &str)], body: &str) -> Option<Failure> {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        let now = Timestamp::from_second(1_000).unwrap();
        let headers = headers.collect();
        Failure::of(Answer { asked: "POST /x", status, headers: &headers, body: body.as_bytes(), now })
    }

    #[test]
    fn what_is_done_is_no_failure() {
        for status in [200, 201, 204, 304] {
            assert_eq!(failure(status, &[], ""), None);
        }
    }

    #[test]
    fn each_status_has_its_code_and_whether_to_ask_again() {
        let told = |status: u16| {
            let failure = failure(status, &[], r#"{"message":"Nope"}"#).unwrap();
            (failure.code, failure.again, failure.is_unsure)
        };
        assert_eq!(told(401), ("github-token", Again::Never, false));
        assert_eq!(told(403), ("github-permission", Again::Never, false));
        assert_eq!(told(404), ("github-not-found", Again::Never, false));
        assert_eq!(told(409), ("github-invalid", Again::Never, false));
        assert_eq!(told(422), ("github-invalid", Again::Never, false));
        assert_eq!(told(502), ("github-unreachable", Again::Soon, true));
        assert_eq!(told(418), ("github-answer", Again::Never, false));
    }

    #[test]
    fn limits_say_how_long() {
        let wait =
            |status, headers: &[(&'static str, &str)], body| failure(status, headers, body).unwrap().again;
        let after = |seconds| Again::After(Duration::from_secs(seconds));
        assert_eq!(wait(403, &[("retry-after", "7")], ""), after(7));
        assert_eq!(wait(429, &[("retry-after", "99999999")], ""), after(3600));
        let hour = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1030")];
        assert_eq!(wait(403, &hour, ""), after(31));
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], ""), after(1));
        assert_eq!(wait(403, &[], r#"{"message":"You have exceeded a secondary rate limit."}"#), after(60));
        assert_eq!(wait(429, &[], ""), after(60));
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "9")], ""), Again::Never);
    }

    #[test]
    fn a_missing_permission_is_named_as_the_workflow_has_it() {
        let header = [("x-accepted-github-permissions", "issues=write; pull_requests=write,checks=read")];
        let told = failure(403, &header, r#"{"message":"Resource not accessible by integration"}"#).unwrap();
        assert_eq!(
            told.hint.as_deref(),
            Some(
                "the workflow's `permissions:` lack `issues: write` or `pull-requests: write` and `checks: read`"
            )
        );
        assert_eq!(keys("<b>=x;\u{7}"), None);
    }

    #[test]
    fn githubs_words_are_short_and_harmless() {
        let body = r#"{"message":"Validation\u001b[31m Failed","errors":[{"field":"body","message":"is too long"}]}"#;
        let told = failure(422, &[], body).unwrap().sentence;
        assert_eq!(told, "GitHub does not take POST /x: Validation [31m Failed (body is too long)");
        assert!(
            failure(422, &[], &format!(r#"{{"message":"{}"}}"#, "x".repeat(9999))).unwrap().sentence.len()
                < 300
        );
    }
}
