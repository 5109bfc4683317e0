//! Deployments and their statuses.

use serde_json::{Value, json};

use super::{View, user};
use crate::github::ids;
use crate::github::world::deployment::{Deployment, DeploymentStatus};

impl View<'_> {
    pub(crate) fn deployment(&self, it: &Deployment) -> Value {
        let url = self.api(&format!("deployments/{}", it.id));
        json!({
            "url": url,
            "id": it.id,
            "node_id": ids::node("DE", it.id),
            "sha": it.sha,
            "ref": it.git_ref,
            "task": it.task,
            "payload": it.payload,
            "original_environment": it.original_environment,
            "environment": it.environment,
            "description": it.description,
            "creator": user(self.base, &it.creator),
            "created_at": it.created.to_string(),
            "updated_at": it.updated.to_string(),
            "statuses_url": format!("{url}/statuses"),
            "repository_url": self.home(),
            "transient_environment": it.transient,
            "production_environment": it.production,
            "performed_via_github_app": null,
        })
    }

    pub(crate) fn deployment_status(&self, deployment: u64, it: &DeploymentStatus) -> Value {
        let deployment = self.api(&format!("deployments/{deployment}"));
        json!({
            "url": format!("{deployment}/statuses/{}", it.id),
            "id": it.id,
            "node_id": ids::node("DES", it.id),
            "state": it.state,
            "creator": user(self.base, &it.creator),
            "description": it.description,
            "environment": it.environment,
            // The older name of the same address.
            "target_url": it.log_url,
            "log_url": it.log_url,
            "environment_url": it.environment_url,
            "created_at": it.created.to_string(),
            "updated_at": it.created.to_string(),
            "deployment_url": deployment,
            "repository_url": self.home(),
            "performed_via_github_app": null,
        })
    }
}
