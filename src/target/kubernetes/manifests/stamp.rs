//! What a release puts on the objects that it consists of: whose they are, and the image by its digest.

use serde_json::{Map, Value};

use super::Object;
use crate::registry::full_name;

/// The label that tells the pods of one release from those of another.
pub const RELEASE: &str = "tidegate.dev/release";
/// The label of the app on every object.
pub const APP: &str = "tidegate.dev/app";
/// The label of the environment on every object.
pub const ENVIRONMENT: &str = "tidegate.dev/environment";

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// The app.
    pub app: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// The release.
    pub release: &'a str,
}

/// Puts the stamp on every object, and the release's label on the pods that its workloads make. Selectors are left as they are.
pub fn stamp(objects: &mut [Object], stamp: Stamp<'_>) {
    for object in objects {
        let labels = [(APP, stamp.app), (ENVIRONMENT, stamp.environment), (RELEASE, stamp.release)];
        label(&mut object.value, &labels);
        // A Pod is its own template.
        if let Some(template) = object.pod_template_mut() {
            label(template, &labels);
        }
    }
}

/// Has every container whose image is of `repository` take `repository@digest`; the names of the containers, as
/// `Kind name/container`.
///
/// What the manifest says after the repository, a tag or another digest, is replaced: only the digest is deployed. Docker's own
/// registry is the same with its name and without.
pub fn pin_images(objects: &mut [Object], repository: &str, digest: &str) -> Vec<String> {
    let (mut pinned, wanted) = (Vec::new(), full_name(repository));
    for object in objects {
        let key = object.key.to_string();
        let Some(spec) = object.pod_template_mut().and_then(|template| template.get_mut("spec")) else {
            continue;
        };
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                let image = container["image"].as_str();
                let is_ours = image.is_some_and(|image| full_name(repository_of(image)) == wanted);
                if is_ours {
                    container["image"] = Value::String(format!("{repository}@{digest}"));
                    pinned.push(format!("{key}/{}", container["name"].as_str().unwrap_or_default()));
                }
            }
        }
    }
    pinned
}

/// An image's name without its tag and digest. A port is no tag: a tag stands after the last slash.
#[must_use]
pub fn repository_of(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let last = name.rfind('/').map_or(0, |at| at + 1);
    match name[last..].find(':') {
        Some(colon) => &name[..last + colon],
        None => name,
    }
}

fn label(value: &mut Value, labels: &[(&str, &str)]) {
    let Some(value) = value.as_object_mut() else { return };
    let metadata = value.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else { return };
    let all = metadata.entry("labels").or_insert_with(|| Value::Object(Map::new()));
    let Some(all) = all.as_object_mut() else { return };
    for (name, text) in labels {
        all.insert((*name).to_owned(), Value::String((*text).to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::kubernetes::manifests::parse;

    const ALL: &str = "apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { team: a } }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      initContainers: [{ name: wait, image: \"registry.test:5000/shop\" }]
      containers:
      - { name: app, image: \"registry.test:5000/shop:1.0@sha256:0000\" }
      - { name: side, image: \"registry.test:5000/shop-side:1.0\" }
---
apiVersion: v1
kind: Service
metadata: { name: web }
";

    #[test]
    fn every_object_says_whose_it_is_and_selectors_stay() {
        let mut all = parse(Path::new("x.yaml"), ALL).unwrap();
        stamp(&mut all, Stamp { app: "shop", environment: "production", release: "abc" });
        let labels = &all[0].value["metadata"]["labels"];
        assert_eq!((&labels["team"], &labels[RELEASE]), (&Value::from("a"), &Value::from("abc")));
        let spec = &all[0].value["spec"];
        assert_eq!(spec["template"]["metadata"]["labels"][RELEASE], "abc");
        assert_eq!(spec["template"]["metadata"]["labels"]["app"], "web");
        assert_eq!(spec["selector"]["matchLabels"], serde_json::json!({ "app": "web" }));
        assert_eq!(all[1].value["metadata"]["labels"][ENVIRONMENT], "production");
    }

    #[test]
    fn only_the_apps_own_image_is_pinned_whatever_tag_it_had() {
        let mut all = parse(Path::new("x.yaml"), ALL).unwrap();
        let pinned = pin_images(&mut all, "registry.test:5000/shop", "sha256:1111");
        assert_eq!(pinned, ["Deployment web/app", "Deployment web/wait"]);
        let spec = &all[0].value["spec"]["template"]["spec"];
        assert_eq!(spec["containers"][0]["image"], "registry.test:5000/shop@sha256:1111");
        assert_eq!(spec["initContainers"][0]["image"], "registry.test:5000/shop@sha256:1111");
        assert_eq!(spec["containers"][1]["image"], "registry.test:5000/shop-side:1.0");
    }

    #[test]
    fn dockers_own_registry_is_the_same_with_its_name_and_without() {
        let text = ALL.replace("registry.test:5000/shop:1.0@sha256:0000", "acme/shop:1.0");
        let mut all = parse(Path::new("x.yaml"), &text).unwrap();
        assert_eq!(pin_images(&mut all, "docker.io/acme/shop", "sha256:1111"), ["Deployment web/app"]);
        let image = &all[0].value["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(image, "docker.io/acme/shop@sha256:1111");
    }

    #[test]
    fn a_port_is_no_tag() {
        for (image, repository) in [
            ("shop", "shop"),
            ("shop:1", "shop"),
            ("localhost:5000/shop", "localhost:5000/shop"),
            ("localhost:5000/a/shop:1.0@sha256:00", "localhost:5000/a/shop"),
        ] {
            assert_eq!(repository_of(image), repository);
        }
    }
}
