//! Pull requests: which one a commit belongs to, and whether one may be deployed: <https://docs.github.com/en/rest/pulls>.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::{Client, Failure, PAGES, segment};

/// The pull request that brought a commit, or has it: an open one first, else the newest.
///
/// # Errors
/// Why GitHub does not say. A commit that is in no pull request is no error.
pub async fn of_commit(client: &Client, sha: &str) -> Result<Option<u64>, Failure> {
    let all = client.get(&format!("/commits/{}/pulls", segment(sha))).await?;
    let all = all.as_array().into_iter().flatten();
    let rank = |pull: &Value| {
        let is_head = pull["head"]["sha"] == sha || pull["merge_commit_sha"] == sha;
        Some((is_head, pull["state"] == "open", pull["number"].as_u64()?))
    };
    Ok(all.filter_map(rank).max().map(|(_, _, number)| number))
}

/// What is known of a pull request at one commit. Everything is about that commit: what is pushed later is another one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readiness {
    /// The commit that its branch was at when it was looked at. This one is deployed, and no later one.
    pub head: String,
    /// Its branch.
    pub branch: String,
    /// The branch it is to be merged into.
    pub base: String,
    /// It comes from another repository.
    pub is_fork: bool,
    /// Whether it is open.
    pub is_open: bool,
    /// Who approved that very commit.
    pub approved: Vec<String>,
    /// Who approved an earlier commit only.
    pub approved_earlier: Vec<String>,
    /// Who wants changes.
    pub objecting: Vec<String>,
    /// The checks that its base branch requires and that are not successful, with how they stand.
    pub lacking: Vec<(String, String)>,
}

impl Readiness {
    /// Why it may not be deployed, in one sentence.
    #[must_use]
    pub fn objection(&self) -> Option<String> {
        let short = self.head.get(..7).unwrap_or(&self.head);
        if !self.is_open {
            return Some("the pull request is closed".to_owned());
        }
        if !self.objecting.is_empty() {
            return Some(format!("{} asked for changes", self.objecting.join(", ")));
        }
        if self.approved.is_empty() && !self.approved_earlier.is_empty() {
            let who = self.approved_earlier.join(", ");
            return Some(format!("{who} approved an earlier commit, and nobody the last one, {short}"));
        }
        if !self.lacking.is_empty() {
            let each = self.lacking.iter().map(|(name, state)| format!("{name} ({state})"));
            let all = each.collect::<Vec<_>>().join(", ");
            return Some(format!("required checks are not successful at {short}: {all}"));
        }
        None
    }
}

/// The last commit of a pull request.
///
/// # Errors
/// Why GitHub does not say.
pub async fn head(client: &Client, number: u64) -> Result<String, Failure> {
    let pull = client.get(&format!("/pulls/{number}")).await?;
    let sha = pull["head"]["sha"].as_str().map(str::to_owned);
    sha.ok_or_else(|| Failure::without("a pull request", "last commit"))
}

/// A pull request, as far as its preview goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Its last commit.
    pub head: String,
    /// Its branch.
    pub branch: String,
    /// The branch that it is to be merged into.
    pub base: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// It is a draft.
    pub is_draft: bool,
    /// It comes from another repository.
    pub is_fork: bool,
    /// Whether it is open.
    pub is_open: bool,
    /// Who opened it.
    pub author: String,
}

impl Pull {
    /// Reads it as GitHub gives it, in an answer or in the payload of an event.
    #[must_use]
    pub fn read(pull: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let labels = pull["labels"].as_array().into_iter().flatten();
        let (from, to) = (&pull["head"]["repo"]["full_name"], &pull["base"]["repo"]["full_name"]);
        Some(Self {
            number: pull["number"].as_u64()?,
            head: text(&pull["head"]["sha"]),
            branch: text(&pull["head"]["ref"]),
            base: text(&pull["base"]["ref"]),
            labels: labels.filter_map(|label| label["name"].as_str().map(str::to_owned)).collect(),
            is_draft: pull["draft"].as_bool() == Some(true),
            is_fork: !from.is_string() || from != to,
            is_open: pull["state"] == "open",
            author: text(&pull["user"]["login"]),
        })
    }
}

/// All open pull requests.
///
/// # Errors
/// Why GitHub does not say.
pub async fn open(client: &Client) -> Result<Vec<Pull>, Failure> {
    let mut all = Vec::new();
    let every = |pull: &Value| -> Option<()> {
        all.extend(Pull::read(pull));
        None
    };
    client.find("/pulls?state=open", every).await?;
    // Who takes away what is not in the list must have all of it.
    if all.len() >= PAGES * 100 {
        return Err(Failure::without("the list of open pull requests", "end"));
    }
    Ok(all)
}

/// One pull request.
///
/// # Errors
/// Why GitHub does not say.
pub async fn one(client: &Client, number: u64) -> Result<Pull, Failure> {
    let pull = client.get(&format!("/pulls/{number}")).await?;
    Pull::read(&pull).ok_or_else(|| Failure::without("a pull request", "number"))
}

/// The paths of the files that a pull request changes, those that it takes away too.
///
/// # Errors
/// Why GitHub does not say.
pub async fn files(client: &Client, number: u64) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    let every = |file: &Value| -> Option<()> {
        all.extend(file["filename"].as_str().map(str::to_owned));
        None
    };
    client.find(&format!("/pulls/{number}/files"), every).await?;
    Ok(all)
}

/// Looks at a pull request: its last commit once, and everything else about that commit. Checks whose name begins with `ours` are our
/// own reports, and not waited for.
///
/// # Errors
/// Why GitHub does not say.
pub async fn readiness(client: &Client, number: u64, ours: &str) -> Result<Readiness, Failure> {
    let pull = client.get(&format!("/pulls/{number}")).await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (head, base) = (text(&pull["head"]["sha"]), text(&pull["base"]["ref"]));
    let mut found = Readiness {
        is_fork: pull["head"]["repo"]["full_name"] != pull["base"]["repo"]["full_name"],
        is_open: pull["state"] == "open",
        branch: text(&pull["head"]["ref"]),
        head,
        base,
        ..Readiness::default()
    };
    let mut reviews = Vec::new();
    let every = |review: &Value| -> Option<()> {
        reviews.push(review.clone());
        None
    };
    client.find(&format!("/pulls/{number}/reviews"), every).await?;
    found.weigh(&reviews);
    let required = required(client, &found.base).await?;
    if required.iter().any(|name| !name.starts_with(ours)) {
        let states = states(client, &found.head).await?;
        let lacking = required.into_iter().filter(|name| !name.starts_with(ours)).filter_map(|name| {
            let state = states.get(&name).map_or("missing", String::as_str).to_owned();
            (!["success", "neutral", "skipped"].contains(&state.as_str())).then_some((name, state))
        });
        found.lacking = lacking.collect();
    }
    Ok(found)
}

impl Readiness {
    /// Takes reviews in, the oldest first: of each reviewer the last one counts that is more than a comment.
    fn weigh(&mut self, reviews: &[Value]) {
        let mut last: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
        for review in reviews {
            let word = |value: &'_ Value| value.as_str().map(str::to_owned);
            let (Some(who), Some(state)) = (review["user"]["login"].as_str(), review["state"].as_str())
            else {
                continue;
            };
            if ["APPROVED", "CHANGES_REQUESTED", "DISMISSED"].contains(&state) {
                last.insert(who, (state, word(&review["commit_id"]).as_deref() == Some(&self.head)));
            }
        }
        for (who, (state, is_of_head)) in last {
            match state {
                "CHANGES_REQUESTED" => self.objecting.push(who.to_owned()),
                "APPROVED" if is_of_head => self.approved.push(who.to_owned()),
                "APPROVED" => self.approved_earlier.push(who.to_owned()),
                _ => {}
            }
        }
    }
}

/// The names of the checks that a branch requires, as far as the branch itself tells.
async fn required(client: &Client, branch: &str) -> Result<Vec<String>, Failure> {
    let told = match client.get(&format!("/branches/{}", segment(branch))).await {
        Err(failure) if failure.code == "github-not-found" => return Ok(Vec::new()),
        told => told?,
    };
    let names = told["protection"]["required_status_checks"]["contexts"].as_array().into_iter().flatten();
    Ok(names.filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

/// How every check and status of a commit stands, by its name.
async fn states(client: &Client, sha: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut states = BTreeMap::new();
    let told = client.get(&format!("/commits/{}/status?per_page=100", segment(sha))).await?;
    for status in told["statuses"].as_array().into_iter().flatten() {
        if let (Some(name), Some(state)) = (status["context"].as_str(), status["state"].as_str()) {
            states.insert(name.to_owned(), state.to_owned());
        }
    }
    let told = client.get(&format!("/commits/{}/check-runs?per_page=100", segment(sha))).await?;
    for run in told["check_runs"].as_array().into_iter().flatten() {
        let state = run["conclusion"].as_str().or_else(|| run["status"].as_str());
        if let (Some(name), Some(state)) = (run["name"].as_str(), state) {
            states.insert(name.to_owned(), state.to_owned());
        }
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn weighed(reviews: &[(&str, &str, &str)]) -> Readiness {
        let review = |(who, state, sha): &(&str, &str, &str)| json!({"user": {"login": who}, "state": state, "commit_id": sha});
        let mut found = Readiness { head: "new".into(), is_open: true, ..Readiness::default() };
        found.weigh(&reviews.iter().map(review).collect::<Vec<_>>());
        found
    }

    #[test]
    fn the_last_word_of_each_reviewer_counts() {
        let found = weighed(&[
            ("ann", "CHANGES_REQUESTED", "old"),
            ("ann", "COMMENTED", "new"),
            ("bob", "CHANGES_REQUESTED", "old"),
            ("bob", "APPROVED", "new"),
            ("cy", "CHANGES_REQUESTED", "new"),
            ("cy", "DISMISSED", "new"),
        ]);
        assert_eq!(
            (found.objecting.as_slice(), found.approved.as_slice()),
            (&["ann".into()][..], &["bob".into()][..])
        );
        assert_eq!(found.objection().as_deref(), Some("ann asked for changes"));
    }

    #[test]
    fn an_approval_is_one_of_a_commit() {
        let stale = weighed(&[("ann", "APPROVED", "old")]);
        assert_eq!(
            stale.objection().as_deref(),
            Some("ann approved an earlier commit, and nobody the last one, new")
        );
        assert_eq!(weighed(&[("ann", "APPROVED", "old"), ("bob", "APPROVED", "new")]).objection(), None);
        assert_eq!(weighed(&[]).objection(), None, "whether a review is wanted is the repository's to say");
        let mut closed = weighed(&[]);
        closed.is_open = false;
        assert!(closed.objection().is_some());
    }

    #[test]
    fn a_required_check_that_is_not_successful_is_named() {
        let mut found = weighed(&[]);
        found.lacking = vec![("ci".into(), "failure".into()), ("lint".into(), "missing".into())];
        let why = found.objection().unwrap();
        assert_eq!(why, "required checks are not successful at new: ci (failure), lint (missing)");
    }
}
