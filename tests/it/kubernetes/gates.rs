//! Gates by a Job of the cluster, with the image of the release.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::stage::{Door, ROLLING, Stage, said};

/// A blue-green that runs this from inside before traffic moves.
fn before(command: &str, more: &str) -> String {
    format!(
        "strategy: {{ blue-green: {{ before: [{{ job: {{ command: {command} }}{more} }}] }} }}\n    keep: 0s"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_decides_from_inside_and_a_killed_run_s_job_is_waited_for() {
    let Some(stage) = Stage::open("a Job is a gate", "gates", Door::Service).await else { return };
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    let visitors = stage.visitors(50).await;
    stage.settings(&before("[/tidegate, schema]", ""));
    let said_first = stage.deploy("2.0.0").await.exits(0);
    assert_eq!(said_first.reason(), "promoted");
    let jobs = stage.space.json(&["get", "jobs"]);
    let named = |jobs: &serde_json::Value| {
        let items = jobs["items"].as_array().unwrap().clone();
        let names = items.iter().map(|job| {
            let meta = &job["metadata"];
            format!("{} {}", meta["name"].as_str().unwrap(), meta["uid"].as_str().unwrap())
        });
        names.filter(|name| name.contains("-gate-")).collect::<Vec<_>>()
    };
    assert_eq!(named(&jobs).len(), 1, "{jobs}");
    // It fails: its log is in the answer, and nobody has met the release.
    stage.settings(&before("[/tidegate, validate, --file, /nowhere.yaml]", ""));
    let failed = stage.deploy("1.1.0").await.exits(4);
    assert_eq!(failed.reason(), "gate-failed");
    let answer = failed.json();
    assert!(answer["sentence"].as_str().unwrap().contains("failed (exit code 2)"), "{answer}");
    assert!(answer["log_tail"].to_string().contains("/nowhere.yaml"), "{answer}");
    // It cannot start: that is no pass.
    stage.settings(&before("[/no/such/program]", ""));
    assert_eq!(stage.deploy("1.1.0").await.exits(4).reason(), "gate-silent");
    // A run is killed while its Job serves; who takes it up waits for the same Job, which the cluster ends in its time.
    stage.settings(&before("[/tidegate, sample-app]", ", within: 25s"));
    stage.manifests("sample:1.1.0");
    let child = stage.spawn(&["deploy", "--version", "1.1.0"]);
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    let began = std::time::Instant::now();
    let active = || {
        let jobs = stage.space.json(&["get", "jobs"]);
        jobs["items"].as_array().unwrap().iter().any(|job| job["status"]["active"] == 1)
    };
    while !active() {
        assert!(began.elapsed() < Duration::from_secs(60), "no Job came");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    kill_process(pid, Signal::KILL).unwrap();
    said(child, &["deploy"]).await;
    let before_resume = named(&stage.space.json(&["get", "jobs"]));
    stage.run(&["unlock", "--force"]).await.exits(0);
    let resumed = stage.run(&["resume"]).await.exits(4);
    assert!(["gate-failed", "gate-silent"].contains(&resumed.reason().as_str()), "{}", resumed.out);
    assert_eq!(named(&stage.space.json(&["get", "jobs"])), before_resume, "the same Job");
    stage.is_as_written("2.0.0");
    let ledger = visitors.stop().await;
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
}
