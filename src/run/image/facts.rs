//! What GitHub and git tell: event, repository, date of the commit.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::git;
use super::inputs::Source;
use crate::error::{Error, ErrorKind};
use crate::github::{self, Asking, Event, Repository};

/// What a workflow says of itself.
const WORKFLOW: [&str; 3] = ["GITHUB_EVENT_NAME", "GITHUB_REF", "GITHUB_SHA"];

/// Whether this is a step of a workflow.
pub(super) fn is_workflow() -> bool {
    WORKFLOW.map(variable).iter().any(|text| !text.is_empty())
}

/// The event of a tag that is pushed at a commit.
pub(super) fn tagged(tag: &str, commit: &str) -> Result<Event, Error> {
    let known = serde_json::json!({ "repository": payload()?["repository"] });
    Ok(Event::new("push", &format!("refs/tags/{tag}"), commit, &known))
}

/// Whether a workflow runs for another commit than this one, as where a comment has one deployed that is laid out beside.
pub(super) fn is_of_another(commit: &str) -> Result<bool, Error> {
    let head = payload()?["pull_request"]["head"]["sha"].as_str().unwrap_or_default().to_owned();
    Ok(is_workflow() && ![String::new(), variable("GITHUB_SHA"), head].iter().any(|known| known == commit))
}

/// A commit that no event is about: neither a branch nor a tag is known for it.
pub(super) fn of_commit(commit: &str) -> Result<Event, Error> {
    let known = serde_json::json!({ "repository": payload()?["repository"] });
    Ok(Event::new("workflow_dispatch", "", commit, &known))
}

/// The event, with ref and commit from where they are wanted from; git is asked in `folder`.
pub(super) fn event(source: Source, at_head: bool, folder: &Path) -> Result<Event, Error> {
    let payload = payload()?;
    let [name, reference, sha] = WORKFLOW.map(variable);
    if source == Source::Workflow || source == Source::Either && is_workflow() {
        let event = Event::new(&name, &reference, &sha, &payload);
        return Ok(if at_head { event.at_head() } else { event });
    }
    let head = git::head(folder, &reference).map_err(|why| {
        let sentence = format!("ref and commit cannot be had from git: {why}");
        let error = Error::new(ErrorKind::Usage, "no-context", sentence);
        error.hint("run it in a working tree of git with a commit, or in a workflow with `context: workflow`")
    })?;
    let mut event = Event::new(&name, "", &head.sha, &payload);
    event.reference = head.reference;
    Ok(event)
}

/// A variable of the environment; empty where there is none.
pub(super) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default().trim().to_owned()
}

/// The event's payload; nothing where none is named.
pub(super) fn payload() -> Result<Value, Error> {
    let Some(path) = std::env::var_os("GITHUB_EVENT_PATH").filter(|path| !path.is_empty()).map(PathBuf::from)
    else {
        return Ok(Value::Null);
    };
    let bad = |why: String| {
        let sentence = format!("the event's payload {} cannot be used: {why}", path.display());
        Error::new(ErrorKind::Usage, "bad-event", sentence)
            .hint("GITHUB_EVENT_PATH names it; take that variable away where there is none")
    };
    let text = std::fs::read(&path).map_err(|error| bad(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| bad(format!("it is no JSON ({error})")))
}

/// The repository's facts: the payload's, or else the API's, or else what its name tells.
pub(super) async fn repository(event: &Event) -> Repository {
    if let Some(repository) = &event.repository {
        return repository.clone();
    }
    let [name, api, server] = ["GITHUB_REPOSITORY", "GITHUB_API_URL", "GITHUB_SERVER_URL"].map(variable);
    if name.is_empty() || api.is_empty() {
        return Repository::named(&name, &server);
    }
    let tokens = ["INPUT_GITHUB-TOKEN", "GITHUB_TOKEN"].map(variable);
    let token = tokens.iter().map(String::as_str).find(|token| !token.is_empty());
    match github::ask(Asking { api: &api, repository: &name, token }).await {
        Ok(repository) => repository,
        Err(why) => {
            tracing::warn!(
                "the event's payload does not tell of the repository, and {why}: labels have its name alone"
            );
            Repository::named(&name, &server)
        }
    }
}

/// When the commit was committed: by the payload, or else by git, or else the present.
pub(super) fn commit_date(event: &Event, now: Timestamp, is_wanted: bool, folder: &Path) -> Timestamp {
    if let Some(at) = event.commit_date() {
        return at;
    }
    if !is_wanted {
        return now;
    }
    git::commit_date(folder, &event.sha).unwrap_or_else(|| {
        let sha = event.sha.escape_debug();
        tracing::warn!(
            "neither the event nor git tells the date of commit `{sha}`: the present stands for it"
        );
        now
    })
}
