//! A release of many kinds goes forward and back as one.

use serde_json::Value;

use super::stage::{CANARY, Door, ROLLING, Stage};
use crate::parts::kube::image;

/// Everything around the Deployment `shop`, at a version, with the worker at a version of its own.
fn around(tag: &str, worker: &str) -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/manifests/kinds.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let at = |tag: &str| image(&format!("sample:{tag}"));
    let text = text.replace("IMAGE", &at(tag)).replace("WORKER", &at(worker)).replace("VERSION", tag);
    format!("---\n{text}")
}

/// Which image each workload has, and whether all of its pods are of it.
fn at(stage: &Stage, tag: &str, kind: &str, name: &str) {
    let object = stage.space.json(&["get", kind, name]);
    let template = match kind {
        "cronjob" => &object["spec"]["jobTemplate"]["spec"]["template"],
        _ => &object["spec"]["template"],
    };
    let image = template["spec"]["containers"][0]["image"].as_str().unwrap();
    assert!(image.ends_with(&format!("sample:{tag}")), "{kind} {name}: {image}, and not {tag}");
    let status = &object["status"];
    let (ready, wanted) = match kind {
        "deployment" | "statefulset" => (&status["updatedReplicas"], &status["replicas"]),
        "daemonset" => (&status["updatedNumberScheduled"], &status["desiredNumberScheduled"]),
        _ => return,
    };
    assert_ne!(*wanted, Value::Null, "{kind} {name}: {status}");
    assert_eq!(ready, wanted, "{kind} {name}: {status}");
}

fn all_at(stage: &Stage, tag: &str) {
    for (kind, name) in [
        ("deployment", "shop"),
        ("deployment", "worker"),
        ("statefulset", "store"),
        ("daemonset", "agent"),
        ("cronjob", "nightly"),
    ] {
        at(stage, tag, kind, name);
    }
    let greeting = format!("hello from {tag}");
    let worker = stage.space.json(&["get", "deployment", "worker"]);
    let from = &worker["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"];
    let map = stage.space.json(&["get", "configmap", from.as_str().unwrap()]);
    assert_eq!(map["data"]["GREETING"], *greeting);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_many_kinds_goes_forward_and_back_as_one() {
    let Some(stage) = Stage::open("many kinds as one", "kinds", Door::Service).await else { return };
    let deploy = async |tag: &str, worker: &str| {
        stage.manifests_with(&format!("sample:{tag}"), "", &around(tag, worker));
        stage.run(&["deploy", "--version", tag]).await
    };
    stage.settings(ROLLING);
    deploy("1.0.0", "1.0.0").await.exits(0);
    all_at(&stage, "1.0.0");
    at(&stage, "1.0.0", "job", "prepare");
    for (strategy, tag) in [(ROLLING, "2.0.0"), (CANARY, "1.0.0")] {
        stage.settings(strategy);
        let job = || stage.space.kubectl(&["wait", "--for=condition=complete", "job/prepare"]);
        job();
        deploy(tag, tag).await.exits(0);
        all_at(&stage, tag);
        // It runs again, because it is to do something else.
        at(&stage, tag, "job", "prepare");
        job();
    }
    for strategy in [ROLLING, CANARY] {
        stage.settings(strategy);
        let back = deploy("2.0.0", "2.0.0-crashing").await.exits(4).json();
        let sentence = back["sentence"].as_str().unwrap();
        assert!(sentence.contains("worker") && sentence.contains("1.0.0 serves"), "{strategy}: {sentence}");
        // What carries no traffic is on its way back, too, and not waited for.
        for workload in ["deployment/worker", "statefulset/store", "daemonset/agent"] {
            stage.space.kubectl(&["rollout", "status", workload, "--timeout=60s"]);
        }
        all_at(&stage, "1.0.0");
        // What it did is done: on the way back it does not run once more.
        at(&stage, "2.0.0", "job", "prepare");
        stage.space.kubectl(&["wait", "--for=condition=complete", "job/prepare"]);
    }
    // By hand, too, nothing is done twice: neither once more, nor what the former release did.
    stage.settings(ROLLING);
    deploy("2.0.0", "2.0.0").await.exits(0);
    stage.run(&["rollback"]).await.exits(0);
    all_at(&stage, "1.0.0");
    at(&stage, "2.0.0", "job", "prepare");
}
