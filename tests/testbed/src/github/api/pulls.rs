//! Pull requests.

use std::cmp::Reverse;

use super::{Call, Endpoint, PULLS_READ, on};
use crate::github::reply::{Outcome, Refusal, Reply, not_found};
use crate::github::view::View;
use crate::github::world::issue::Issue;
use crate::github::world::pull::Pull;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("pulls/list", PULLS_READ, list),
    on("pulls/get", PULLS_READ, get),
    on("pulls/list-files", PULLS_READ, files),
    on("pulls/list-commits", PULLS_READ, commits),
    on("pulls/list-reviews", PULLS_READ, reviews),
    on("repos/list-pull-requests-associated-with-commit", PULLS_READ, of_commit),
];

fn by_number<'a>(call: &'a Call<'_>) -> Result<(&'a Issue, &'a Pull), Refusal> {
    let issue = call.repository()?.issues.get(&call.number("pull_number")?).ok_or_else(not_found)?;
    Ok((issue, issue.pull.as_ref().ok_or_else(not_found)?))
}

fn all<'a>(view: &View<'a>) -> impl Iterator<Item = (&'a Issue, &'a Pull)> {
    view.repository.issues.values().filter_map(|issue| Some((issue, issue.pull.as_ref()?)))
}

fn list(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let own = view.repository.full_name();
    let fits = |(issue, pull): &(&Issue, &Pull)| {
        let state = match call.query("state").unwrap_or("open") {
            "all" => true,
            wanted => issue.open == (wanted == "open"),
        };
        let repository = if pull.head_repository.is_empty() { &own } else { &pull.head_repository };
        let owner = repository.split('/').next().unwrap_or_default();
        // GitHub takes no notice of a head without its owner.
        let head = call.query("head").filter(|head| head.contains(':'));
        state
            && head.is_none_or(|head| head == format!("{owner}:{}", pull.head))
            && call.query("base").is_none_or(|base| base == pull.base)
    };
    let mut found: Vec<_> = all(&view).filter(fits).collect();
    let sort = call.query("sort").unwrap_or("created");
    match sort {
        "updated" => found.sort_by_key(|(issue, _)| (issue.updated, issue.number)),
        "popularity" => found.sort_by_key(|(issue, _)| (issue.comments.len(), issue.number)),
        _ => found.sort_by_key(|(issue, _)| (issue.created, issue.number)),
    }
    let usual = if sort == "created" { "desc" } else { "asc" };
    if call.query("direction").unwrap_or(usual) == "desc" {
        found.reverse();
    }
    Ok(call.list(found.into_iter().map(|(issue, pull)| view.pull_in_list(issue, pull)).collect()))
}

fn get(call: &mut Call<'_>) -> Outcome {
    let (issue, pull) = by_number(call)?;
    Ok(Reply::ok(call.view()?.pull(issue, pull)))
}

fn files(call: &mut Call<'_>) -> Outcome {
    let (view, (_, pull)) = (call.view()?, by_number(call)?);
    Ok(call.list(pull.files.iter().map(|file| view.changed_file(pull, file)).collect()))
}

fn commits(call: &mut Call<'_>) -> Outcome {
    let (view, (_, pull)) = (call.view()?, by_number(call)?);
    Ok(call.list(view.commits_of(pull).into_iter().map(|commit| view.commit(commit)).collect()))
}

fn reviews(call: &mut Call<'_>) -> Outcome {
    let (view, (issue, pull)) = (call.view()?, by_number(call)?);
    Ok(call.list(pull.reviews.iter().map(|review| view.review(issue.number, review)).collect()))
}

/// Those that brought the commit, or have it: by head, by merge commit, by their commits.
fn of_commit(call: &mut Call<'_>) -> Outcome {
    let sha = call.commit(call.param("commit_sha"))?.sha.clone();
    let view = call.view()?;
    let has = |(_, pull): &(&Issue, &Pull)| {
        pull.head_sha == sha
            || pull.merged.as_ref().is_some_and(|(merge, _)| *merge == sha)
            || view.commits_of(pull).iter().any(|commit| commit.sha == sha)
    };
    let mut found: Vec<_> = all(&view).filter(has).collect();
    found.sort_by_key(|(issue, _)| Reverse(issue.number));
    Ok(call.list(found.into_iter().map(|(issue, pull)| view.pull_in_list(issue, pull)).collect()))
}
