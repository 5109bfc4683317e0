//! The run of a workflow that a step is in, as far as reports need it: whom to tell, about which commit, on which pull request.

use serde_json::Value;

use super::client::Access;

/// The run of a workflow that a step is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// Whom to tell.
    pub access: Access,
    /// The commit: of an event about a pull request the last one of its branch, for there people look; the commit that GitHub makes
    /// to try the merge is on no page.
    pub sha: String,
    /// The pull request, where the event is about one.
    pub pull: Option<u64>,
    /// The page of the run.
    pub run: Option<String>,
    /// The run's number and attempt: no other run has them.
    pub name: String,
}

impl Workflow {
    /// From the variables that a runner sets and the event's payload; nothing outside of a workflow, and without a token.
    #[must_use]
    pub fn of(variable: &impl Fn(&str) -> Option<String>, payload: &Value) -> Option<Self> {
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let access = Access::of(variable)?;
        let pull = &payload["pull_request"];
        let is_comment = payload["issue"]["pull_request"].is_object();
        let of_comment = is_comment.then(|| payload["issue"]["number"].as_u64()).flatten();
        let head = pull["head"]["sha"].as_str().map(str::to_owned);
        let number = given("GITHUB_RUN_ID").filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let attempt =
            given("GITHUB_RUN_ATTEMPT").filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let attempt = attempt.unwrap_or_else(|| "1".to_owned());
        let server = given("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
        let page = |number: &String| {
            let server = server.trim_end_matches('/');
            format!("{server}/{}/actions/runs/{number}/attempts/{attempt}", access.repository)
        };
        Some(Self {
            sha: head.or_else(|| given("GITHUB_SHA")).filter(|sha| is_sha(sha))?,
            pull: pull["number"].as_u64().or(of_comment),
            run: number.as_ref().map(page),
            name: format!("run-{}-{attempt}", number.unwrap_or_else(|| "0".to_owned())),
            access,
        })
    }

    /// The commit of a release that is told of here: its own where it is known whole, unless the run is about a pull request.
    #[must_use]
    pub fn commit<'a>(&'a self, commit: Option<&'a str>) -> &'a str {
        commit.filter(|commit| self.pull.is_none() && is_sha(commit)).unwrap_or(&self.sha)
    }
}

/// Whether it is a whole hash: of SHA-1 or of SHA-256.
fn is_sha(text: &str) -> bool {
    (text.len() == 40 || text.len() == 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workflow(payload: &Value) -> Option<Workflow> {
        let variable = |name: &str| {
            let value = match name {
                "GITHUB_REPOSITORY" => "acme/shop",
                "GITHUB_TOKEN" => "ghs_x",
                "GITHUB_SHA" => "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "GITHUB_RUN_ID" => "42",
                "GITHUB_SERVER_URL" => "https://ghe.example.com/",
                _ => return None,
            };
            Some(value.to_owned())
        };
        Workflow::of(&variable, payload)
    }

    #[test]
    fn a_push_is_about_its_commit_and_a_pull_request_about_its_last_one() {
        let push = workflow(&json!({})).unwrap();
        assert_eq!((push.sha.as_str(), push.pull), ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", None));
        assert_eq!(push.run.as_deref(), Some("https://ghe.example.com/acme/shop/actions/runs/42/attempts/1"));
        let other = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
        assert_eq!((push.commit(Some(other)), push.commit(Some("bbbb"))), (other, push.sha.as_str()));
        let pull = workflow(&json!({"pull_request": {"number": 7, "head": {"sha": other}}})).unwrap();
        assert_eq!((pull.sha.as_str(), pull.pull), (other, Some(7)));
        assert_eq!(pull.commit(Some(&push.sha)), other);
    }

    #[test]
    fn a_comment_on_an_issue_is_about_no_pull_request() {
        assert_eq!(workflow(&json!({"issue": {"number": 7}})).unwrap().pull, None);
        assert_eq!(workflow(&json!({"issue": {"number": 7, "pull_request": {}}})).unwrap().pull, Some(7));
        let broken = json!({"pull_request": {"number": 7, "head": {"sha": "../x"}}});
        assert_eq!(workflow(&broken), None);
    }
}
