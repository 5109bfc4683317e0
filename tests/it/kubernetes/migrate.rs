//! Migrations by a Job of the cluster, with the image and the configuration of the release.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::stage::{CANARY, Door, ROLLING, Stage, said};

/// The settings of a strategy, with a Job that runs this.
fn with(strategy: &str, command: &str, more: &str) -> String {
    format!("{strategy}\n    migrate: {{ job: {{ command: {command} }}{more} }}")
}

impl Stage {
    fn jobs(&self) -> Vec<Value> {
        let jobs = self.space.json(&["get", "jobs"]);
        jobs["items"].as_array().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_migrates_with_the_image_of_the_release_before_anything_of_it_starts() {
    let Some(stage) = Stage::open("a Job migrates", "migrates", Door::Service).await else { return };
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    let visitors = stage.visitors(50).await;
    stage.settings(&with(CANARY, "[/tidegate, schema]", ""));
    let said = stage.deploy("2.0.0").await.exits(0);
    assert_eq!(said.reason(), "promoted");
    let [job] = stage.jobs().try_into().unwrap_or_else(|jobs| panic!("{jobs:?}"));
    let pod = &job["spec"]["template"]["spec"];
    assert!(pod["containers"][0]["image"].as_str().unwrap().contains("sample"), "{pod}");
    assert_eq!((&job["status"]["succeeded"], &job["spec"]["backoffLimit"]), (&1.into(), &0.into()), "{job}");
    let ended = job["status"]["completionTime"].as_str().unwrap().to_owned();
    let pods = stage.space.json(&["get", "pods", "-l", "app=shop"]);
    let is_new =
        |pod: &&Value| pod["spec"]["containers"][0]["image"].as_str().unwrap().ends_with("sample:2.0.0");
    let new = pods["items"].as_array().unwrap().iter().filter(is_new);
    let began: Vec<_> =
        new.map(|pod| pod["metadata"]["creationTimestamp"].as_str().unwrap().to_owned()).collect();
    assert!(began.len() == 2 && began.iter().all(|time| *time >= ended), "{began:?} began before {ended}");
    stage.is_as_written("2.0.0");
    // One that fails: the release is not begun, and nobody but a person knows what it left.
    stage.settings(&with(ROLLING, "[/tidegate, validate, --file, /nowhere.yaml]", ""));
    let failed = stage.deploy("1.1.0").await.exits(4);
    assert_eq!(failed.reason(), "migration-unknown");
    let answer = failed.json();
    assert!(answer["sentence"].as_str().unwrap().contains("failed (exit code 2)"), "{answer}");
    assert!(answer["log_tail"].to_string().contains("/nowhere.yaml"), "{answer}");
    assert_eq!(stage.deploy("1.1.0").await.exits(3).reason(), "schema-hold");
    stage.run(&["unlock"]).await.exits(0);
    // One whose pod cannot start has changed nothing, whatever its program is.
    stage.settings(&with(ROLLING, "[/no/such/program]", ""));
    let absent = stage.deploy("1.1.0").await.exits(4);
    assert_eq!(absent.reason(), "migration-not-started", "{}", absent.out);
    stage.is_as_written("2.0.0");
    let ledger = visitors.stop().await;
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_killed_run_left_is_waited_for_and_not_run_again() {
    let Some(stage) = Stage::open("a killed run's Job", "job-left", Door::Service).await else { return };
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    // It serves for some seconds, and then ends well.
    stage.settings(&with(ROLLING, "[/tidegate, sample-app]", ", at-most: 20s, atomic: true"));
    stage.manifests("sample:2.0.0");
    let child = stage.spawn(&["deploy", "--version", "2.0.0"]);
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    let began = std::time::Instant::now();
    while stage.jobs().first().is_none_or(|job| job["status"]["active"] != 1) {
        assert!(began.elapsed() < Duration::from_secs(60), "no Job came");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    kill_process(pid, Signal::KILL).unwrap();
    said(child, &["deploy"]).await;
    stage.run(&["unlock", "--force"]).await.exits(0);
    // It serves on and never ends by itself, so that the cluster ends it in time; all or nothing, it says.
    let resumed = stage.run(&["resume"]).await.exits(4);
    assert_eq!(resumed.reason(), "migration-failed", "{}", resumed.out);
    assert_eq!(stage.jobs().len(), 1, "the same Job");
    stage.is_as_written("1.0.0");
}
