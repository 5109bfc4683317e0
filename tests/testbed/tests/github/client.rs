//! A client, and the world that most tests begin with.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use testbed::github::{Area, Commit, GitHub, Issue, Pull, Repository, Role, Token, World};

pub(crate) const MAIN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const HEAD: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub(crate) const ROOT: &str = "cccccccccccccccccccccccccccccccccccccccc";
/// The repository of the tests.
pub(crate) const SHOP: &str = "acme/shop";
/// The token of a workflow that may do all that a deploying one needs.
pub(crate) const WORKFLOW: &str = "ghs_workflow";

/// `main` at MAIN after ROOT; `topic` at HEAD after MAIN, which is pull request 7.
pub(crate) fn shop() -> Repository {
    let pull =
        Pull::new(("topic", HEAD), ("main", MAIN)).file("src/a.rs", "modified", Some("@@ -1 +1 @@\n-a\n+b"));
    Repository::new(SHOP)
        .commit(Commit::new(ROOT, "root"))
        .commit(Commit::new(MAIN, "main").after(ROOT))
        .commit(Commit::new(HEAD, "topic").after(MAIN).by("hubot"))
        .branch("main", MAIN)
        .branch("topic", HEAD)
        .issue(Issue::new(7, "Faster").by("hubot").label("deploy").pull(pull))
        .collaborator("monalisa", Role::Maintain)
}

pub(crate) fn workflow() -> Token {
    Token::workflow(WORKFLOW)
        .read(Area::Actions)
        .read(Area::PullRequests)
        .write(Area::Checks)
        .write(Area::Contents)
        .write(Area::Deployments)
        .write(Area::Issues)
        .write(Area::Statuses)
}

pub(crate) async fn started(repository: Repository) -> (GitHub, Client) {
    let github = GitHub::start(World::new().repository(repository).token(workflow())).await.unwrap();
    let client = Client::new(&github, WORKFLOW);
    (github, client)
}

pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
    /// `null` when it is not JSON.
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn id(&self) -> u64 {
        self.json["id"].as_u64().unwrap_or_else(|| panic!("no id in {self:?}"))
    }

    pub(crate) fn message(&self) -> &str {
        self.json["message"].as_str().unwrap_or_default()
    }
}

impl Client {
    pub(crate) fn new(github: &GitHub, token: &str) -> Self {
        let http = reqwest::Client::builder()
            .user_agent("testbed")
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self { http, base: github.url(), token: token.to_owned() }
    }

    /// A request below the repository when the path has no slash at its start.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let below = if path.starts_with('/') { path.to_owned() } else { format!("/repos/{SHOP}/{path}") };
        self.http
            .request(method, format!("{}{}", self.base, below.trim_end_matches('/')))
            .bearer_auth(&self.token)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
    }

    pub(crate) async fn sent(request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Answer { status, headers, json, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Self::sent(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Self::sent(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Self::sent(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        Self::sent(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        Self::sent(self.request(Method::PUT, path).json(&body)).await
    }
}
