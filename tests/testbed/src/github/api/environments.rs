//! Environments.

use super::{ACTIONS_READ, ADMINISTRATION_WRITE, Call, Endpoint, on};
use crate::github::ids;
use crate::github::reply::{Outcome, Reply, not_found, unprocessable};
use crate::github::world::deployment::Environment;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("repos/get-all-environments", ACTIONS_READ, list),
    on("repos/get-environment", ACTIONS_READ, get),
    on("repos/create-or-update-environment", ADMINISTRATION_WRITE, put),
    on("repos/delete-an-environment", ADMINISTRATION_WRITE, delete),
];

fn list(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let all = view.repository.environments.values();
    Ok(call.counted("environments", all.map(|it| view.environment(it)).collect()))
}

fn get(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let found = view.repository.environments.get(call.param("environment_name")).ok_or_else(not_found)?;
    Ok(Reply::ok(view.environment(found)))
}

/// Reviewers are taken by id from the collaborators, as that is all that a request says of them.
fn put(call: &mut Call<'_>) -> Outcome {
    let name = call.param("environment_name").to_owned();
    let body = call.body;
    let repository = call.repository_mut()?;
    let mut it = repository.environments.get(&name).cloned().unwrap_or_else(|| Environment::new(&name));
    it.wait_timer = body["wait_timer"].as_u64().unwrap_or(0);
    it.prevent_self_review = body["prevent_self_review"] == true;
    it.branch_policy = body["deployment_branch_policy"].clone();
    it.reviewers.clear();
    for reviewer in body["reviewers"].as_array().into_iter().flatten() {
        let known = repository.collaborators.keys().find(|login| reviewer["id"] == ids::of(login));
        let login = known.ok_or_else(|| unprocessable("Reviewer is not a collaborator."))?;
        it.reviewers.push(login.clone());
    }
    it.updated = ids::now();
    repository.environments.insert(name, it.clone());
    Ok(Reply::ok(call.view()?.environment(&it)))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let name = call.param("environment_name").to_owned();
    let gone = call.repository_mut()?.environments.remove(&name);
    gone.map(|_| Reply::no_content()).ok_or_else(not_found)
}
