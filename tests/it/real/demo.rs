//! `tidegate demo`: what it promises, and that it leaves nothing behind.

use super::stage::{command, finished};
use super::{processes, tell};

#[tokio::test]
async fn the_demo_shows_what_it_promises_and_leaves_nothing_behind() {
    let scratch = tempfile::Builder::new().prefix("tidegate-e2e-demo-").tempdir().unwrap();
    let mut demo = command(&["demo", "--output", "json", "--rate", "300"]);
    // Everything that the demo starts names its directory, and so shows whose it is.
    demo.env("TMPDIR", scratch.path()).kill_on_drop(true);
    let answer = finished(demo.spawn().unwrap()).await;
    let left = processes::of(scratch.path());
    left.iter().for_each(|process| processes::kill(process.pid));

    let json = &answer.json;
    assert_eq!(answer.code, Some(0), "{json:#}\n{}", answer.log);
    assert_eq!(json["lost"], 0, "{json:#}");
    assert_eq!(json["promoted"], serde_json::json!(["v1", "v2"]), "{json:#}");
    assert_eq!(json["rolled_back"], serde_json::json!(["v3"]), "{json:#}");
    assert!(json["requests"].as_u64().is_some_and(|requests| requests > 300), "{json:#}");
    assert!(json["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{json:#}");
    let errors = &json["errors_by_version"];
    assert_eq!((&errors["v1"], &errors["v2"]), (&0.into(), &0.into()), "{json:#}");
    assert!(errors["v3"].as_u64().is_some_and(|errors| errors > 0), "{json:#}");
    assert!(left.is_empty(), "still running: {left:?}");
    let files: Vec<_> =
        std::fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.is_empty(), "left behind: {files:?}");
    tell(&format!("demo: {} requests in {} s, 0 lost", json["requests"], json["seconds"]));
}
