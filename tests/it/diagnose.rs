//! Causes, told from objects as the cluster shows them.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use tidegate::target::kubernetes::diagnose::{Cause, Evidence, Graces, Gravity, cause};

const PLACED: &str = "2026-11-21T12:00:00Z";

/// A pod that got its node at [`PLACED`], with the status of its one container.
fn pod(container: &Value) -> Pod {
    let mut status =
        json!({ "name": "app", "image": "shop:2", "imageID": "", "ready": false, "restartCount": 0 });
    let fields = container.as_object().unwrap().clone();
    status.as_object_mut().unwrap().extend(fields);
    let scheduled = json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": PLACED });
    let pod = json!({ "metadata": { "name": "shop-1" }, "status": { "conditions": [scheduled], "containerStatuses": [status] } });
    serde_json::from_value(pod).unwrap()
}

fn after(seconds: u64) -> Timestamp {
    PLACED.parse::<Timestamp>().unwrap() + Duration::from_secs(seconds)
}

fn of_pods(pods: &[Pod], seconds: u64) -> Option<Cause> {
    let pods: Vec<&Pod> = pods.iter().collect();
    cause(Evidence { pods: &pods, ..Evidence::default() }, &Graces::default(), after(seconds))
}

fn waiting(reason: &str, message: &str) -> Pod {
    pod(&json!({ "state": { "waiting": { "reason": reason, "message": message } } }))
}

/// The code, its gravity before its grace and after it.
#[track_caller]
fn holds(pod: Pod, code: &str, early: Option<Gravity>, late: Gravity) -> Cause {
    let pods = [pod];
    assert_eq!(of_pods(&pods, 1).map(|cause| cause.gravity), early, "at once");
    let late_cause = of_pods(&pods, 3600).unwrap();
    assert_eq!((late_cause.code, late_cause.gravity), (code, late));
    late_cause
}

#[test]
fn what_a_container_waits_for_is_told_by_its_kind() {
    use Gravity::{Fatal, Warning};
    let told = holds(waiting("InvalidImageName", ""), "bad-image-name", Some(Fatal), Fatal);
    assert_eq!(told.sentence, "pod shop-1: `shop:2` is no name of an image");
    holds(waiting("ErrImageNeverPull", ""), "image-never-pulled", Some(Fatal), Fatal);
    let absent = "failed to resolve reference \"r/shop:2\": r/shop:2: not found";
    holds(waiting("ErrImagePull", absent), "image-absent", Some(Fatal), Fatal);
    let forbidden = "pull access denied, repository does not exist or may require authorization";
    holds(waiting("ImagePullBackOff", forbidden), "image-forbidden", Some(Fatal), Fatal);
    holds(
        waiting("ErrImagePull", "no match for platform in manifest"),
        "wrong-architecture",
        Some(Fatal),
        Fatal,
    );
    holds(waiting("ErrImagePull", "dial tcp: i/o timeout"), "registry-unreachable", Some(Warning), Fatal);
    let missing = waiting("CreateContainerConfigError", "secret \"nowhere\" not found");
    let told = holds(missing, "configuration-missing", Some(Warning), Fatal);
    assert!(told.sentence.ends_with("secret \"nowhere\" not found"), "{}", told.sentence);
    // A kubelet that is behind has not looked whether it is there.
    let late = "failed to sync secret cache: timed out waiting for the condition";
    holds(waiting("CreateContainerConfigError", late), "configuration-missing", Some(Warning), Warning);
    assert_eq!(of_pods(&[waiting("ContainerCreating", "")], 3600), None);
}

#[test]
fn a_container_is_given_up_at_its_second_failed_run() {
    let ended = |restarts: u32, code: i64, reason: &str| {
        let last = json!({ "terminated": { "exitCode": code, "reason": reason } });
        let state = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        pod(&json!({ "restartCount": restarts, "state": state, "lastState": last }))
    };
    let first = pod(&json!({ "state": { "terminated": { "exitCode": 1, "reason": "Error" } } }));
    let told = of_pods(&[first], 5).unwrap();
    assert_eq!((told.code, told.gravity), ("crashing", Gravity::Warning));
    assert_eq!(told.sentence, "pod shop-1: container app ended with exit code 1, once so far");
    assert!(!told.log.unwrap().previous, "the run that ended is still the present one");

    let second = of_pods(&[ended(1, 1, "Error")], 5).unwrap();
    assert_eq!((second.code, second.gravity), ("crashing", Gravity::Fatal));
    assert_eq!(second.sentence, "pod shop-1: container app ended with exit code 1, 2 times so far");
    assert!(second.log.unwrap().previous);
    assert_eq!(of_pods(&[ended(1, 137, "OOMKilled")], 5).unwrap().code, "out-of-memory");
    let killed = of_pods(&[ended(1, 137, "Error")], 5).unwrap();
    assert!(killed.sentence.contains("was ended by signal 9"), "{}", killed.sentence);

    let foreign = json!({ "terminated": { "exitCode": 128, "reason": "StartError", "message": "exec /app: exec format error" } });
    let state = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
    let foreign = pod(&json!({ "restartCount": 1, "state": state, "lastState": foreign }));
    assert_eq!(of_pods(&[foreign], 5).unwrap().code, "wrong-architecture");

    // It fell once and runs since: that is told, and no more.
    let up = pod(
        &json!({ "restartCount": 1, "state": { "running": {} }, "lastState": { "terminated": { "exitCode": 1 } } }),
    );
    assert_eq!(of_pods(&[up], 5).unwrap().gravity, Gravity::Warning);
    let done = pod(
        &json!({ "restartCount": 0, "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } }),
    );
    assert_eq!(of_pods(&[done], 5), None);
}

#[test]
fn a_pod_that_no_node_takes_is_warned_of_and_then_given_up_unless_a_node_is_coming() {
    let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient memory.", "lastTransitionTime": PLACED });
    let pod: Pod = serde_json::from_value(
        json!({ "metadata": { "name": "shop-1" }, "status": { "conditions": [condition] } }),
    )
    .unwrap();
    let pods = [pod];
    let gravity = |seconds, scaling_up| {
        let evidence = Evidence { pods: &[&pods[0]], scaling_up, ..Evidence::default() };
        cause(evidence, &Graces::default(), after(seconds)).map(|cause| cause.gravity)
    };
    assert_eq!(gravity(14, false), None);
    assert_eq!(gravity(15, false), Some(Gravity::Warning));
    assert_eq!(gravity(90, false), Some(Gravity::Fatal));
    assert_eq!(gravity(900, true), Some(Gravity::Warning));
    let told = of_pods(&pods, 90).unwrap();
    assert_eq!(told.sentence, "no node takes pod shop-1: 0/3 nodes are available: 3 Insufficient memory");
}

#[test]
fn pods_that_may_not_be_made_are_told_in_the_servers_words() {
    let set = |message: &str| -> ReplicaSet {
        let condition = json!({ "type": "ReplicaFailure", "status": "True", "message": message, "lastTransitionTime": PLACED });
        serde_json::from_value(json!({ "metadata": { "name": "shop-7f" }, "status": { "replicas": 0, "conditions": [condition] } }))
            .unwrap()
    };
    let of = |message: &str, seconds| {
        let set = set(message);
        cause(Evidence { replica_sets: &[&set], ..Evidence::default() }, &Graces::default(), after(seconds))
    };
    let quota = "pods \"shop-7f-x\" is forbidden: exceeded quota: small, requested: pods=1";
    assert_eq!(of(quota, 9), None);
    assert_eq!(of(quota, 10).unwrap().code, "quota");
    assert_eq!(
        of("pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"", 10).unwrap().code,
        "pod-security"
    );
    let told = of("admission webhook \"policy\" denied the request: no", 10).unwrap();
    assert_eq!(told.code, "pods-refused");
    assert!(
        told.sentence.ends_with("admission webhook \"policy\" denied the request: no"),
        "{}",
        told.sentence
    );
}

#[test]
fn the_gravest_cause_is_told_and_pods_that_are_going_tell_nothing() {
    let mut going = waiting("InvalidImageName", "");
    let when = serde_json::from_value(json!(PLACED)).unwrap();
    going.metadata.deletion_timestamp = Some(when);
    assert_eq!(of_pods(&[going.clone()], 5), None);
    let slow = waiting("ErrImagePull", "dial tcp: i/o timeout");
    let told = of_pods(&[going, slow, waiting("InvalidImageName", "")], 5).unwrap();
    assert_eq!(told.code, "bad-image-name");
}

#[test]
fn of_causes_of_the_same_gravity_the_releases_own_is_told() {
    let named = |name: &str, mut pod: Pod| {
        pod.metadata.name = Some(name.to_owned());
        pod
    };
    let late = named("a", waiting("ErrImagePull", "dial tcp: i/o timeout"));
    let crashed =
        named("b", pod(&json!({ "state": { "terminated": { "exitCode": 1, "reason": "Error" } } })));
    let told = of_pods(&[late, crashed], 5).unwrap();
    assert_eq!((told.code, told.gravity, told.is_of_release()), ("crashing", Gravity::Warning, true));
}
