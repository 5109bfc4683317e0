//! What the default branch says of an environment holds, whatever the commit says that a comment has deployed: where it is, what may go
//! there, and when.

use super::refusal;
use crate::cli::Common;
use crate::error::Error;
use crate::run::place::load;
use crate::settings::{EnvironmentSettings, Settings, TargetSettings};

/// Demands that a commit's own configuration, which `moved` leads to, does not say otherwise; gives that configuration.
///
/// # Errors
/// `other-bounds` when it does, and when it cannot be read.
pub(super) fn demand(
    here: &Settings,
    environment: &EnvironmentSettings,
    moved: &Common,
    commit: &str,
) -> Result<Settings, Error> {
    let there = its_own(moved)?;
    let name = &environment.name;
    let its = there.environment(name).ok();
    if its.is_some_and(|its| bounds(&there, its) == bounds(here, environment)) {
        return Ok(there);
    }
    let why = format!(
        "commit {commit} says otherwise than what is checked out where {name} is, what it takes, or when"
    );
    let hint = "`app`, `on`, `after`, `freeze`, namespace, kubeconfig, context and `oidc` are changed by a merge; a kubeconfig is named by its whole path";
    Err(refusal("other-bounds", &why, hint))
}

/// The same for previews, of which each pull request may say otherwise what they run, and not where.
///
/// # Errors
/// As [`demand`].
pub(super) fn demand_of_previews(here: &Settings, moved: &Common, commit: &str) -> Result<Settings, Error> {
    let there = its_own(moved)?;
    let bounds = |settings: &Settings| {
        let preview = settings.preview.as_ref()?;
        let its = preview.sample.preview.as_ref();
        let isolation = its.map(|its| &its.isolation);
        let server = its.and_then(|its| Some(&its.database.as_ref()?.server));
        let front = its.map(|its| (&its.front.access, &its.front.image));
        let life = (preview.ttl, preview.limit, preview.at_limit);
        let own = format!("{:?}", (&preview.name, life, isolation, server, front));
        Some((bounds(settings, &preview.sample), own))
    };
    if bounds(&there).is_some() && bounds(&there) == bounds(here) {
        return Ok(there);
    }
    let why =
        format!("commit {commit} says otherwise than what is checked out where previews are, and how many");
    let hint = "`app`, name, namespace, kubeconfig, context, `oidc`, isolation, `access`, `front`, the server of databases, `ttl` and `limit` are changed by a merge; a kubeconfig is named by its whole path";
    Err(refusal("other-bounds", &why, hint))
}

/// The configuration of that commit. Its lines are not those of what is checked out, nor is its commit the workflow's: nothing is shown at them.
fn its_own(moved: &Common) -> Result<Settings, Error> {
    load(moved).map_err(|error| Error { annotations: Vec::new(), ..error })
}

/// What must be the same, as text. A relative path is another one in another folder, and so is what lies there.
fn bounds(settings: &Settings, environment: &EnvironmentSettings) -> String {
    let place = match &environment.target {
        TargetSettings::Kubernetes(cluster) => {
            let reached = (&cluster.namespace, &cluster.kubeconfig, &cluster.context, &cluster.oidc);
            format!("{:?}", (reached, cluster.take_over))
        }
        TargetSettings::Local(local) => format!("{:?}", local.listen),
    };
    format!("{:?}", (&settings.app, &environment.on, &environment.after, &environment.freeze, place))
}
