//! From tidegate.yaml to one digest: the image is made, pushed, and from there on only its digest counts.

use serde_json::Value;

use super::stage::{Door, ROLLING, Stage};
use crate::parts::kube::{image, workload};

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

/// Settings with two images, of which one says by whom it was made.
fn two(stage: &Stage, own: &str, other: &str, by: &str) {
    settings(stage, own, "nobody");
    let file = stage.dir.path().join("tidegate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let own = text.split_once("image:\n").unwrap().1;
    let (_, keys) = own.split_once('\n').unwrap();
    let keys = keys.replace("nobody", by).replace("\n  ", "\n    ");
    let more = format!("images:\n  worker:\n    repository: {other}\n  {keys}");
    std::fs::write(file, text.clone() + &more).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_workload_runs_the_image_of_its_repository() {
    let Some(stage) = Stage::open("several images", "several", Door::Service).await else { return };
    let (name, other) = (format!("several-{}", std::process::id()), format!("worker-{}", std::process::id()));
    stage.manifests(&format!("{name}:x"));
    let worker = workload("worker", &format!("{other}:x"), 1, "/health", "");
    std::fs::write(stage.dir.path().join("deploy/worker.yaml"), worker).unwrap();
    two(&stage, &image(&name), &image(&other), "first");
    stage.run(&["validate"]).await.exits(0);
    let first = stage.run(&["build", "--version", "v1"]).await.exits(0).json();
    assert!(first["reused"] == false && first["others"][0]["reused"] == false, "{first:#}");
    stage.run(&["deploy", "--version", "v1"]).await.exits(0);
    let runs = |name: &str| -> String {
        let deployment = stage.space.json(&["get", "deployment", name]);
        deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    };
    let digest = |answer: &Value| answer["digest"].as_str().unwrap().to_owned();
    assert_eq!(runs("shop"), format!("{}@{}", image(&name), digest(&first)));
    assert_eq!(runs("worker"), format!("{}@{}", image(&other), digest(&first["others"][0])));

    two(&stage, &image(&name), &image(&other), "second");
    let second = stage.run(&["build", "--version", "v2"]).await.exits(0).json();
    assert_ne!(digest(&second["others"][0]), digest(&first["others"][0]));
    stage.run(&["deploy", "--version", "v2"]).await.exits(0);
    assert_eq!(runs("shop"), format!("{}@{}", image(&name), digest(&second)));
    assert_eq!(runs("worker"), format!("{}@{}", image(&other), digest(&second["others"][0])));
    // Both go back, and each can be named by itself.
    stage.run(&["rollback"]).await.exits(0);
    assert_eq!(runs("worker"), format!("{}@{}", image(&other), digest(&first["others"][0])));
    let named = format!("{}:v2", image(&other));
    stage.run(&["deploy", "--version", "v1b", "--image", &named]).await.exits(1).reason();
    stage.run(&["build", "--version", "v1b"]).await.exits(0);
    stage.run(&["deploy", "--version", "v1b", "--image", &named]).await.exits(0);
    assert_eq!(runs("worker"), format!("{}@{}", image(&other), digest(&second["others"][0])));
}
