//! The images and manifests with something wrong in them show the symptom that they are for.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use testbed::Part;
use tidegate::target::kubernetes::diagnose::{Cause, Evidence, Graces, Gravity, cause};

use super::kube::{Namespace, until, workload};
use super::{bed, tried};
use crate::tiers::tell;

/// A wrong workload: its name, its image, what is added to its container, and how its pod and its log tell what is wrong.
struct Wrong {
    name: &'static str,
    image: &'static str,
    extra: &'static str,
    /// The cause that is told of it.
    code: Option<&'static str>,
    shows: fn(&Value, &str) -> bool,
}

const SECRET: &str = "        envFrom: [{ secretRef: { name: nowhere } }]";
const GIANT: &str = "        resources: { requests: { memory: 4Ti } }";

const WRONG: [Wrong; 6] = [
    Wrong {
        name: "crashing",
        code: Some("crashing"),
        image: "sample:2.0.0-crashing",
        extra: "",
        shows: |pod, _| waiting(pod) == "CrashLoopBackOff" && exit_code(pod) == Some(1),
    },
    Wrong {
        name: "never-ready",
        code: None,
        image: "sample:2.0.0-never-ready",
        extra: "",
        shows: |pod, _| {
            let container = &pod["status"]["containerStatuses"][0];
            container["started"] == true && container["ready"] == false
        },
    },
    Wrong {
        name: "foreign",
        code: Some("wrong-architecture"),
        image: "sample:2.0.0-foreign",
        extra: "",
        // A lone image of another architecture is unpacked all the same, and then cannot be executed.
        shows: |pod, log| exit_code(pod) == Some(1) && log.contains("exec format error"),
    },
    Wrong {
        name: "secret",
        code: Some("configuration-missing"),
        image: "sample:2.0.0",
        extra: SECRET,
        shows: |pod, _| waiting(pod) == "CreateContainerConfigError",
    },
    Wrong {
        name: "giant",
        code: Some("unschedulable"),
        image: "sample:2.0.0",
        extra: GIANT,
        shows: unschedulable,
    },
    Wrong {
        name: "absent",
        code: Some("image-absent"),
        image: "sample:none",
        extra: "",
        shows: |pod, _| matches!(waiting(pod), "ErrImagePull" | "ImagePullBackOff"),
    },
];

fn waiting(pod: &Value) -> &str {
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str().unwrap_or_default()
}

fn exit_code(pod: &Value) -> Option<i64> {
    pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"].as_i64()
}

fn unschedulable(pod: &Value, _log: &str) -> bool {
    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|condition| condition["reason"] == "Unschedulable")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_image_shows_its_symptom() {
    let Some(bed) = bed("wrong images", &[Part::Node(1), Part::Node(2)]).await else { return };
    let space = Namespace::new(&bed, "wrong");
    for wrong in &WRONG {
        space.apply(&workload(wrong.name, wrong.image, 1, "/health", wrong.extra));
    }
    for wrong in &WRONG {
        let label = format!("app={}", wrong.name);
        until(&format!("the symptom of {}", wrong.name), || {
            let pods = space.json(&["get", "pods", "-l", &label]);
            let log =
                tried(bed.kubectl("admin").args(["-n", &space.name, "logs", "--previous", "-l", &label]));
            let log = String::from_utf8_lossy(&log.stdout).into_owned();
            let shows = |pod: &Value| (wrong.shows)(pod, &log);
            if !pods["items"].as_array().into_iter().flatten().any(shows) {
                return None;
            }
            let told = told(&space, &label, &log);
            (told.as_ref().map(|cause| cause.code) == wrong.code).then(|| {
                let sentence = told.map_or_else(|| "nothing is told yet".to_owned(), |cause| cause.sentence);
                tell(&format!("wrong images: {}: {sentence}", wrong.name));
            })
        })
        .await;
    }
}

/// The fatal cause that is told of the pods with that label, the patience for a node shortened.
fn told(space: &Namespace, label: &str, log: &str) -> Option<Cause> {
    let list = |kind| space.json(&["get", kind, "-l", label])["items"].clone();
    let pods: Vec<Pod> = serde_json::from_value(list("pods")).unwrap();
    let replica_sets: Vec<ReplicaSet> = serde_json::from_value(list("replicasets")).unwrap();
    let graces = Graces { unscheduled: Duration::from_secs(3), ..Graces::default() };
    let (pods, replica_sets): (Vec<_>, Vec<_>) = (pods.iter().collect(), replica_sets.iter().collect());
    let evidence = Evidence { pods: &pods, replica_sets: &replica_sets, scaling_up: false };
    let lines: Vec<String> = log.lines().map(str::to_owned).collect();
    let cause = cause(evidence, &graces, Timestamp::now())?.with_log(&lines);
    (cause.gravity == Gravity::Fatal).then_some(cause)
}

/// What is wrong with these is seen only by those who visit.
#[tokio::test(flavor = "multi_thread")]
async fn slow_failing_and_lying_images_are_ready_and_wrong_when_visited() {
    use tidegate::sample::load::{Kind, Load, Mix};

    let Some(bed) = bed("wrong answers", &[Part::Node(1), Part::Node(2)]).await else { return };
    let space = Namespace::new(&bed, "answers");
    let names = ["slow", "failing", "wrong-version"];
    for name in names {
        space.apply(&workload(name, &format!("sample:2.0.0-{name}"), 1, "/health", ""));
    }
    let visit = async |name: &str| {
        space.rolled_out(name);
        let to = space.service(name).await.parse().unwrap();
        let visitors = Load { mix: Mix::only(Kind::Get), ..Load::new(to, 100) }.start();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let ledger = visitors.stop().await;
        assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
        ledger.by_version[&format!("2.0.0-{name}")].clone()
    };
    let slow = visit("slow").await;
    assert!(slow.latency.p95().unwrap() >= Duration::from_millis(700), "{:?}", slow.latency.p95());
    let failing = visit("failing").await;
    let share = failing.errors as f64 / failing.requests as f64;
    assert!((0.03..0.07).contains(&share), "{share}");
    space.rolled_out("wrong-version");
    let health = space.service("wrong-version").await;
    let told =
        super::run(std::process::Command::new("curl").args(["-sf", &format!("http://{health}/health")]));
    assert!(told.contains("\"version\":\"1.0.0\""), "{told}");
}
