//! Releases that cannot run: each is taken back by itself, says why, and the stable one never notices.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tidegate::sample::load::LoadHandle;

use super::stage::{BLUE_GREEN, CANARY, Door, ROLLING, Said, Stage};
use crate::parts::kube::until;
use crate::tiers::tell;

/// Requests a second at each door.
const RATE: u32 = 50;

/// How long each trouble may last here before it counts.
const GRACES: &str = "configuration: 3s, refusal: 3s, unscheduled: 3s, unscheduled-warned: 1s";

/// A release with something wrong in it.
struct Fault {
    /// The version that it is deployed as.
    name: &'static str,
    /// The tag of the sample app.
    tag: &'static str,
    /// What is added to its container.
    container: &'static str,
    /// The reason that is told.
    code: &'static str,
    /// What the sentence says, besides the name of the pod.
    says: &'static str,
    /// What stands in the tail of its log.
    log: Option<&'static str>,
    /// Its pods are ready for a moment: who visits them then may lose an answer.
    tempts: bool,
}

const fn fault(name: &'static str, tag: &'static str, code: &'static str, says: &'static str) -> Fault {
    Fault { name, tag, container: "", code, says, log: None, tempts: false }
}

const CRASHING: Fault = Fault {
    log: Some("ended on purpose"),
    tempts: true,
    ..fault("crashing", "2.0.0-crashing", "crashing", "container app ended with exit code 1, ")
};
const NEVER_READY: Fault = fault(
    "never-ready",
    "2.0.0-never-ready",
    "unready",
    "container app runs and does not get ready: its readiness probe (GET /health on port 8080) has failed",
);
const FOREIGN: Fault = Fault {
    log: Some("exec format error"),
    ..fault(
        "foreign",
        "2.0.0-foreign",
        "wrong-architecture",
        "it is made for another architecture than the node's",
    )
};
const ABSENT: Fault = fault("absent", "none", "image-absent", "sample:none: not found");
const SECRET: Fault = Fault {
    container: "        envFrom: [{ secretRef: { name: nowhere } }]",
    ..fault("secret", "2.0.0", "configuration-missing", "secret \"nowhere\" not found")
};
const GIANT: Fault = Fault {
    container: "        resources: { requests: { memory: 4Ti } }",
    ..fault("giant", "2.0.0", "unschedulable", "Insufficient memory")
};
/// The namespace has no room for one pod more.
const QUOTA: Fault = fault(
    "quota",
    "2.0.0",
    "quota",
    "exceeded quota: full, requested: pods=1, used: pods=2, limited: pods=2",
);

const ALL: [&Fault; 7] = [&QUOTA, &CRASHING, &NEVER_READY, &FOREIGN, &ABSENT, &SECRET, &GIANT];

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_is_taken_back_by_every_strategy_and_stable_never_notices() {
    let test = "what cannot run is taken back";
    tokio::join!(
        each(test, "backrolling", Door::Service, ROLLING, &ALL),
        each(test, "backbluegreen", Door::Service, BLUE_GREEN, &ALL),
        each(test, "backcanary", Door::Service, CANARY, &ALL),
        each(test, "backgateway", Door::Gateway, CANARY, &[&CRASHING, &NEVER_READY, &SECRET]),
    );
}

/// Tries each fault by a strategy.
async fn each(test: &str, name: &str, door: Door, strategy: &str, faults: &[&Fault]) {
    let Some(stage) = Stage::open(test, name, door).await else { return };
    stage.settings(strategy);
    stage.deploy("1.0.0").await.exits(0);
    let visitors = stage.visitors(RATE).await;
    for fault in faults {
        // On a machine that is too busy to tell of a container's end in time, one that ended seems to be only unready.
        let readiness = if fault.code == "unready" { "3s" } else { "30s" };
        stage.settings_with(strategy, &format!("graces: {{ readiness: {readiness}, {GRACES} }}"));
        let by = format!("{} by {name}", fault.name);
        if fault.code == "quota" {
            fill(&stage).await;
        }
        tried(&stage, &visitors, fault, &by, strategy).await;
        if fault.code == "quota" {
            stage.space.kubectl(&["delete", "resourcequota", "full"]);
        }
    }
    let ledger = visitors.stop().await;
    tell(&format!("{name}: {ledger}"));
    assert!(ledger.by_version.values().all(|version| version.errors == 0), "{name}: {ledger}");
}

/// Deploys a fault, and sees that it is gone again and nothing else is.
async fn tried(stage: &Stage, visitors: &LoadHandle, fault: &Fault, by: &str, strategy: &str) {
    let (before, lost, known) = (stage.pods(), visitors.snapshot().lost, subjects(stage));
    let began = Instant::now();
    let said = stage.deploy_as(fault.name, fault.tag, fault.container).await;
    let took = began.elapsed();
    let answer = told(said, fault, by);
    let since = sign(stage, &known).map_or_else(String::new, |sign| {
        let verdict = turned(stage, &answer).expect("it was turned back");
        format!(", {} s after the first sign", verdict.duration_since(sign).as_secs())
    });
    // On a machine that is too busy the probes of good pods fail, too, for a moment.
    until("stable is whole", || {
        let status = stage.space.json(&["get", "deployment", "shop"])["status"].take();
        (status["availableReplicas"] == stage.replicas).then_some(())
    })
    .await;
    stage.is_as_written("1.0.0");
    if strategy == ROLLING && fault.tempts {
        assert_eq!(stage.pods().len(), 2, "{by}");
    } else {
        let pods = stage.pods();
        let all = || stage.space.kubectl(&["get", "pods,replicasets", "--show-labels"]);
        assert_eq!(pods, before, "{by}: stable has other pods than before\n{}", all());
    }
    let ledger = visitors.snapshot();
    let lost = ledger.lost - lost;
    assert!(lost == 0 || fault.tempts && strategy != BLUE_GREEN, "{by}: {lost} lost: {:?}", ledger.losses);
    tell(&format!("{by}: back in {:.1} s{since}, {lost} lost: {}", took.as_secs_f64(), answer["sentence"]));
    // A verdict that waited for a budget instead of a sign would take longer.
    assert!(took < Duration::from_secs(60), "{by}: {took:?}");
}

/// Checks the answer of a deploy that was taken back.
fn told(said: Said, fault: &Fault, by: &str) -> Value {
    assert_eq!(said.code, 4, "{by}: stdout:\n{}\nstderr:\n{}", said.out, said.err);
    let answer = said.json();
    assert_eq!(
        (&answer["outcome"], &answer["reason"]),
        (&"rolled-back".into(), &fault.code.into()),
        "{by}: {answer}"
    );
    let sentence = answer["sentence"].as_str().unwrap();
    let subject = if fault.code == "quota" { "ReplicaSet shop-" } else { "pod shop-" };
    for part in [subject, fault.says, "1.0.0 serves all requests"] {
        assert!(sentence.contains(part), "{by}: no `{part}` in: {sentence}");
    }
    let tail: Vec<&str> = answer["log_tail"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    if let Some(line) = fault.log {
        assert!(tail.iter().any(|one| one.contains(line)), "{by}: no `{line}` in the log's tail: {tail:?}");
    }
    answer
}

/// Leaves the namespace no room for one pod more.
async fn fill(stage: &Stage) {
    stage.space.kubectl(&["create", "quota", "full", "--hard=pods=2"]);
    until("the quota is counted", || {
        let quota = stage.space.json(&["get", "resourcequota", "full"]);
        (quota["status"]["used"]["pods"] == "2").then_some(())
    })
    .await;
}

fn warnings(stage: &Stage) -> Vec<Value> {
    let events = stage.space.json(&["get", "events", "--field-selector", "type=Warning"]);
    events["items"].as_array().cloned().unwrap_or_default()
}

fn subject(event: &Value) -> String {
    event["involvedObject"]["name"].as_str().unwrap_or_default().to_owned()
}

/// What the cluster has warned of so far, and the pods that are there.
fn subjects(stage: &Stage) -> HashSet<String> {
    let pods = stage.space.json(&["get", "pods"])["items"].as_array().cloned().unwrap_or_default();
    let names = pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned));
    warnings(stage).iter().map(subject).chain(names).collect()
}

/// When the cluster first warned of something new.
fn sign(stage: &Stage, known: &HashSet<String>) -> Option<Timestamp> {
    let new = warnings(stage).into_iter().filter(|event| !known.contains(&subject(event)));
    new.filter_map(|event| event["metadata"]["creationTimestamp"].as_str()?.parse().ok()).min()
}

/// When the rollout turned back, by its history.
fn turned(stage: &Stage, answer: &Value) -> Option<Timestamp> {
    let id = answer["rollout_id"].as_str()?;
    let label = format!("tidegate.dev/rollout={id}");
    let maps = stage.space.json(&["get", "configmaps", "-l", &label]);
    let text: String =
        maps["items"].as_array()?.iter().filter_map(|map| map["data"]["events"].as_str()).collect();
    let line = text.lines().find(|line| line.contains("\"turned-back\""))?;
    let at = line.split("\"at\":\"").nth(1)?.split('"').next()?;
    at.parse().ok()
}
