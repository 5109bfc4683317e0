//! Which Services stand for which release, for who counts what a router leads to them.

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use super::Instance;
use crate::rollout::ReleaseId;
use crate::target::kubernetes::names::{MANAGED_BY, RELEASE, service_of};
use crate::target::kubernetes::view::{Frame, pinned};
use crate::target::kubernetes::world::Snapshot;

/// The Service of the rollout, for the stable release while it is held to that, and those that other releases have for the time of a rollout.
/// Of other Services of the app nothing is counted: no release is compared by what goes to them.
pub(in super::super) fn led_to(snapshot: &Snapshot, frame: &Frame) -> Vec<Instance> {
    let Some(main) = frame.shape.service.as_deref() else { return Vec::new() };
    let stands_for = |service: &Service| {
        if service.name_any() == main {
            // Held to the candidate it still tells what the stable release has answered through it.
            return pinned(service).filter(|release| frame.stable.as_ref() == Some(release));
        }
        let release = service.labels().get(RELEASE).map(ReleaseId::new)?;
        let is_made = service.labels().get(MANAGED_BY).is_some_and(|by| by == "tidegate");
        (is_made && service.name_any() == service_of(main, &release)).then_some(release)
    };
    let led_to = snapshot.services.iter().filter_map(|service| {
        let (release, uid) = (stands_for(service)?, service.metadata.uid.clone()?);
        Some(Instance { pod: service.name_any(), uid, release, offer: None, ports: ports(service) })
    });
    led_to.collect()
}

/// By what a router may call a port.
fn ports(service: &Service) -> Vec<String> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    ports.flat_map(|port| std::iter::once(port.port.to_string()).chain(port.name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::target::kubernetes::bundle::Shape;

    #[test]
    fn only_what_the_router_divides_stands_for_a_release() {
        let service = |name: &str, labels: Value, selector: Value| -> Arc<Service> {
            let text = json!({ "metadata": { "name": name, "uid": name, "labels": labels }, "spec": { "selector": selector } });
            Arc::new(serde_json::from_value(text).unwrap())
        };
        let label = |release: &str| json!({ RELEASE: release });
        let made = |release: &str| json!({ RELEASE: release, MANAGED_BY: "tidegate" });
        let with = |held: &str| Snapshot {
            services: vec![
                service("web", label("old"), json!({ "app": "web", RELEASE: held })),
                service("web-new", made("new"), json!({ "app": "web", RELEASE: "new" })),
                // Another Service of the app, and one that somebody else calls like ours.
                service("api", label("old"), json!({ "app": "api" })),
                service("web-other", label("other"), json!({ "app": "web" })),
            ],
            ..Snapshot::default()
        };
        let shape = Shape { service: Some("web".to_owned()), ..Shape::default() };
        let frame = Frame { shape, stable: Some(ReleaseId::new("old")), ..Frame::default() };
        let told = |held: &str| -> Vec<(String, String)> {
            let all = led_to(&with(held), &frame).into_iter();
            all.map(|one| (one.pod, one.release.to_string())).collect()
        };
        let own = ("web-new".to_owned(), "new".to_owned());
        assert_eq!(told("old"), [("web".to_owned(), "old".to_owned()), own.clone()]);
        assert_eq!(told("new"), [own]);
    }
}
