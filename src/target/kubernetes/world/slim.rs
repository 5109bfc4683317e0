//! Of what is watched only what a rollout looks at is kept: with a thousand workloads, the rest would be most of the memory.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{
    Container, ContainerStatus, Pod, PodSpec, PodStatus, PodTemplateSpec, Service,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::DynamicObject;

/// What can do without parts of itself.
pub(super) trait Slim {
    /// Drops what nobody looks at.
    fn slim(&mut self);
}

impl Slim for Pod {
    fn slim(&mut self) {
        self.spec = self.spec.take().map(|spec| PodSpec {
            node_name: spec.node_name,
            readiness_gates: spec.readiness_gates,
            containers: spec.containers.into_iter().map(asked).collect(),
            ..PodSpec::default()
        });
        self.status = self.status.take().map(|status| PodStatus {
            conditions: status.conditions,
            container_statuses: status.container_statuses.map(runs),
            init_container_statuses: status.init_container_statuses.map(runs),
            message: status.message,
            phase: status.phase,
            reason: status.reason,
            start_time: status.start_time,
            ..PodStatus::default()
        });
    }
}

/// How a container is asked for its health and its counts.
fn asked(container: Container) -> Container {
    Container {
        name: container.name,
        ports: container.ports,
        liveness_probe: container.liveness_probe,
        readiness_probe: container.readiness_probe,
        startup_probe: container.startup_probe,
        ..Container::default()
    }
}

fn runs(statuses: Vec<ContainerStatus>) -> Vec<ContainerStatus> {
    let run = |status: ContainerStatus| ContainerStatus {
        image: status.image,
        last_state: status.last_state,
        name: status.name,
        ready: status.ready,
        restart_count: status.restart_count,
        started: status.started,
        state: status.state,
        ..ContainerStatus::default()
    };
    statuses.into_iter().map(run).collect()
}

/// Of a template its labels tell whose pods it makes.
fn labels_only(template: &mut PodTemplateSpec) {
    template.spec = None;
}

impl Slim for Deployment {
    fn slim(&mut self) {
        self.spec.iter_mut().for_each(|spec| labels_only(&mut spec.template));
    }
}

impl Slim for ReplicaSet {
    fn slim(&mut self) {
        self.spec.iter_mut().filter_map(|spec| spec.template.as_mut()).for_each(labels_only);
    }
}

impl Slim for StatefulSet {
    fn slim(&mut self) {
        if let Some(spec) = &mut self.spec {
            labels_only(&mut spec.template);
            spec.volume_claim_templates = None;
        }
    }
}

impl Slim for DaemonSet {
    fn slim(&mut self) {
        self.spec.iter_mut().for_each(|spec| labels_only(&mut spec.template));
    }
}

impl Slim for Service {
    fn slim(&mut self) {}
}

impl Slim for EndpointSlice {
    fn slim(&mut self) {}
}

/// An object of a router, which is translated whole.
impl Slim for DynamicObject {
    fn slim(&mut self) {}
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::target::kubernetes::diagnose::{Evidence, Graces, cause};

    /// A pod with everything that a diagnosis goes by, beside what it does not.
    fn pod(status: &Value) -> Pod {
        let mut all = json!({
            "metadata": { "name": "shop-1" },
            "spec": {
                "nodeName": "node1",
                "volumes": [{ "name": "token" }],
                "containers": [{
                    "name": "app", "image": "shop:1", "env": [{ "name": "A", "value": "b" }],
                    "readinessProbe": { "httpGet": { "path": "/health", "port": 8080 }, "periodSeconds": 1 },
                }],
            },
            "status": {
                "startTime": "2026-01-01T00:00:01Z", "podIP": "10.0.0.1",
                "conditions": [
                    { "type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" },
                    { "type": "ContainersReady", "status": "False", "lastTransitionTime": "2026-01-01T00:00:02Z" },
                ],
            },
        });
        for (name, value) in status.as_object().unwrap() {
            all["status"][name] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn what_is_kept_of_a_pod_is_enough_for_every_diagnosis() {
        let container = |more: Value| {
            let mut one = json!({ "name": "app", "image": "shop:1", "imageID": "x", "ready": false, "restartCount": 0 });
            one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "containerStatuses": [one] })
        };
        let waiting = |reason: &str| {
            container(json!({ "state": { "waiting": { "reason": reason, "message": "not found" } } }))
        };
        let ended = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
        let unready =
            json!({ "started": true, "state": { "running": { "startedAt": "2026-01-01T00:00:02Z" } } });
        let never = json!([{ "type": "PodScheduled", "status": "False", "message": "no room",
            "lastTransitionTime": "2026-01-01T00:00:00Z" }]);
        let statuses = [
            (json!({}), None),
            (json!({ "startTime": null }), Some("node-silent")),
            (json!({ "conditions": never, "startTime": null }), Some("unschedulable")),
            (json!({ "reason": "Evicted", "message": "memory" }), Some("evicted")),
            (container(unready), Some("unready")),
            (
                container(json!({ "restartCount": 3, "state": ended, "lastState": ended })),
                Some("out-of-memory"),
            ),
            (waiting("ErrImagePull"), Some("image-absent")),
            (waiting("InvalidImageName"), Some("bad-image-name")),
            (waiting("CreateContainerConfigError"), Some("configuration-missing")),
        ];
        let now: Timestamp = "2026-01-01T00:05:00Z".parse().unwrap();
        for (status, code) in statuses {
            let whole = pod(&status);
            let mut slim = whole.clone();
            slim.slim();
            let of =
                |pod: &Pod| cause(Evidence { pods: &[pod], ..Evidence::default() }, &Graces::default(), now);
            assert_eq!(of(&whole).map(|cause| cause.code), code, "{status}");
            assert_eq!(of(&slim), of(&whole), "{status}");
            assert!(slim.spec.is_some_and(|spec| spec.volumes.is_none()), "{status}");
        }
    }
}
