//! A release's objects as they are applied: stamped, and with time to leave the routers before they end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::manifests::{Object, Stamp, stamp};
use super::super::names::{RELEASE, ROLLOUT};
use super::Bundle;

/// What the objects are told besides what the user wrote.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Rendering<'a> {
    /// Whose they are.
    pub(in super::super) stamp: Stamp<'a>,
    /// The rollout that applies them.
    pub(in super::super) rollout: &'a str,
    /// How long an instance goes on to answer after the routers were told to leave it.
    pub(in super::super) drain: Duration,
    /// The release that Services lead to alone; none where they lead to all.
    pub(in super::super) pin: Option<&'a str>,
    /// How many replicas workloads have now, by name: what an autoscaler or a person has set stays.
    pub(in super::super) replicas: &'a BTreeMap<String, u32>,
    /// It was there before Tidegate: its pods stay as they were.
    pub(in super::super) as_found: bool,
    /// The pods of one release end before those of the next begin.
    pub(in super::super) recreate: bool,
}

/// The objects as they are applied.
pub(in super::super) fn render(bundle: &Bundle, with: Rendering<'_>) -> Vec<Object> {
    let mut objects = bundle.objects.clone();
    let templates: Vec<Option<Value>> = objects.iter().map(|object| object.pod_template().cloned()).collect();
    stamp(&mut objects, with.stamp);
    for (object, template) in objects.iter_mut().zip(templates) {
        if let Some(metadata) = object.value["metadata"].as_object_mut() {
            let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
            annotations[ROLLOUT] = Value::from(with.rollout);
        }
        if with.as_found {
            if let (Some(place), Some(template)) = (object.pod_template_mut(), template) {
                *place = template;
            }
            continue;
        }
        adjust(object, bundle, with);
    }
    objects
}

fn adjust(object: &mut Object, bundle: &Bundle, with: Rendering<'_>) {
    let carries = bundle.shape.carries(object);
    if object.key.kind == "Service" && bundle.shape.services.contains(&object.key.name) {
        if let (Some(pin), Some(selector)) = (with.pin, object.value["spec"]["selector"].as_object_mut()) {
            selector.insert(RELEASE.to_owned(), Value::from(pin));
        }
        return;
    }
    if with.recreate && carries && object.key.kind == "Deployment" {
        object.value["spec"]["strategy"] = json!({ "type": "Recreate" });
    }
    let runs = matches!(object.key.kind.as_str(), "Deployment" | "StatefulSet");
    if let Some(now) = with.replicas.get(&object.key.name).filter(|_| runs && object.key.group() == "apps") {
        object.value["spec"]["replicas"] = Value::from(*now);
    }
    let Some(template) = object.pod_template_mut() else { return };
    if carries {
        drain(template, with.drain);
    } else if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        // What does not carry the release's traffic is not replaced for its name alone.
        labels.shift_remove(RELEASE);
    }
}

/// Has every container wait before it is told to end: routers learn at the same moment as the container that it goes, and
/// some of their requests are under way. A container with a `preStop` of its own is left as it is.
///
/// The sleep is the kubelet's own (`lifecycle.preStop.sleep`, Kubernetes 1.30): the image needs no program for it.
fn drain(template: &mut Value, time: Duration) {
    let seconds = time.as_secs();
    if seconds == 0 {
        return;
    }
    let mut changed = false;
    for container in
        template.pointer_mut("/spec/containers").and_then(Value::as_array_mut).into_iter().flatten()
    {
        if container.pointer("/lifecycle/preStop").is_none() {
            container["lifecycle"]["preStop"] = json!({ "sleep": { "seconds": seconds } });
            changed = true;
        }
    }
    if changed {
        let grace =
            template.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(30);
        template["spec"]["terminationGracePeriodSeconds"] = Value::from(grace + seconds);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::kubernetes::manifests::parse;
    use crate::target::kubernetes::{KubernetesConfig, Traffic};

    const ALL: &str = "apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - { name: app, image: web }
      - { name: side, image: side, lifecycle: { preStop: { exec: { command: [wait] } } } }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: store }
spec:
  selector: { matchLabels: { app: store } }
  template:
    metadata: { labels: { app: store } }
    spec: { containers: [{ name: app, image: store }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80 }] }
";

    fn rendered(pin: Option<&str>) -> Vec<Object> {
        let config = KubernetesConfig {
            app: "shop".into(),
            environment: "production".into(),
            namespace: "shop".into(),
            traffic: Traffic::Service { name: None },
            take_over: false,
            drain: Duration::from_secs(5),
            graces: Default::default(),
            url: None,
            counts: Default::default(),
        };
        let bundle = Bundle::new(parse(Path::new("x.yaml"), ALL).unwrap(), &config).unwrap();
        let stamp = Stamp { app: "shop", environment: "production", release: "abc" };
        let replicas = BTreeMap::from([("web".to_owned(), 7)]);
        let with = Rendering {
            stamp,
            rollout: "r1",
            drain: config.drain,
            pin,
            as_found: false,
            replicas: &replicas,
            recreate: false,
        };
        render(&bundle, with)
    }

    fn named<'a>(objects: &'a [Object], kind: &str) -> &'a Value {
        &objects.iter().find(|object| object.key.kind == kind).unwrap().value
    }

    #[test]
    fn a_carrier_gets_its_release_its_replicas_of_now_and_time_to_leave() {
        let all = rendered(Some("abc"));
        let web = named(&all, "Deployment");
        assert_eq!(web["spec"]["replicas"], 7);
        let template = &web["spec"]["template"];
        assert_eq!(template["metadata"]["labels"][RELEASE], "abc");
        assert_eq!(template["spec"]["terminationGracePeriodSeconds"], 7);
        assert_eq!(template["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"], 5);
        assert!(template["spec"]["containers"][1]["lifecycle"]["preStop"]["exec"].is_object());
        assert_eq!(named(&all, "Service")["spec"]["selector"][RELEASE], "abc");
        assert_eq!(web["metadata"]["annotations"][ROLLOUT], "r1");
    }

    #[test]
    fn what_carries_no_traffic_is_not_replaced_for_the_releases_name() {
        let all = rendered(None);
        let store = &named(&all, "StatefulSet")["spec"]["template"];
        assert_eq!(store["metadata"]["labels"][RELEASE], Value::Null);
        assert_eq!(store["metadata"]["labels"]["app"], "store");
        assert_eq!(store["spec"]["containers"][0]["lifecycle"], Value::Null);
        assert_eq!(named(&all, "Service")["spec"]["selector"], json!({ "app": "web" }));
    }
}
