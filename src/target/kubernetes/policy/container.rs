//! The rules about each container of a pod.

use serde_json::Value;

use super::{PolicyFinding, Rule, finding};
use crate::target::kubernetes::manifests::Object;

/// A container in its pod.
#[derive(Clone, Copy)]
struct Container<'a> {
    pod: &'a Value,
    value: &'a Value,
    /// It starts with the pod and goes on running: neither an init container nor part of a job.
    serves: bool,
}

type Check = fn(&Container<'_>) -> Option<(Rule, String, &'static str)>;

const CHECKS: [Check; 7] = [image, root, writable, capabilities, limits, requests, readiness];
/// Rules about what only Linux has.
const LINUX: [Rule; 3] = [Rule::RootUser, Rule::WritableRoot, Rule::Capabilities];

/// Appends what the rules find in the containers of an object, the init containers last.
pub(super) fn check(object: &Object, template: &Value, found: &mut Vec<PolicyFinding>) {
    let pod = &template["spec"];
    let is_job = object.key.group() == "batch";
    let windows = pod["os"]["name"] == "windows";
    for (list, serves) in [("containers", !is_job), ("initContainers", false)] {
        for value in pod[list].as_array().into_iter().flatten() {
            let container = Container { pod, value, serves };
            let name = value["name"].as_str().unwrap_or_default();
            for (rule, what, hint) in CHECKS.iter().filter_map(|check| check(&container)) {
                if windows && LINUX.contains(&rule) {
                    continue;
                }
                let sentence = format!("{}: container {name} {what}", object.key);
                found.push(finding(rule, object, sentence, hint));
            }
        }
    }
}

fn image(container: &Container<'_>) -> Option<(Rule, String, &'static str)> {
    let image = container.value["image"].as_str().filter(|image| !image.is_empty())?;
    if image.contains('@') {
        return None;
    }
    // A port is no tag: a tag stands after the last slash.
    let name = image.rsplit('/').next().unwrap_or(image);
    let what = match name.split_once(':').map(|(_, tag)| tag) {
        None | Some("") => format!("takes {image}, which names no tag: it may be another program tomorrow"),
        Some("latest") => format!("takes {image}: `latest` may be another program tomorrow"),
        Some(_) => return None,
    };
    Some((Rule::ImageTag, what, "name the image by its digest, or by a tag that is never moved"))
}

fn root(container: &Container<'_>) -> Option<(Rule, String, &'static str)> {
    let setting = |name: &str| {
        let own = &container.value["securityContext"][name];
        if own.is_null() { &container.pod["securityContext"][name] } else { own }
    };
    let is_other_user = setting("runAsUser").as_i64().is_some_and(|user| user != 0);
    let cannot = setting("runAsNonRoot") == &Value::Bool(true) || is_other_user;
    let hint = "write `securityContext: { runAsNonRoot: true }`, and a `USER` in the image";
    (!cannot).then(|| (Rule::RootUser, "may run as root".to_owned(), hint))
}

fn writable(container: &Container<'_>) -> Option<(Rule, String, &'static str)> {
    let is_read_only = container.value["securityContext"]["readOnlyRootFilesystem"] == true;
    let hint = "write `securityContext: { readOnlyRootFilesystem: true }`, and an `emptyDir` where it writes";
    (!is_read_only).then(|| (Rule::WritableRoot, "can write to its root file system".to_owned(), hint))
}

fn capabilities(container: &Container<'_>) -> Option<(Rule, String, &'static str)> {
    let security = &container.value["securityContext"];
    if security["privileged"] == true {
        let hint = "take `privileged: true` out, and name the capabilities that it needs";
        return Some((
            Rule::Capabilities,
            "is privileged: it has every capability on its node".to_owned(),
            hint,
        ));
    }
    let dropped = security["capabilities"]["drop"].as_array();
    let all = |one: &Value| one.as_str().is_some_and(|name| name.eq_ignore_ascii_case("all"));
    let hint = "write `securityContext: { capabilities: { drop: [ALL] } }`, and add those that it needs";
    let kept = !dropped.is_some_and(|dropped| dropped.iter().any(all));
    kept.then(|| (Rule::Capabilities, "keeps the capabilities that it is started with".to_owned(), hint))
}

fn limits(container: &Container<'_>) -> Option<(Rule, String, &'static str)> {
    let none = container.value["resources"]["limits"]["memory"].is_null();
    let hint = "write `resources: { limits: { memory: … } }`: without, one leak takes a whole node";
    none.then(|| (Rule::NoLimits, "has no limit of memory".to_owned(), hint))
}

fn requests(container: &Container<'_>) -> Option<(Rule, String, &'static str)> {
    let resources = &container.value["resources"];
    // What has a limit and no request requests the limit.
    let lacks = |name: &&str| resources["requests"][*name].is_null() && resources["limits"][*name].is_null();
    let lacking: Vec<&str> = ["cpu", "memory"].into_iter().filter(lacks).collect();
    let hint = "write `resources: { requests: { cpu: …, memory: … } }`: the scheduler goes by them";
    (!lacking.is_empty()).then(|| {
        let what = format!("requests no {}", lacking.join(" and no "));
        (Rule::NoRequests, what, hint)
    })
}

fn readiness(container: &Container<'_>) -> Option<(Rule, String, &'static str)> {
    let none = container.serves && container.value["readinessProbe"].is_null();
    let hint = "write a `readinessProbe`: without, it gets traffic before it can answer";
    none.then(|| (Rule::NoReadinessProbe, "has no readiness probe".to_owned(), hint))
}
