//! Branches.

use super::{CONTENTS_READ, Call, Endpoint, on};
use crate::github::reply::{Outcome, Reply};

pub(super) const ENDPOINTS: &[Endpoint] =
    &[on("repos/list-branches", CONTENTS_READ, list), on("repos/get-branch", CONTENTS_READ, get)];

fn list(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let protected = call.query("protected").and_then(|text| text.parse::<bool>().ok());
    let branches = view.repository.refs.iter();
    let branches = branches.filter_map(|(name, sha)| Some((name.strip_prefix("refs/heads/")?, sha)));
    let wanted = branches.filter(|(name, _)| {
        protected.is_none_or(|protected| view.repository.protected.contains(*name) == protected)
    });
    Ok(call.list(wanted.map(|(name, sha)| view.short_branch(name, sha)).collect()))
}

fn get(call: &mut Call<'_>) -> Outcome {
    let (view, name) = (call.view()?, call.param("branch"));
    let sha = view.repository.refs.get(&format!("refs/heads/{name}"));
    let commit = sha.and_then(|sha| view.repository.resolve(sha));
    let commit = commit.ok_or_else(|| Box::new(Reply::error(404, "Branch not found")))?;
    Ok(Reply::ok(view.branch(name, commit)))
}
