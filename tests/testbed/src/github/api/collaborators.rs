//! Who may do what.

use serde_json::json;

use super::{Call, Endpoint, METADATA_READ, on};
use crate::github::reply::{Outcome, Reply, not_found};
use crate::github::world::repository::Role;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    on("repos/get-collaborator-permission-level", METADATA_READ, permission),
    on("repos/check-collaborator", METADATA_READ, check),
    on("repos/list-collaborators", METADATA_READ, list),
];

/// The role of a login: the owner has all, who is not known has what everybody has.
fn role(call: &Call<'_>, login: &str) -> Result<Role, crate::github::reply::Refusal> {
    let repository = call.repository()?;
    let everybody = if repository.private { Role::None } else { Role::Read };
    let known = repository.collaborators.iter().find(|(other, _)| other.eq_ignore_ascii_case(login));
    let owner = repository.owner.eq_ignore_ascii_case(login);
    Ok(known.map_or(if owner { Role::Admin } else { everybody }, |(_, role)| *role))
}

/// Every login counts as a user's, but for bots: GitHub says that they are none.
fn permission(call: &mut Call<'_>) -> Outcome {
    let login = call.param("username");
    if login.ends_with("[bot]") {
        return Err(Box::new(Reply::error(404, &format!("{login} is not a user"))));
    }
    let role = role(call, login)?;
    let user = call.view()?.collaborator(login, role);
    Ok(Reply::ok(json!({"permission": role.permission(), "role_name": role.name(), "user": user})))
}

fn check(call: &mut Call<'_>) -> Outcome {
    let known =
        call.repository()?.collaborators.keys().any(|it| it.eq_ignore_ascii_case(call.param("username")));
    if known { Ok(Reply::no_content()) } else { Err(not_found()) }
}

fn list(call: &mut Call<'_>) -> Outcome {
    let view = call.view()?;
    let least = match call.query("permission") {
        Some("admin") => Role::Admin,
        Some("maintain") => Role::Maintain,
        Some("push") => Role::Write,
        Some("triage") => Role::Triage,
        _ => Role::None,
    };
    let wanted = view.repository.collaborators.iter().filter(|(_, role)| **role >= least);
    Ok(call.list(wanted.map(|(login, role)| view.collaborator(login, *role)).collect()))
}
