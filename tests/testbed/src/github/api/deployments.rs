//! Deployments and their statuses.

use serde_json::{Value, json};

use super::{Call, DEPLOYMENTS_READ, DEPLOYMENTS_WRITE, Endpoint, on};
use crate::github::ids;
use crate::github::reply::{
    DOCUMENTATION, Outcome, Refusal, Reply, invalid, not_found, unprocessable, web_address,
};
use crate::github::world::check::latest;
use crate::github::world::commit::{Commit, beyond};
use crate::github::world::deployment::{Deployment, DeploymentStatus, LONGEST_DESCRIPTION, add_status};
use crate::github::world::repository::Repository;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("repos/create-deployment", DEPLOYMENTS_WRITE, create),
    on("repos/list-deployments", DEPLOYMENTS_READ, list),
    on("repos/get-deployment", DEPLOYMENTS_READ, get),
    on("repos/delete-deployment", DEPLOYMENTS_WRITE, delete),
    on("repos/create-deployment-status", DEPLOYMENTS_WRITE, create_status),
    on("repos/list-deployment-statuses", DEPLOYMENTS_READ, list_statuses),
    on("repos/get-deployment-status", DEPLOYMENTS_READ, get_status),
];

fn create(call: &mut Call<'_>) -> Outcome {
    let git_ref = call.text("ref").unwrap_or_default();
    let environment = call.text("environment").unwrap_or_else(|| "production".to_owned());
    short_enough("Deployment", call.text("description").as_deref())?;
    let repository = call.repository()?;
    let Some(commit) = repository.resolve(&git_ref) else {
        return Err(unprocessable(&format!("No ref found for: {git_ref}")));
    };
    let sha = commit.sha.clone();
    if call.flag("auto_merge") != Some(false)
        && let Some(merged) = merge(call, &git_ref, &sha)?
    {
        return Ok(merged);
    }
    contexts_pass(call.repository()?, call.body.get("required_contexts"), &git_ref, &sha)?;
    let mut made = Deployment::new(&sha, &environment);
    made.git_ref = git_ref;
    made.task = call.text("task").unwrap_or(made.task);
    made.description = call.text("description");
    made.payload = call.body.get("payload").cloned().unwrap_or_else(|| json!({}));
    made.transient = call.flag("transient_environment").unwrap_or(false);
    made.production = call.flag("production_environment").unwrap_or(made.production);
    made.creator.clone_from(&call.token.login);
    call.repository_mut()?.deploy(made.clone());
    Ok(Reply::created(call.view()?.deployment(&made)))
}

/// What `auto_merge` does to a ref that has not all of the default branch: a branch gets a merge commit and no
/// deployment, anything else cannot be merged into.
fn merge(call: &mut Call<'_>, git_ref: &str, sha: &str) -> Result<Option<Reply>, Refusal> {
    let repository = call.repository()?;
    let main = repository.default_branch.clone();
    let Some(tip) = repository.resolve(&main).map(|commit| commit.sha.clone()) else { return Ok(None) };
    if beyond(&repository.commits, sha, &tip).is_empty() {
        return Ok(None);
    }
    let branch = git_ref.trim_start_matches("refs/heads/").to_owned();
    if !repository.refs.contains_key(&format!("refs/heads/{branch}")) {
        let message = format!("Conflict merging {main} into {git_ref}.");
        return Err(Box::new(Reply::error(409, &message)));
    }
    let message = format!("Merge branch '{main}' into {branch}");
    let merged = Commit::new(&ids::sha(&format!("{sha} {tip}")), &message).after(sha).after(&tip);
    call.repository_mut()?.push(&branch, merged);
    let message = format!("Auto-merged {main} into {branch} on deployment.");
    Ok(Some(Reply::json(202, json!({"message": message}))))
}

/// Whether every wanted context is in success. Without a wish these are all that were ever submitted for the commit:
/// its statuses and its check runs.
fn contexts_pass(it: &Repository, wanted: Option<&Value>, git_ref: &str, sha: &str) -> Result<(), Refusal> {
    let statuses = latest(&it.statuses, sha).into_iter();
    let mut known: Vec<(String, String)> =
        statuses.map(|status| (status.context.clone(), status.state.clone())).collect();
    for run in it.check_runs.iter().rev().filter(|run| run.head_sha == sha) {
        if !known.iter().any(|(name, _)| *name == run.name) {
            known.push((run.name.clone(), run.conclusion.clone().unwrap_or_else(|| "pending".to_owned())));
        }
    }
    let names: Vec<String> = match wanted.and_then(Value::as_array) {
        Some(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => known.iter().map(|(name, _)| name.clone()).collect(),
    };
    let state = |name: &String| {
        known.iter().find(|(other, _)| other == name).map_or("pending", |(_, state)| state.as_str())
    };
    if names.iter().all(|name| state(name) == "success") {
        return Ok(());
    }
    let contexts: Vec<Value> =
        names.iter().map(|name| json!({"context": name, "state": state(name)})).collect();
    Err(Box::new(Reply::json(
        409,
        json!({
            "message": format!("Conflict: Commit status checks failed for {git_ref}."),
            "errors": [{
                "contexts": contexts,
                "resource": "Deployment",
                "field": "required_contexts",
                "code": "invalid",
            }],
            "documentation_url": DOCUMENTATION,
            "status": "409",
        }),
    )))
}

fn short_enough(resource: &str, description: Option<&str>) -> Result<(), Refusal> {
    if description.is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION) {
        let message = format!("description is too long (maximum is {LONGEST_DESCRIPTION} characters)");
        return Err(invalid(resource, "description", "custom", &message));
    }
    Ok(())
}

fn list(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let fits = |name: &str, value: &str| call.query(name).is_none_or(|it| it == "none" || it == value);
    let shown = view.repository.deployments.iter().rev().filter(|it| {
        fits("sha", &it.sha)
            && fits("ref", &it.git_ref)
            && fits("task", &it.task)
            && fits("environment", &it.environment)
    });
    Ok(call.list(shown.map(|it| view.deployment(it)).collect()))
}

fn by_id<'a>(call: &'a Call<'_>) -> Result<&'a Deployment, Refusal> {
    call.repository()?.deployment_by_id(call.number("deployment_id")?).ok_or_else(not_found)
}

fn get(call: &mut Call<'_>) -> Outcome {
    Ok(Reply::ok(call.view()?.deployment(by_id(call)?)))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let doomed = by_id(call)?;
    if doomed.is_active() && call.repository()?.deployments.len() > 1 {
        return Err(unprocessable(
            "We cannot delete an active deployment unless it is the only deployment in a given environment.",
        ));
    }
    let id = doomed.id;
    call.repository_mut()?.deployments.retain(|it| it.id != id);
    Ok(Reply::no_content())
}

fn create_status(call: &mut Call<'_>) -> Outcome {
    let deployment = by_id(call)?;
    let (id, before) = (deployment.id, deployment.environment.clone());
    let description = call.text("description");
    short_enough("DeploymentStatus", description.as_deref())?;
    for field in ["target_url", "log_url", "environment_url"] {
        web_address("DeploymentStatus", field, call.text(field).as_deref())?;
    }
    let environment = call.text("environment").unwrap_or(before);
    let state = call.text("state").unwrap_or_default();
    let mut status = DeploymentStatus::new(&state, &environment, &call.token.login);
    status.description = description.unwrap_or_default();
    status.log_url = call.text("log_url").or_else(|| call.text("target_url")).unwrap_or_default();
    status.environment_url = call.text("environment_url").unwrap_or_default();
    let auto_inactive = call.flag("auto_inactive").unwrap_or(true);
    add_status(&mut call.repository_mut()?.deployments, id, status.clone(), auto_inactive);
    let shown = call.view()?.deployment_status(id, &status);
    let place = shown["url"].as_str().unwrap_or_default().to_owned();
    Ok(Reply::created(shown).with("location", place))
}

fn list_statuses(call: &mut Call<'_>) -> Outcome {
    let (view, it) = (call.view()?, by_id(call)?);
    Ok(call.list(it.statuses.iter().rev().map(|status| view.deployment_status(it.id, status)).collect()))
}

fn get_status(call: &mut Call<'_>) -> Outcome {
    let (it, id) = (by_id(call)?, call.number("status_id")?);
    let status = it.statuses.iter().find(|status| status.id == id).ok_or_else(not_found)?;
    Ok(Reply::ok(call.view()?.deployment_status(it.id, status)))
}
