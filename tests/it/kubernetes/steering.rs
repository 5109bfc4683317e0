//! People and other runs speak to a rollout under way: newer releases, aborts, promotions, pauses, hands on the Deployment.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Child;

use super::stage::{CANARY, Door, ROLLING, Stage, said};
use crate::parts::kube::until;
use crate::tiers::tell;

/// Requests a second at each door.
const RATE: u32 = 50;
/// A canary that stays at one half until somebody says a word.
const STAYS: &str = "strategy: { canary: { weights: [50], compare: false, at-most: 2m } }\n    keep: 0s\n    budgets: { step: 1m }";
/// A canary that asks for a person at each weight.
const ASKS: &str = "strategy: { canary: { weights: [{ weight: 20, confirm: true }, { weight: 50, confirm: true }], compare: false, at-most: 200ms } }\n    keep: 0s\n    budgets: { step: 1m }";

/// A stage on which 1.0.0 is live.
async fn live(test: &str, name: &str, door: Door) -> Option<Stage> {
    let stage = Stage::open(test, name, door).await?;
    stage.settings(CANARY);
    stage.deploy("1.0.0").await.exits(0);
    Some(stage)
}

/// The share of a version in percent, by `status`.
async fn share(stage: &Stage, version: &str) -> f64 {
    let status = stage.run(&["status"]).await.exits(0).json();
    let sets = status["sets"].as_array().unwrap();
    let own = sets.iter().find(|set| set["version"] == version);
    own.and_then(|set| set["weight_percent"].as_f64()).unwrap_or_default()
}

/// A process that deploys a version, once that has one half of the traffic.
async fn half_way(stage: &Stage, version: &str) -> Child {
    stage.settings(STAYS);
    stage.manifests(&format!("sample:{version}"));
    let child = stage.spawn(&["deploy", "--version", version]);
    let end = Instant::now() + Duration::from_secs(60);
    while share(stage, version).await < 49.0 {
        assert!(Instant::now() < end, "{version} does not get its half");
    }
    child
}

fn outcome(answer: &Value) -> (&str, &str) {
    (answer["outcome"].as_str().unwrap_or_default(), answer["reason"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_release_takes_the_place_of_the_one_under_way() {
    let Some(stage) = live("a newer release supersedes", "superseded", Door::Gateway).await else { return };
    let visitors = stage.visitors(RATE).await;
    let first = half_way(&stage, "2.0.0").await;
    stage.settings(CANARY);
    // What the cluster would refuse takes nobody's place.
    assert_eq!(stage.deploy("none").await.exits(1).reason(), "image-absent");
    assert!(share(&stage, "2.0.0").await > 49.0, "the rollout under way goes on");
    let newer = stage.deploy("1.1.0").await.exits(0).json();
    assert_eq!((outcome(&newer), &newer["previous_version"]), (("promoted", "promoted"), &"1.0.0".into()));
    let first = said(first, &["deploy"]).await.exits(4).json();
    assert_eq!(outcome(&first), ("rolled-back", "superseded"));
    let sentence = first["sentence"].as_str().unwrap();
    assert!(sentence.contains("ada came with the newer 1.1.0; 1.0.0 serves all requests"), "{sentence}");
    stage.is_as_written("1.1.0");
    lossless("superseded", visitors.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_is_heard_by_the_run_that_works_and_by_nobody() {
    let Some(stage) = live("aborts", "aborted", Door::Service).await else { return };
    let before = stage.pods();
    let visitors = stage.visitors(RATE).await;
    let works = half_way(&stage, "2.0.0").await;
    let aborted = stage.run(&["abort", "--reason", "it is slow"]).await.exits(0).json();
    assert_eq!(outcome(&aborted), ("rolled-back", "aborted"));
    let worked = said(works, &["deploy"]).await.exits(4).json();
    assert_eq!(outcome(&worked), ("rolled-back", "aborted"));
    let sentence = worked["sentence"].as_str().unwrap();
    assert!(sentence.contains("ada aborted it: it is slow; 1.0.0 serves all requests"), "{sentence}");
    stage.is_as_written("1.0.0");
    // A run that waits for a person has left: there is nobody to hear.
    stage.settings(ASKS);
    let account = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: { name: of-the-new }\n";
    stage.manifests_with("sample:2.0.0", "", account);
    let paused = stage.run(&["deploy", "--version", "2.0.0"]).await.exits(6).json();
    assert_eq!(outcome(&paused), ("paused", "paused"));
    stage.space.kubectl(&["get", "serviceaccount", "of-the-new"]);
    assert_eq!(outcome(&stage.run(&["abort"]).await.exits(0).json()), ("rolled-back", "aborted"));
    stage.is_as_written("1.0.0");
    let accounts = stage.space.kubectl(&["get", "serviceaccounts", "-o", "name"]);
    assert_eq!(accounts, "serviceaccount/default\n", "what only the new one had is gone");
    assert_eq!(stage.pods(), before, "stable has other pods than before");
    assert_eq!(stage.run(&["abort"]).await.exits(3).reason(), "nothing-open");
    lossless("aborted", visitors.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn promotions_and_pauses_are_done_as_asked() {
    let Some(stage) = live("promotions", "promoted", Door::Service).await else { return };
    let visitors = stage.visitors(RATE).await;
    stage.settings(ASKS);
    stage.deploy("2.0.0").await.exits(6);
    let first = share(&stage, "2.0.0").await;
    let again = stage.run(&["promote"]).await.exits(6).json();
    assert!(again["sentence"].as_str().unwrap().contains("`tidegate promote production` goes on"), "{again}");
    let second = share(&stage, "2.0.0").await;
    assert!(first < second && second < 100.0, "{first} {second}");
    let done = stage.run(&["promote"]).await.exits(0).json();
    assert_eq!(outcome(&done), ("promoted", "promoted"));
    stage.is_as_written("2.0.0");
    // All that would still be asked is left out.
    stage.deploy("1.1.0").await.exits(6);
    stage.run(&["promote", "--full"]).await.exits(0);
    stage.is_as_written("1.1.0");
    // A run that works hears of the pause, and ends with it.
    let works = half_way(&stage, "2.0.0").await;
    assert_eq!(outcome(&stage.run(&["pause"]).await.exits(0).json()), ("paused", "paused"));
    said(works, &["deploy"]).await.exits(6);
    assert!(share(&stage, "2.0.0").await > 49.0, "a pause moves nothing");
    stage.run(&["promote", "--full"]).await.exits(0);
    stage.is_as_written("2.0.0");
    lossless("promoted", visitors.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_mended_is_deployed_again_under_the_same_version() {
    let Some(stage) = live("the same version again", "retried", Door::Service).await else { return };
    stage.settings_with(CANARY, "graces: { configuration: 2s }");
    let secret = "        envFrom: [{ secretRef: { name: later } }]";
    let said = stage.deploy_as("2.0.0", "2.0.0", secret).await.exits(4);
    assert_eq!(said.reason(), "configuration-missing");
    stage.space.kubectl(&["create", "secret", "generic", "later", "--from-literal=A=b"]);
    stage.deploy_as("2.0.0", "2.0.0", secret).await.exits(0);
    stage.is_as_written("2.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn within_the_time_that_it_is_kept_a_release_comes_back_at_once_and_later_by_the_strategy() {
    let Some(stage) = live("back within keep and after", "keptlater", Door::Service).await else { return };
    let visitors = stage.visitors(RATE).await;
    let first = stage.pods();
    stage.settings(&CANARY.replace("keep: 0s", "keep: 20s"));
    stage.deploy("2.0.0").await.exits(0);
    // With an analysis this would take minutes.
    stage.settings(&STAYS.replace("keep: 0s", "keep: 8s"));
    let back = stage.run(&["rollback"]).await.exits(0).json();
    assert_eq!((&back["version"], &back["strategy"]), (&"1.0.0".into(), &"blue-green".into()));
    let seconds = back["seconds"].as_f64().unwrap();
    tell(&format!("a kept release is back after {seconds:.1} s"));
    assert!(seconds < 60.0, "{back}");
    assert!(first.iter().all(|pod| stage.pods().contains(pod)), "its own pods serve again");
    until("the end of what was kept", || (stage.pods() == first).then_some(())).await;
    stage.settings(CANARY);
    let again = stage.run(&["rollback"]).await.exits(0).json();
    assert_eq!((&again["version"], &again["strategy"]), (&"2.0.0".into(), &"canary".into()));
    stage.is_as_written("2.0.0");
    lossless("keptlater", visitors.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_set_by_hand_in_the_middle_of_a_canary_stay() {
    let Some(mut stage) = live("scaled by hand", "scaled", Door::Service).await else { return };
    let visitors = stage.visitors(RATE).await;
    stage.settings(ASKS);
    stage.deploy("2.0.0").await.exits(6);
    stage.space.kubectl(&["scale", "deployment", "shop", "--replicas=4"]);
    stage.run(&["promote", "--full"]).await.exits(0);
    stage.replicas = 4;
    let deployment = stage.space.json(&["get", "deployment", "shop"]);
    assert_eq!(deployment["spec"]["replicas"], 4, "what was set by hand counts");
    stage.is_as_written("2.0.0");
    lossless("scaled", visitors.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_at_once_one_waits_or_is_refused_and_a_closed_environment_refuses_all() {
    let Some(stage) = live("two runs at once", "tworuns", Door::Service).await else { return };
    let works = half_way(&stage, "2.0.0").await;
    stage.settings(CANARY);
    stage.manifests("sample:1.1.0");
    let refused = stage.run(&["deploy", "--version", "1.1.0", "--if-busy", "refuse"]).await.exits(3);
    assert_eq!(refused.reason(), "locked");
    let sentence = refused.json()["error"]["sentence"].as_str().unwrap().to_owned();
    assert!(sentence.contains("ada") && sentence.contains("deploy of 2.0.0"), "{sentence}");
    let waits = stage.spawn(&["deploy", "--version", "1.1.0", "--if-busy", "wait"]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(share(&stage, "2.0.0").await > 49.0, "who waits asks for nothing");
    stage.run(&["promote", "--full"]).await.exits(0);
    assert_eq!(said(works, &["deploy"]).await.exits(0).reason(), "promoted");
    let waited = said(waits, &["deploy"]).await.exits(0).json();
    assert_eq!((outcome(&waited), &waited["previous_version"]), (("promoted", "promoted"), &"2.0.0".into()));
    stage.is_as_written("1.1.0");
    closed(&stage).await;
}

/// Closes the environment by hand, and opens it again.
async fn closed(stage: &Stage) {
    stage.run(&["lock", "--reason", "the shop is on holiday"]).await.exits(0);
    let refused = stage.deploy("2.0.0").await.exits(3);
    assert_eq!(refused.reason(), "closed");
    let error = refused.json()["error"].clone();
    let sentence = error["sentence"].as_str().unwrap();
    assert!(sentence.contains("closed by ada") && sentence.ends_with("the shop is on holiday"), "{error}");
    assert!(stage.run(&["status"]).await.exits(0).json()["closed"].as_str().is_some());
    stage.run(&["unlock"]).await.exits(0);
    stage.deploy("2.0.0").await.exits(0);
    stage.is_as_written("2.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_is_gone_on_with_once_its_lock_has_run_out() {
    let Some(stage) = live("a killed run", "killedrun", Door::Gateway).await else { return };
    let visitors = stage.visitors(RATE).await;
    let works = half_way(&stage, "2.0.0").await;
    assert_eq!(stage.run(&["resume"]).await.exits(3).reason(), "locked", "its run lives");
    let pid = Pid::from_raw(i32::try_from(works.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    said(works, &["deploy"]).await;
    let killed = Instant::now();
    let works = stage.spawn(&["resume"]);
    let end = Instant::now() + Duration::from_secs(60);
    while stage.run(&["status"]).await.exits(0).json()["locked_by"]
        .as_str()
        .is_none_or(|by| !by.contains("resume"))
    {
        assert!(Instant::now() < end, "nobody takes over");
    }
    tell(&format!("a killed run was taken over {:.0} s after its death", killed.elapsed().as_secs_f64()));
    stage.run(&["promote", "--full"]).await.exits(0);
    said(works, &["resume"]).await.exits(0);
    stage.is_as_written("2.0.0");
    lossless("killedrun", visitors.stop().await);
}

/// What is in the namespace, but for what Tidegate keeps for itself.
fn things(stage: &Stage) -> Vec<String> {
    let kinds = "all,configmaps,secrets,endpointslices";
    let aside = "!tidegate.dev/journal,!tidegate.dev/kept-release";
    let names = stage.space.kubectl(&["get", kinds, "-l", aside, "-o", "name"]);
    names.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_release_that_cannot_run_leaves_nothing() {
    let Some(stage) = Stage::open("a first release that fails", "firstfails", Door::Service).await else {
        return;
    };
    let before = things(&stage);
    for (strategy, version) in [(ROLLING, "2.0.0-never-ready"), (CANARY, "2.0.0-crashing")] {
        stage.settings_with(strategy, "graces: { readiness: 3s }");
        let answer = stage.deploy(version).await.exits(1).json();
        assert_eq!(answer["outcome"], "failed", "{answer}");
        let sentence = answer["sentence"].as_str().unwrap();
        assert!(sentence.ends_with("nothing is left changed"), "{sentence}");
        until("the end of all that it brought", || (things(&stage) == before).then_some(())).await;
    }
    stage.settings(CANARY);
    stage.deploy("1.0.0").await.exits(0);
    stage.is_as_written("1.0.0");
}

/// An object as it is wanted: without what the cluster writes.
fn wanted(stage: &Stage, kind: &str) -> Value {
    let mut object = stage.space.json(&["get", kind, "shop"]);
    object.as_object_mut().unwrap().shift_remove("status");
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        annotations.shift_remove("deployment.kubernetes.io/revision");
    }
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in ["resourceVersion", "generation", "managedFields"] {
        metadata.shift_remove(field);
    }
    object
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_by_hand_is_taken_over_knowingly_and_comes_back_as_it_was() {
    let Some(stage) = Stage::open("made by hand", "byhand", Door::Service).await else { return };
    stage.manifests("sample:1.0.0");
    let file = stage.dir.path().join("deploy/shop.yaml");
    stage.space.kubectl(&["apply", "-f", file.to_str().unwrap()]);
    stage.space.rolled_out("shop");
    let (before, pods) = ([wanted(&stage, "deployment"), wanted(&stage, "service")], stage.pods());
    let visitors = stage.visitors(RATE).await;
    stage.settings(ROLLING);
    let refused = stage.deploy("2.0.0-never-ready").await.exits(1);
    assert_eq!(refused.reason(), "conflict");
    let error = refused.json()["error"].clone();
    let sentence = error["sentence"].as_str().unwrap();
    let says = ["Deployment shop (", "shop.yaml:1)", "name=\"app\"].image` by kubectl-client-side-apply"];
    assert!(says.iter().all(|part| sentence.contains(part)), "{sentence}");
    assert!(error["hints"][0].as_str().unwrap().contains("take-over: true"), "{error}");
    assert_eq!([wanted(&stage, "deployment"), wanted(&stage, "service")], before);
    for strategy in [ROLLING, CANARY] {
        stage.settings_with(strategy, "take-over: true\n        graces: { readiness: 3s }");
        let back = stage.deploy("2.0.0-never-ready").await.exits(4).json();
        assert_eq!(outcome(&back), ("rolled-back", "unready"));
        for (kind, before) in ["deployment", "service"].into_iter().zip(&before) {
            assert_eq!(wanted(&stage, kind), *before, "{kind} after {strategy}");
        }
        assert_eq!(stage.pods(), pods, "{strategy}");
    }
    lossless("byhand", visitors.stop().await);
    // Pods that were made by hand end as they were made: nothing has them wait for the routers.
    stage.deploy("2.0.0").await.exits(0);
    stage.is_as_written("2.0.0");
}

#[track_caller]
fn lossless(name: &str, ledger: tidegate::sample::Ledger) {
    tell(&format!("{name}: {ledger}"));
    assert_eq!(ledger.lost, 0, "{name}: {:?}", ledger.losses);
}
