//! Commit statuses.

use serde_json::{Value, json};

use super::{Call, Endpoint, STATUSES_READ, STATUSES_WRITE, on};
use crate::github::reply::{Outcome, Reply, invalid, unprocessable, web_address};
use crate::github::view::short_status;
use crate::github::world::check::{CommitStatus, combined, latest};
use crate::github::world::deployment::LONGEST_DESCRIPTION;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("repos/create-commit-status", STATUSES_WRITE, create),
    on("repos/get-combined-status-for-ref", STATUSES_READ, combine),
    on("repos/list-commit-statuses-for-ref", STATUSES_READ, list),
];

fn create(call: &mut Call<'_>) -> Outcome {
    let sha = call.param("sha").to_owned();
    if !call.repository()?.commits.iter().any(|commit| commit.sha == sha) {
        return Err(unprocessable(&format!("No commit found for SHA: {sha}")));
    }
    let description = call.text("description");
    if description.as_ref().is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION) {
        let message = format!("description is too long (maximum is {LONGEST_DESCRIPTION} characters)");
        return Err(invalid("Status", "description", "custom", &message));
    }
    let target = call.text("target_url").filter(|url| !url.is_empty());
    web_address("Status", "target_url", target.as_deref())?;
    let context = call.text("context").unwrap_or_else(|| "default".to_owned());
    let mut status = CommitStatus::new(&sha, &context, &call.text("state").unwrap_or_default());
    status.description = description;
    status.target_url = target;
    status.creator.clone_from(&call.token.login);
    call.repository_mut()?.statuses.push(status.clone());
    let shown = call.view()?.status(&status);
    let place = shown["url"].as_str().unwrap_or_default().to_owned();
    Ok(Reply::created(shown).with("location", place))
}

fn combine(call: &mut Call<'_>) -> Outcome {
    let sha = call.commit(call.param("ref"))?.sha.clone();
    let view = call.view()?;
    let newest = latest(&view.repository.statuses, &sha);
    let shown: Vec<Value> = newest.iter().map(|status| short_status(&view.home(), status)).collect();
    let mut reply = call.counted("statuses", shown);
    let more = json!({
        "state": combined(&newest),
        "sha": sha,
        "repository": view.repository(),
        "commit_url": view.api(&format!("commits/{sha}")),
        "url": view.api(&format!("commits/{sha}/status")),
    });
    if let (crate::github::reply::Body::Json(Value::Object(body)), Value::Object(more)) =
        (&mut reply.body, more)
    {
        body.extend(more);
    }
    Ok(reply)
}

fn list(call: &mut Call<'_>) -> Outcome {
    let sha = call.commit(call.param("ref"))?.sha.clone();
    let view = call.view()?;
    let here = view.repository.statuses.iter().rev().filter(|status| status.sha == sha);
    Ok(call.list(here.map(|status| view.status(status)).collect()))
}
