//! One question to GitHub's API: <https://docs.github.com/en/rest/repos/repos#get-a-repository>.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::Repository;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom is asked, and as whom.
#[derive(Clone)]
pub struct Asking<'a> {
    /// The API's address, such as `https://api.github.com`.
    pub api: &'a str,
    /// `OWNER/NAME`.
    pub repository: &'a str,
    /// The token; without one, public repositories are told of.
    pub token: Option<&'a str>,
}

/// What the API says of a repository.
///
/// # Errors
/// Why it is not known, as part of a sentence. The token stands in none.
pub async fn ask(asking: Asking<'_>) -> Result<Repository, String> {
    let client = crate::trust::client(|| {
        reqwest::Client::builder()
            .timeout(PATIENCE)
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
    });
    let client = client.map_err(|error| format!("the HTTP client cannot be set up ({error})"))?;
    let url = format!("{}/repos/{}", asking.api.trim_end_matches('/'), asking.repository);
    let request = client.get(url).header("accept", "application/vnd.github+json");
    let request = match asking.token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let response = request.send().await.map_err(|error| {
        let why = if error.is_timeout() { "no answer in time" } else { "it cannot be reached" };
        format!("GitHub's API at {} does not tell of it ({why})", asking.api)
    })?;
    if response.status() != StatusCode::OK {
        return Err(format!("GitHub's API at {} answers {}", asking.api, response.status()));
    }
    let read = response.json::<Value>().await.ok();
    let read = read.as_ref().and_then(Repository::read);
    read.ok_or_else(|| format!("GitHub's API at {} answers with what is no repository", asking.api))
}
