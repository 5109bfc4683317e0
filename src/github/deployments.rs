//! Deployments and their statuses: <https://docs.github.com/en/rest/deployments>.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{Client, Failure, segment};

/// So many characters a description may have.
const LONGEST: usize = 140;

/// How a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It is under way.
    InProgress,
    /// It waits for a person.
    Pending,
    /// It is what runs.
    Success,
    /// The release was bad.
    Failure,
    /// It could not be brought to an end.
    Error,
    /// It does not run, or not any more.
    Inactive,
}

impl State {
    /// GitHub's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Inactive => "inactive",
        }
    }
}

/// What is deployed where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The commit.
    pub sha: String,
    /// GitHub's environment.
    pub environment: String,
    /// One sentence.
    pub description: String,
    /// The environment goes away some day.
    pub is_transient: bool,
    /// End users meet it.
    pub is_production: bool,
    /// By which it is known again.
    pub mark: Mark,
}

/// What Tidegate writes along with a deployment, and knows it again by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The app: an environment of GitHub may be that of several.
    pub app: String,
    /// The rollout.
    pub rollout: String,
    /// The release's identity.
    pub release: String,
    /// Its version.
    pub version: String,
}

/// What is known of a deployment that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// GitHub's number.
    pub id: u64,
    /// The commit.
    pub sha: String,
    /// What Tidegate wrote along; nothing at those of others.
    pub mark: Option<Mark>,
}

/// What a status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// How it stands.
    pub state: State,
    /// One sentence, cut where it is too long.
    pub description: String,
    /// The public address.
    pub url: Option<String>,
    /// Where the log is.
    pub log: Option<String>,
}

impl Status {
    fn body(&self, environment: &str) -> Value {
        let mut body = json!({
            "state": self.state.as_str(),
            "description": short(&self.description),
            "environment": environment,
            // Ours to do: GitHub would pass over production and what is transient, and take other apps' for earlier ones of ours.
            "auto_inactive": false,
        });
        let is_web = |address: &&String| address.starts_with("https://") || address.starts_with("http://");
        if let Some(url) = self.url.as_ref().filter(is_web) {
            body["environment_url"] = url.as_str().into();
        }
        if let Some(log) = self.log.as_ref().filter(is_web) {
            body["log_url"] = log.as_str().into();
        }
        body
    }
}

impl Mark {
    fn read(payload: &Value) -> Option<Self> {
        // An object comes back as one, or as the text that it was sent as.
        let parsed = payload.as_str().and_then(|text| serde_json::from_str(text).ok());
        let mark = &parsed.as_ref().unwrap_or(payload)["tidegate"];
        let text = |name: &str| mark[name].as_str().map(str::to_owned);
        Some(Self {
            app: text("app")?,
            rollout: text("rollout")?,
            release: text("release")?,
            version: text("version")?,
        })
    }
}

/// One line within the limit, its end shown to be cut.
fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// Makes a deployment and gives its number. Nothing is merged for it and no status is waited for: that was decided before.
///
/// # Errors
/// Why GitHub did not; where that is unsure, [`list`] first.
pub async fn create(client: &Client, deployment: &Deployment) -> Result<u64, Failure> {
    let Mark { app, rollout, release, version } = &deployment.mark;
    let body = json!({
        "ref": deployment.sha,
        "environment": deployment.environment,
        "description": short(&deployment.description),
        "auto_merge": false,
        "required_contexts": [],
        "transient_environment": deployment.is_transient,
        "production_environment": deployment.is_production,
        "payload": {"tidegate": {"app": app, "rollout": rollout, "release": release, "version": version}},
    });
    let made = client.create("/deployments", &body).await?;
    made["id"].as_u64().ok_or_else(|| Failure::without("a deployment", "id"))
}

/// Says how a deployment stands.
///
/// # Errors
/// Why GitHub did not.
pub async fn tell(client: &Client, id: u64, environment: &str, status: &Status) -> Result<(), Failure> {
    client.add(&format!("/deployments/{id}/statuses"), &status.body(environment)).await.map(drop)
}

/// The newest deployments of an environment, the newest first: a page of them.
///
/// # Errors
/// Why GitHub does not say.
pub async fn list(client: &Client, environment: &str) -> Result<Vec<Known>, Failure> {
    let all = client.get(&format!("/deployments?environment={}&per_page=50", segment(environment))).await?;
    let known = |one: &Value| {
        let sha = one["sha"].as_str()?.to_owned();
        Some(Known { id: one["id"].as_u64()?, sha, mark: Mark::read(&one["payload"]) })
    };
    Ok(all.as_array().into_iter().flatten().filter_map(known).collect())
}

/// Every environment that has deployments of ours, with the app of each, as far back as GitHub's pages are read.
///
/// # Errors
/// Why GitHub does not say.
pub async fn environments(client: &Client) -> Result<BTreeSet<(String, String)>, Failure> {
    let mut all = BTreeSet::new();
    let every = |one: &Value| -> Option<()> {
        let environment = one["environment"].as_str().map(str::to_owned);
        all.extend(environment.zip(Mark::read(&one["payload"]).map(|mark| mark.app)));
        None
    };
    client.find("/deployments", every).await?;
    Ok(all)
}

/// Takes a deployment away. GitHub does so with one that is inactive.
///
/// # Errors
/// Why GitHub did not. One that is gone already is no error.
pub async fn delete(client: &Client, id: u64) -> Result<(), Failure> {
    match client.remove(&format!("/deployments/{id}")).await {
        Err(failure) if failure.code == "github-not-found" => Ok(()),
        told => told,
    }
}

/// The newest state of a deployment, in GitHub's word; `pending` before its first.
///
/// # Errors
/// Why GitHub does not say.
pub async fn state(client: &Client, id: u64) -> Result<String, Failure> {
    standing(client, id).await.map(|(state, _)| state)
}

/// The newest state of a deployment as [`state`] has it, with the sentence beside it.
///
/// # Errors
/// Why GitHub does not say.
pub async fn standing(client: &Client, id: u64) -> Result<(String, String), Failure> {
    let all = client.get(&format!("/deployments/{id}/statuses?per_page=1")).await?;
    let text = |name: &str| all[0][name].as_str().map(str::to_owned);
    Ok((text("state").unwrap_or_else(|| "pending".to_owned()), text("description").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_cut_at_its_limit() {
        assert_eq!(short(&"é".repeat(140)).chars().count(), 140);
        let cut = short(&"é".repeat(141));
        assert!(cut.chars().count() == 140 && cut.ends_with("é…"), "{cut}");
    }

    #[test]
    fn only_addresses_of_the_web_are_linked() {
        let status = |url: &str| Status {
            state: State::Success,
            description: "x".into(),
            url: Some(url.into()),
            log: None,
        };
        assert_eq!(status("https://a").body("e")["environment_url"], "https://a");
        assert!(status("javascript:alert(1)").body("e").get("environment_url").is_none());
    }

    #[test]
    fn a_mark_is_known_again_as_object_and_as_text() {
        let mark = json!({"tidegate": {"app": "a", "rollout": "r", "release": "x", "version": "v"}});
        let read = Mark::read(&mark).unwrap();
        assert_eq!((read.app.as_str(), read.version.as_str()), ("a", "v"));
        assert_eq!(Mark::read(&Value::String(mark.to_string())), Some(read));
        for other in [json!({}), json!(""), json!("x"), json!({"tidegate": 1}), Value::Null] {
            assert_eq!(Mark::read(&other), None);
        }
    }
}
