//! Commits and comparisons.

use jiff::Timestamp;

use super::{CONTENTS_READ, Call, Endpoint, on};
use crate::github::reply::{Body, Outcome, Reply, not_found};
use crate::github::world::commit::history;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("repos/get-commit", CONTENTS_READ, get),
    on("repos/list-commits", CONTENTS_READ, list),
    on("repos/compare-commits-with-basehead", CONTENTS_READ, compare),
];

fn get(call: &mut Call<'_>) -> Outcome {
    let commit = call.commit(call.param("ref"))?;
    if call.accept.contains("application/vnd.github.sha") {
        let body = Body::Raw("application/vnd.github.sha; charset=utf-8", commit.sha.clone().into_bytes());
        return Ok(Reply { status: 200, headers: Vec::new(), body });
    }
    Ok(Reply::ok(call.view()?.commit(commit)))
}

/// From `sha`, else the default branch, back. Paths are not known for commits, so `path` leaves all in.
fn list(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let start = call.query("sha").unwrap_or(&view.repository.default_branch);
    let start = view.repository.resolve(start).ok_or_else(not_found)?;
    let time = |name: &str| call.query(name).and_then(|text| text.parse::<Timestamp>().ok());
    let wanted = history(&view.repository.commits, &start.sha).into_iter().filter(|commit| {
        time("since").is_none_or(|since| commit.date >= since)
            && time("until").is_none_or(|until| commit.date <= until)
            && call.query("author").is_none_or(|author| commit.author == author)
            && call.query("committer").is_none_or(|committer| commit.author == committer)
    });
    Ok(call.list(wanted.map(|commit| view.commit(commit)).collect()))
}

fn compare(call: &mut Call<'_>) -> Outcome {
    let spelled = call.param("basehead");
    let (base, head) = spelled.split_once("...").ok_or_else(not_found)?;
    let view = call.view()?;
    // A side may be `owner:branch`.
    let side = |name: &str| view.repository.resolve(name.rsplit(':').next().unwrap_or(name));
    let (base, head) = (side(base).ok_or_else(not_found)?, side(head).ok_or_else(not_found)?);
    Ok(Reply::ok(view.comparison(base, head, spelled)))
}
