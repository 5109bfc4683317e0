//! The operations that are acted out.

mod activity;
mod branches;
mod call;
mod checks;
mod collaborators;
mod comments;
mod commits;
mod contents;
mod deployments;
mod environments;
mod labels;
mod pulls;
mod reactions;
mod refs;
mod releases;
mod repositories;
mod statuses;

pub(crate) use call::Call;

use super::reply::Outcome;
use super::tokens::{Area, Level, Need};

/// One operation that is acted out.
pub(crate) struct Endpoint {
    /// Its id in the description.
    pub(crate) id: &'static str,
    /// Permissions of which one opens it; none when it is open to every token.
    pub(crate) needs: &'static [Need],
    pub(crate) act: fn(&mut Call<'_>) -> Outcome,
}

/// An operation that one permission opens.
const fn on(id: &'static str, needs: &'static [Need], act: fn(&mut Call<'_>) -> Outcome) -> Endpoint {
    Endpoint { id, needs, act }
}

const ACTIONS_READ: &[Need] = &[Need(Area::Actions, Level::Read)];
const ADMINISTRATION_WRITE: &[Need] = &[Need(Area::Administration, Level::Write)];
const CHECKS_READ: &[Need] = &[Need(Area::Checks, Level::Read)];
const CHECKS_WRITE: &[Need] = &[Need(Area::Checks, Level::Write)];
const CONTENTS_READ: &[Need] = &[Need(Area::Contents, Level::Read)];
const CONTENTS_WRITE: &[Need] = &[Need(Area::Contents, Level::Write)];
const DEPLOYMENTS_READ: &[Need] = &[Need(Area::Deployments, Level::Read)];
const DEPLOYMENTS_WRITE: &[Need] = &[Need(Area::Deployments, Level::Write)];
/// Pull requests are issues, and either permission opens what both have.
const ISSUES_READ: &[Need] = &[Need(Area::Issues, Level::Read), Need(Area::PullRequests, Level::Read)];
const ISSUES_WRITE: &[Need] = &[Need(Area::Issues, Level::Write), Need(Area::PullRequests, Level::Write)];
const METADATA_READ: &[Need] = &[Need(Area::Metadata, Level::Read)];
const PULLS_READ: &[Need] = &[Need(Area::PullRequests, Level::Read)];
const STATUSES_READ: &[Need] = &[Need(Area::Statuses, Level::Read)];
const STATUSES_WRITE: &[Need] = &[Need(Area::Statuses, Level::Write)];

const ALL: &[&[Endpoint]] = &[
    activity::ENDPOINTS,
    branches::ENDPOINTS,
    checks::ENDPOINTS,
    collaborators::ENDPOINTS,
    comments::ENDPOINTS,
    commits::ENDPOINTS,
    contents::ENDPOINTS,
    deployments::ENDPOINTS,
    environments::ENDPOINTS,
    labels::ENDPOINTS,
    pulls::ENDPOINTS,
    reactions::ENDPOINTS,
    refs::ENDPOINTS,
    releases::ENDPOINTS,
    repositories::ENDPOINTS,
    statuses::ENDPOINTS,
];

/// How an operation is acted out; `None` when it is not.
pub(crate) fn endpoint(id: &str) -> Option<&'static Endpoint> {
    ALL.iter().copied().flatten().find(|endpoint| endpoint.id == id)
}

/// The ids of all operations that are acted out.
pub(crate) fn acted_out() -> impl Iterator<Item = &'static str> {
    ALL.iter().copied().flatten().map(|endpoint| endpoint.id)
}
