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
