//! Events by their names: <https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows>.

use super::payload::shown;
use super::{Intent, Occasion, deploy, nothing, order};
use crate::settings::EnvironmentSettings;

/// What the event itself asks for.
pub(super) fn by_event(occasion: &Occasion<'_>, all: &[EnvironmentSettings]) -> Intent {
    match occasion.name {
        "push" => deploy::pushed(occasion, all),
        "pull_request" => deploy::pull_request(occasion, all),
        "merge_group" => deploy::merge_group(occasion, all),
        "workflow_run" => deploy::workflow_run(occasion, all),
        "workflow_dispatch" => order::by_dispatch(occasion, "/inputs", all),
        "repository_dispatch" => order::by_dispatch(occasion, "/client_payload", all),
        "issue_comment" => order::by_comment(occasion, all),
        "schedule" => Intent::Sweep,
        // It has the secrets of this repository, and its payload is written by whoever opened the pull request.
        "pull_request_target" => nothing(
            "`pull_request_target` has this repository's secrets: nothing of a pull request is used with them",
        ),
        "create" | "release" => {
            nothing(format!("`{}` deploys nothing: the push of the branch or tag does", occasion.name))
        }
        "delete" => nothing("a branch or tag was deleted, and what is deployed stays"),
        "" => nothing("no event is named: GITHUB_EVENT_NAME is empty"),
        other => nothing(format!("the event `{}` asks for nothing", shown(other))),
    }
}
