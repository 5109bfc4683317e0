//! Refs and tags.

use serde_json::Value;

use super::{CONTENTS_READ, CONTENTS_WRITE, Call, Endpoint, METADATA_READ, on};
use crate::github::reply::{Outcome, Reply, not_found, unprocessable};
use crate::github::world::commit::history;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("git/get-ref", CONTENTS_READ, get),
    on("git/list-matching-refs", CONTENTS_READ, matching),
    on("git/create-ref", CONTENTS_WRITE, create),
    on("git/update-ref", CONTENTS_WRITE, update),
    on("git/delete-ref", CONTENTS_WRITE, delete),
    on("repos/list-tags", METADATA_READ, tags),
];

/// The full name of the ref in the path, which comes without `refs/`.
fn full(call: &Call<'_>) -> String {
    format!("refs/{}", call.param("ref"))
}

fn get(call: &mut Call<'_>) -> Outcome {
    let name = full(call);
    let view = call.view()?;
    let sha = view.repository.refs.get(&name).ok_or_else(not_found)?;
    Ok(Reply::ok(view.git_ref(&name, sha)))
}

fn matching(call: &mut Call<'_>) -> Outcome {
    let start = full(call);
    let view = call.view()?;
    let found = view.repository.refs.iter().filter(|(name, _)| name.starts_with(&start));
    Ok(call.list(found.map(|(name, sha)| view.git_ref(name, sha)).collect()))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let (name, sha) = (call.text("ref").unwrap_or_default(), call.text("sha").unwrap_or_default());
    let repository = call.repository_mut()?;
    if !name.starts_with("refs/") || name.matches('/').count() < 2 {
        return Err(unprocessable("Reference name must start with 'refs/' and have at least two slashes."));
    }
    if repository.refs.contains_key(&name) {
        return Err(unprocessable("Reference already exists"));
    }
    if !repository.commits.iter().any(|commit| commit.sha == sha) {
        return Err(unprocessable("Object does not exist"));
    }
    repository.point(&name, &sha);
    let shown = call.view()?.git_ref(&name, &sha);
    let place = shown["url"].as_str().unwrap_or_default().to_owned();
    Ok(Reply::created(shown).with("location", place))
}

fn update(call: &mut Call<'_>) -> Outcome {
    let (name, sha) = (full(call), call.text("sha").unwrap_or_default());
    let force = call.flag("force").unwrap_or(false);
    let repository = call.repository_mut()?;
    let Some(before) = repository.refs.get(&name) else {
        return Err(unprocessable("Reference does not exist"));
    };
    if !repository.commits.iter().any(|commit| commit.sha == sha) {
        return Err(unprocessable("Object does not exist"));
    }
    if !force && !history(&repository.commits, &sha).iter().any(|commit| commit.sha == *before) {
        return Err(unprocessable("Update is not a fast forward"));
    }
    repository.point(&name, &sha);
    Ok(Reply::ok(call.view()?.git_ref(&name, &sha)))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let name = full(call);
    let gone = call.repository_mut()?.refs.remove(&name);
    gone.map(|_| Reply::no_content()).ok_or_else(|| unprocessable("Reference does not exist"))
}

/// The last by name first, as GitHub lists them.
fn tags(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let tags = view.repository.refs.iter().rev();
    let tags = tags.filter_map(|(name, sha)| Some((name.strip_prefix("refs/tags/")?, sha)));
    let shown: Vec<Value> = tags.map(|(name, sha)| view.tag(name, sha)).collect();
    Ok(call.list(shown))
}
