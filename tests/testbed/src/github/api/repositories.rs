//! The repository, who asks, what they have left, and runs of workflows.

use serde_json::{Value, json};

use super::{ACTIONS_READ, Call, Endpoint, METADATA_READ, on};
use crate::github::reply::{Outcome, Reply, forbidden, not_found};
use crate::github::view::account;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("repos/get", METADATA_READ, get),
    on("users/get-authenticated", &[], who),
    on("rate-limit/get", &[], rate_limit),
    on("actions/get-workflow-run", ACTIONS_READ, run),
];

fn get(call: &mut Call<'_>) -> Outcome {
    Ok(Reply::ok(call.view()?.full_repository()))
}

/// An installation is no user.
fn who(call: &mut Call<'_>) -> Outcome {
    if call.token.app.is_some() {
        return Err(forbidden("Resource not accessible by integration"));
    }
    Ok(Reply::ok(account(call.base, &call.token.login)))
}

fn rate_limit(call: &mut Call<'_>) -> Outcome {
    let it = call.budget;
    let core = json!({"limit": it.limit, "remaining": it.remaining, "reset": it.reset, "used": it.used()});
    let search = json!({"limit": 30, "remaining": 30, "reset": it.reset, "used": 0});
    Ok(Reply::ok(json!({"resources": {"core": core, "search": search}, "rate": core})))
}

fn run(call: &mut Call<'_>) -> Outcome {
    let id = call.number("run_id")?;
    let view = call.view()?;
    let run = view.repository.runs.iter().find(|run| run.id == id).ok_or_else(not_found)?;
    let mut shown = view.run(run);
    if call.query("exclude_pull_requests") == Some("true") {
        shown["pull_requests"] = Value::Array(Vec::new());
    }
    Ok(Reply::ok(shown))
}
