//! Issues as such, and comments on issues and pull requests.

use jiff::Timestamp;

use super::{Call, Endpoint, ISSUES_READ, ISSUES_WRITE, on};
use crate::github::ids;
use crate::github::reply::{Outcome, Refusal, Reply, invalid, not_found};
use crate::github::world::issue::{Comment, Issue, LONGEST_BODY};
use crate::github::world::repository::Repository;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("issues/get", ISSUES_READ, get_issue),
    on("issues/list-comments", ISSUES_READ, list),
    on("issues/list-comments-for-repo", ISSUES_READ, list_all),
    on("issues/create-comment", ISSUES_WRITE, create),
    on("issues/get-comment", ISSUES_READ, get),
    on("issues/update-comment", ISSUES_WRITE, update),
    on("issues/delete-comment", ISSUES_WRITE, delete),
];

/// The issue of the path.
pub(super) fn issue<'a>(call: &'a Call<'_>) -> Result<&'a Issue, Refusal> {
    call.repository()?.issues.get(&call.number("issue_number")?).ok_or_else(not_found)
}

/// The issue of the path, to change it.
pub(super) fn issue_mut<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Issue, Refusal> {
    let number = call.number("issue_number")?;
    call.repository_mut()?.issues.get_mut(&number).ok_or_else(not_found)
}

/// The comment of the path, and the issue that it is on.
pub(super) fn comment<'a>(call: &'a Call<'_>) -> Result<(&'a Issue, &'a Comment), Refusal> {
    let id = call.number("comment_id")?;
    let mut all = comments(call.repository()?);
    all.find(|(_, comment)| comment.id == id).ok_or_else(not_found)
}

/// The comment of the path, to change it.
pub(super) fn comment_mut<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Comment, Refusal> {
    let id = call.number("comment_id")?;
    let mut all = call.repository_mut()?.issues.values_mut().flat_map(|issue| issue.comments.iter_mut());
    all.find(|comment| comment.id == id).ok_or_else(not_found)
}

fn comments(repository: &Repository) -> impl Iterator<Item = (&Issue, &Comment)> {
    repository.issues.values().flat_map(|issue| issue.comments.iter().map(move |comment| (issue, comment)))
}

fn get_issue(call: &mut Call<'_>) -> Outcome {
    Ok(Reply::ok(call.view()?.issue(issue(call)?)))
}

/// Whether a comment was changed at `since` or later.
fn recent(call: &Call<'_>, comment: &Comment) -> bool {
    let since = call.query("since").and_then(|text| text.parse::<Timestamp>().ok());
    since.is_none_or(|since| comment.updated >= since)
}

fn list(call: &mut Call<'_>) -> Outcome {
    let (view, issue) = (call.view()?, issue(call)?);
    let shown = issue.comments.iter().filter(|comment| recent(call, comment));
    Ok(call.list(shown.map(|comment| view.comment(issue, comment)).collect()))
}

fn list_all(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let mut all: Vec<_> = comments(view.repository).filter(|(_, comment)| recent(call, comment)).collect();
    match call.query("sort") {
        Some("updated") => all.sort_by_key(|(_, comment)| (comment.updated, comment.id)),
        _ => all.sort_by_key(|(_, comment)| comment.id),
    }
    if call.query("sort").is_some() && call.query("direction") == Some("desc") {
        all.reverse();
    }
    Ok(call.list(all.into_iter().map(|(issue, comment)| view.comment(issue, comment)).collect()))
}

/// The body of the request, when it can be a comment's.
fn body(call: &Call<'_>) -> Result<String, Refusal> {
    let refused = |message: &str| invalid("IssueComment", "data", "unprocessable", message);
    let body = call.text("body").unwrap_or_default();
    if body.trim().is_empty() {
        return Err(refused("Body cannot be blank"));
    }
    if body.chars().count() > LONGEST_BODY {
        return Err(refused(&format!("Body is too long (maximum is {LONGEST_BODY} characters)")));
    }
    Ok(body)
}

fn create(call: &mut Call<'_>) -> Outcome {
    issue(call)?;
    let body = body(call)?;
    let login = call.token.login.clone();
    issue_mut(call)?.add_comment(&login, &body);
    let (view, issue) = (call.view()?, issue(call)?);
    let made = issue.comments.last().ok_or_else(not_found)?;
    let shown = view.comment(issue, made);
    let place = shown["url"].as_str().unwrap_or_default().to_owned();
    Ok(Reply::created(shown).with("location", place))
}

fn get(call: &mut Call<'_>) -> Outcome {
    let (issue, comment) = comment(call)?;
    Ok(Reply::ok(call.view()?.comment(issue, comment)))
}

fn update(call: &mut Call<'_>) -> Outcome {
    comment(call)?;
    let body = body(call)?;
    let changed = comment_mut(call)?;
    changed.body = body;
    changed.updated = ids::now();
    get(call)
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let (issue, comment) = comment(call)?;
    let (number, id) = (issue.number, comment.id);
    if let Some(issue) = call.repository_mut()?.issues.get_mut(&number) {
        issue.comments.retain(|other| other.id != id);
    }
    Ok(Reply::no_content())
}
