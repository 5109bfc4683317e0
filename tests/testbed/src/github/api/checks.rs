//! Check runs, annotations and check suites.

use serde_json::{Value, json};

use super::{CHECKS_READ, CHECKS_WRITE, Call, Endpoint, on};
use crate::github::ids;
use crate::github::reply::{
    Outcome, Refusal, Reply, forbidden, invalid, not_found, unprocessable, web_address,
};
use crate::github::world::check::CheckRun;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("checks/create", CHECKS_WRITE, create),
    on("checks/update", CHECKS_WRITE, update),
    on("checks/get", CHECKS_READ, get),
    on("checks/list-for-ref", CHECKS_READ, list_for_ref),
    on("checks/list-annotations", CHECKS_READ, annotations),
    on("checks/rerequest-run", CHECKS_WRITE, rerequest),
    on("checks/get-suite", CHECKS_READ, suite),
    on("checks/list-suites-for-ref", CHECKS_READ, suites_for_ref),
    on("checks/list-for-suite", CHECKS_READ, list_for_suite),
];

/// The app of the token: nobody else makes check runs.
fn app(call: &Call<'_>) -> Result<String, Refusal> {
    call.token.app.clone().ok_or_else(|| forbidden("You must authenticate via a GitHub App."))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let app = app(call)?;
    let sha = call.text("head_sha").unwrap_or_default();
    if !call.repository()?.commits.iter().any(|commit| commit.sha == sha) {
        return Err(unprocessable(&format!("No commit found for SHA: {sha}")));
    }
    acceptable(call.body)?;
    let mut run = CheckRun::new(&app, &call.text("name").unwrap_or_default(), &sha);
    run.apply(call.body);
    call.repository_mut()?.check_runs.push(run.clone());
    Ok(Reply::created(call.view()?.check_run(&run)))
}

/// What the description says in prose only: what ends must say how, only GitHub calls a run stale, and the texts of an
/// annotation have their lengths.
fn acceptable(body: &Value) -> Result<(), Refusal> {
    const LONGEST_TITLE: usize = 255;
    const LARGEST_TEXT: usize = 64 * 1024;
    let ended = body["status"] == "completed" || body.get("completed_at").is_some();
    if ended && body.get("conclusion").is_none() {
        return Err(unprocessable("Invalid request.\n\n\"conclusion\" wasn't supplied."));
    }
    if body["conclusion"] == "stale" {
        return Err(unprocessable("Only GitHub can change a check run conclusion to stale."));
    }
    web_address("CheckRun", "details_url", body["details_url"].as_str())?;
    for annotation in body["output"]["annotations"].as_array().into_iter().flatten() {
        let text = |name: &str| annotation[name].as_str().unwrap_or_default();
        let too_long = text("title").chars().count() > LONGEST_TITLE
            || text("message").len() > LARGEST_TEXT
            || text("raw_details").len() > LARGEST_TEXT;
        if too_long {
            return Err(invalid("CheckRun", "annotations", "custom", "A text of an annotation is too long."));
        }
    }
    Ok(())
}

fn update(call: &mut Call<'_>) -> Outcome {
    let app = app(call)?;
    let id = call.number("check_run_id")?;
    let known = call.repository()?.check_run_by_id(id).ok_or_else(not_found)?;
    if known.app != app {
        return Err(forbidden(&format!(
            "Invalid app_id `{}` - check run can only be modified by the GitHub App that created it.",
            ids::app(&app)
        )));
    }
    acceptable(call.body)?;
    let body = call.body;
    let run = call.repository_mut()?.check_runs.iter_mut().find(|run| run.id == id).ok_or_else(not_found)?;
    run.apply(body);
    let run = run.clone();
    Ok(Reply::ok(call.view()?.check_run(&run)))
}

fn by_id<'a>(call: &'a Call<'_>) -> Result<&'a CheckRun, Refusal> {
    call.repository()?.check_run_by_id(call.number("check_run_id")?).ok_or_else(not_found)
}

fn get(call: &mut Call<'_>) -> Outcome {
    Ok(Reply::ok(call.view()?.check_run(by_id(call)?)))
}

fn annotations(call: &mut Call<'_>) -> Outcome {
    let (view, run) = (call.view()?, by_id(call)?);
    Ok(call.list(run.annotations.iter().map(|said| view.annotation(run, said)).collect()))
}

/// The check run itself stays as it is; its app is told and decides.
fn rerequest(call: &mut Call<'_>) -> Outcome {
    let id = call.number("check_run_id")?;
    let run = call.repository_mut()?.check_runs.iter_mut().find(|run| run.id == id).ok_or_else(not_found)?;
    run.rerequested += 1;
    Ok(Reply::created(json!({})))
}

/// The newest check run of each app and name, the newest first.
fn latest<'a>(runs: impl DoubleEndedIterator<Item = &'a CheckRun>) -> Vec<&'a CheckRun> {
    let mut found: Vec<&CheckRun> = Vec::new();
    for run in runs.rev() {
        if !found.iter().any(|other| other.app == run.app && other.name == run.name) {
            found.push(run);
        }
    }
    found
}

/// `runs` as the query wants them, the newest first.
fn filtered<'a>(call: &Call<'_>, runs: impl DoubleEndedIterator<Item = &'a CheckRun>) -> Vec<&'a CheckRun> {
    let all = call.query("filter") == Some("all");
    let mut runs: Vec<&CheckRun> = if all { runs.rev().collect() } else { latest(runs) };
    runs.retain(|run| {
        call.query("check_name").is_none_or(|name| run.name == name)
            && call.query("status").is_none_or(|status| run.status == status)
    });
    runs
}

fn wanted_app(call: &Call<'_>) -> Option<u64> {
    call.query("app_id").and_then(|id| id.parse().ok())
}

fn list_for_ref(call: &mut Call<'_>) -> Outcome {
    let sha = call.commit(call.param("ref"))?.sha.clone();
    let view = call.view()?;
    let runs = filtered(call, view.repository.check_runs.iter().filter(|run| run.head_sha == sha));
    let shown: Vec<Value> = runs.into_iter().map(|run| view.check_run(run)).collect();
    let wanted = wanted_app(call);
    let of_app = |run: &Value| wanted.is_none_or(|id| run["app"]["id"] == id);
    Ok(call.counted("check_runs", shown.into_iter().filter(of_app).collect()))
}

fn list_for_suite(call: &mut Call<'_>) -> Outcome {
    let id = call.number("check_suite_id")?;
    let view = call.view()?;
    let runs = filtered(call, view.repository.check_runs.iter().filter(|run| run.suite == id));
    Ok(call.counted("check_runs", runs.into_iter().map(|run| view.check_run(run)).collect()))
}

fn suite(call: &mut Call<'_>) -> Outcome {
    let id = call.number("check_suite_id")?;
    let view = call.view()?;
    let runs = latest(view.repository.check_runs.iter().filter(|run| run.suite == id));
    view.check_suite(id, &runs).map(Reply::ok).ok_or_else(not_found)
}

fn suites_for_ref(call: &mut Call<'_>) -> Outcome {
    let sha = call.commit(call.param("ref"))?.sha.clone();
    let view = call.view()?;
    let here = || view.repository.check_runs.iter().filter(|run| run.head_sha == sha);
    let mut ids: Vec<u64> = here().map(|run| run.suite).collect();
    ids.sort_unstable();
    ids.dedup();
    let shown =
        ids.into_iter().filter_map(|id| view.check_suite(id, &latest(here().filter(|run| run.suite == id))));
    let wanted = (wanted_app(call), call.query("check_name"));
    let fits = |suite: &Value| {
        wanted.0.is_none_or(|id| suite["app"]["id"] == id)
            && wanted.1.is_none_or(|name| here().any(|run| suite["id"] == run.suite && run.name == name))
    };
    Ok(call.counted("check_suites", shown.filter(fits).collect()))
}
