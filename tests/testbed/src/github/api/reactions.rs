//! Reactions to issues and comments.

use serde_json::Value;

use super::comments::{comment, comment_mut, issue, issue_mut};
use super::{Call, Endpoint, ISSUES_READ, ISSUES_WRITE, on};
use crate::github::reply::{Outcome, Reply, not_found};
use crate::github::world::issue::{Reaction, react};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("reactions/create-for-issue-comment", ISSUES_WRITE, create_on_comment),
    on("reactions/list-for-issue-comment", ISSUES_READ, list_on_comment),
    on("reactions/delete-for-issue-comment", ISSUES_WRITE, delete_on_comment),
    on("reactions/create-for-issue", ISSUES_WRITE, create_on_issue),
    on("reactions/list-for-issue", ISSUES_READ, list_on_issue),
    on("reactions/delete-for-issue", ISSUES_WRITE, delete_on_issue),
];

/// 201 for a new one, 200 for one that was there.
fn made(call: &Call<'_>, (reaction, new): (Reaction, bool)) -> Outcome {
    Ok(Reply::json(if new { 201 } else { 200 }, call.view()?.reaction(&reaction)))
}

fn listed(call: &Call<'_>, all: &[Reaction]) -> Outcome {
    let view = call.view()?;
    let wanted = all.iter().filter(|it| call.query("content").is_none_or(|content| it.content == content));
    let shown: Vec<Value> = wanted.map(|it| view.reaction(it)).collect();
    Ok(call.list(shown))
}

fn removed(all: &mut Vec<Reaction>, id: u64) -> Outcome {
    let at = all.iter().position(|it| it.id == id).ok_or_else(not_found)?;
    all.remove(at);
    Ok(Reply::no_content())
}

fn create_on_comment(call: &mut Call<'_>) -> Outcome {
    let (login, content) = (call.token.login.clone(), call.text("content").unwrap_or_default());
    let outcome = react(&mut comment_mut(call)?.reactions, &login, &content);
    made(call, outcome)
}

fn list_on_comment(call: &mut Call<'_>) -> Outcome {
    listed(call, &comment(call)?.1.reactions)
}

fn delete_on_comment(call: &mut Call<'_>) -> Outcome {
    let id = call.number("reaction_id")?;
    removed(&mut comment_mut(call)?.reactions, id)
}

fn create_on_issue(call: &mut Call<'_>) -> Outcome {
    let (login, content) = (call.token.login.clone(), call.text("content").unwrap_or_default());
    let outcome = react(&mut issue_mut(call)?.reactions, &login, &content);
    made(call, outcome)
}

fn list_on_issue(call: &mut Call<'_>) -> Outcome {
    listed(call, &issue(call)?.reactions)
}

fn delete_on_issue(call: &mut Call<'_>) -> Outcome {
    let id = call.number("reaction_id")?;
    removed(&mut issue_mut(call)?.reactions, id)
}
