//! A Job that stays with a rollout: when the runner dies, and its lease runs out, it ends what the runner left.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use serde_json::json;

use super::Work;
use crate::cluster::{patiently, trouble};
use crate::target::TargetError;
use crate::target::kubernetes::Watchdog;
use crate::target::kubernetes::apply::told;
use crate::target::kubernetes::names::MANAGED_BY;

/// How long it is still to be seen when it is done.
const SHOWN: Duration = Duration::from_secs(3600);

impl Work {
    /// Leaves a watchdog; one that an earlier run left gives way.
    pub(in super::super) async fn post(&self, watchdog: &Watchdog) -> Result<(), TargetError> {
        self.recall().await?;
        let name = self.watchdog_name();
        let mut labels = self.home.labels();
        labels.insert(MANAGED_BY.to_owned(), "tidegate".to_owned());
        let metadata = ObjectMeta { name: Some(name.clone()), labels: Some(labels), ..ObjectMeta::default() };
        let data = Some(BTreeMap::from([("tidegate.yaml".to_owned(), watchdog.settings.clone())]));
        let map = ConfigMap { metadata: metadata.clone(), data, ..ConfigMap::default() };
        let (maps, options) = (self.api::<ConfigMap>(), PostParams::default());
        patiently(|| maps.create(&options, &map))
            .await
            .map_err(|error| told(trouble("create", &format!("ConfigMap {name}"), &error)))?;
        let job = self.job(metadata, watchdog)?;
        let jobs = self.api::<Job>();
        let posted = patiently(|| jobs.create(&options, &job)).await;
        posted.map(drop).map_err(|error| told(trouble("create", &format!("Job {name}"), &error)))
    }

    /// Takes the watchdog away.
    pub(in super::super) async fn recall(&self) -> Result<(), TargetError> {
        let (name, options) = (self.watchdog_name(), DeleteParams::background());
        let (jobs, maps) = (self.api::<Job>(), self.api::<ConfigMap>());
        let gone = |result: Result<(), kube::Error>, kind: &str| match result {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => other.map_err(|error| told(trouble("remove", &format!("{kind} {name}"), &error))),
        };
        gone(patiently(|| jobs.delete(&name, &options)).await.map(drop), "Job")?;
        gone(patiently(|| maps.delete(&name, &options)).await.map(drop), "ConfigMap")
    }

    fn watchdog_name(&self) -> String {
        format!("tidegate-{}-{}-watchdog", self.home.app, self.home.environment)
    }

    fn job(&self, metadata: ObjectMeta, watchdog: &Watchdog) -> Result<Job, TargetError> {
        let name = metadata.name.clone().unwrap_or_default();
        let command = [
            "/tidegate",
            "watchdog",
            &self.home.environment,
            "--namespace",
            &self.config.namespace,
            "--file",
            "/etc/tidegate/tidegate.yaml",
        ];
        let job = json!({
            "metadata": metadata,
            "spec": {
                "backoffLimit": 3,
                "activeDeadlineSeconds": watchdog.lasts.as_secs(),
                "ttlSecondsAfterFinished": SHOWN.as_secs(),
                "template": {
                    // Its pod is none of the app's: what is wrong with it says nothing of a release.
                    "metadata": { "labels": { MANAGED_BY: "tidegate" } },
                    "spec": {
                        "restartPolicy": "Never",
                        "serviceAccountName": watchdog.account,
                        "securityContext": { "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532 },
                        "containers": [{
                            "name": "tidegate",
                            "image": watchdog.image,
                            "command": command,
                            // Who the journal says has taken the rollout up.
                            "env": [{ "name": "USER", "value": "the watchdog" }],
                            "securityContext": {
                                "allowPrivilegeEscalation": false,
                                "readOnlyRootFilesystem": true,
                                "capabilities": { "drop": ["ALL"] },
                            },
                            "resources": {
                                "requests": { "cpu": "10m", "memory": "32Mi" },
                                "limits": { "memory": "256Mi" },
                            },
                            "volumeMounts": [{ "name": "settings", "mountPath": "/etc/tidegate", "readOnly": true }],
                        }],
                        "volumes": [{ "name": "settings", "configMap": { "name": name } }],
                    },
                },
            },
        });
        serde_json::from_value(job).map_err(|error| TargetError {
            code: "refused",
            sentence: format!("Job {name} cannot be described: {error}"),
            hint: None,
            fatal: true,
        })
    }
}
