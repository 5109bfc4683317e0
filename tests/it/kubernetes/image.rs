//! From tidegate.yaml to one digest: the image is made, pushed, and from there on only its digest counts.

use serde_json::Value;

use super::stage::{Door, ROLLING, Stage};
use crate::parts::kube::image;

/// Settings with an image of the sample app, which says who made it.
fn settings(stage: &Stage, repository: &str, by: &str) {
    stage.settings(ROLLING);
    let file = stage.dir.path().join("tidegate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let own = format!(
        "image:
  repository: {repository}
  binary: {}
  entrypoint: [/tidegate, sample-app, --version, any, --host, 0.0.0.0]
  compression: none
  sbom: false
  labels: {{ org.example.by: {by} }}
",
        env!("CARGO_BIN_EXE_tidegate")
    );
    std::fs::write(file, text + &own).unwrap();
}

async fn built(stage: &Stage, version: &str) -> String {
    let answer = stage.run(&["build", "--version", version]).await.exits(0).json();
    answer["digest"].as_str().unwrap().to_owned()
}

/// The image that the Deployment wants, and those that its pods run.
fn images(stage: &Stage) -> (String, Vec<String>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let deployment = stage.space.json(&["get", "deployment", "shop"]);
    let wanted = text(&deployment["spec"]["template"]["spec"]["containers"][0]["image"]);
    let pods = stage.space.json(&["get", "pods", "-l", "app=shop"]);
    let live = pods["items"].as_array().unwrap().iter();
    let live = live.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    (wanted, live.map(|pod| text(&pod["spec"]["containers"][0]["image"])).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_that_was_built_is_deployed_and_a_tag_that_moves_changes_nothing() {
    let Some(stage) = Stage::open("an image by digest", "digest", Door::Service).await else { return };
    let repository = image(&format!("digest-{}", std::process::id()));
    stage.manifests(&format!("digest-{}:whatever", std::process::id()));
    settings(&stage, &repository, "first");
    let look = stage.run(&["plan", "--version", "v1"]).await.exits(0);
    assert!(look.err.contains("it is made before the deploy"), "{}", look.err);
    assert_eq!(look.json()["problems"], serde_json::json!([]));
    let missing = stage.run(&["deploy", "--version", "v1"]).await.exits(1);
    assert_eq!(missing.reason(), "image-absent");

    let first = built(&stage, "v1").await;
    assert_eq!(built(&stage, "v1").await, first, "the same files are the same image");
    let plan = stage.run(&["plan", "--version", "v1"]).await.exits(0).json();
    assert_eq!(plan["image"], format!("{repository}@{first}"));
    let deployed = stage.run(&["deploy", "--version", "v1"]).await.exits(0).json();
    assert_eq!(deployed["digest"], first.as_str());
    let by_first = format!("{repository}@{first}");
    assert_eq!(images(&stage).0, by_first);
    assert!(images(&stage).1.iter().all(|image| *image == by_first), "{:?}", images(&stage));
    let pods = stage.pods();

    settings(&stage, &repository, "second");
    let moved = built(&stage, "v1").await;
    assert_ne!(moved, first);
    let again = stage.run(&["deploy", "--version", "v1"]).await.exits(0);
    assert_eq!((again.reason().as_str(), &again.json()["digest"]), ("already-live", &first.as_str().into()));
    assert!(again.err.contains(&format!("{repository}:v1 is {moved} now")), "{}", again.err);
    assert_eq!(stage.pods(), pods);

    let second = built(&stage, "v2").await;
    stage.run(&["deploy", "--version", "v2"]).await.exits(0);
    assert_eq!(images(&stage).0, format!("{repository}@{second}"));
    stage.run(&["rollback"]).await.exits(0);
    assert_eq!(images(&stage).0, by_first);
    let status = stage.run(&["status"]).await.exits(0).json();
    assert_eq!(status["image"], by_first.as_str());

    // Only by its name is another image the version's.
    let named = format!("{repository}:v1");
    stage.run(&["deploy", "--version", "v3", "--image", &named]).await.exits(0);
    assert_eq!(images(&stage).0, format!("{repository}@{moved}"));
    let history = stage.run(&["history"]).await.exits(0).json();
    let shown: Vec<&str> =
        history["rollouts"].as_array().unwrap().iter().map(|one| one["image"].as_str().unwrap()).collect();
    let wanted = [&moved, &first, &second, &first].map(|digest| format!("{repository}@{digest}"));
    assert_eq!(shown, wanted);
}
