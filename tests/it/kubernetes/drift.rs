//! `status` tells what others have changed since a release was applied, and what is kept beside it.

use serde_json::{Value, json};
use tidegate::target::kubernetes::preflight::Feature;

use super::ground::{bind, settled, state};
use super::stage::{BLUE_GREEN, CANARY, Door, ROLLING, Stage};

async fn status(stage: &Stage) -> Value {
    stage.run(&["status"]).await.exits(0).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_change_is_told_with_who_did_it() {
    let Some(mut stage) = Stage::open("drift", "drifted", Door::Service).await else { return };
    stage.settings(ROLLING);
    stage.manifests("sample:1.0.0");
    assert_eq!(status(&stage).await["drift"], Value::Null, "nothing is live");
    stage.run(&["deploy", "--version", "1.0.0"]).await.exits(0);
    assert_eq!(status(&stage).await["drift"], json!([]));
    stage.space.kubectl(&["scale", "deployment", "shop", "--replicas=3"]);
    assert_eq!(status(&stage).await["drift"], json!([]), "replicas are theirs to change");

    let image = crate::parts::kube::image("sample:2.0.0");
    stage.space.kubectl(&["set", "image", "deployment/shop", &format!("app={image}")]);
    let drift = status(&stage).await["drift"].clone();
    let expected = json!([{ "object": "Deployment shop", "missing": false, "differences": [{
        "path": "spec.template.spec.containers[name=app].image",
        "now": image,
        "applied": crate::parts::kube::image("sample:1.0.0"),
        "by": "kubectl-set",
    }] }]);
    assert_eq!(drift, expected);

    stage.space.kubectl(&["delete", "service", "shop"]);
    let before = settled(&stage).await;
    let said = stage.run_text(&["status"]).await.exits(0);
    let image_told = "  Deployment shop is no longer as it was applied:\n    spec.template.spec.containers[name=app].image is";
    assert!(said.out.contains(image_told) && said.out.contains("(changed by kubectl-set)"), "{}", said.out);
    assert!(said.out.contains("  Service shop is not there any more"), "{}", said.out);
    assert_eq!(state(&stage), before, "a look changes nothing");

    // Who may only look is told all but that.
    bind(&stage, "deployer", &crate::rbac::rules(&[Feature::Look], false), &["list", "pods"]).await;
    stage.identity = "deployer";
    stage.settings(ROLLING);
    let looked = status(&stage).await;
    assert_eq!((&looked["drift"], &looked["live"]), (&Value::Null, &"1.0.0".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_release_stands_beside_with_its_time_and_is_no_drift() {
    let Some(stage) = Stage::open("kept sets in the status", "keptstatus", Door::Gateway).await else {
        return;
    };
    for (strategy, tag, before) in [(BLUE_GREEN, "1.1.0", "1.0.0"), (CANARY, "2.0.0", "1.1.0")] {
        if before == "1.0.0" {
            stage.settings(ROLLING);
            stage.deploy("1.0.0").await.exits(0);
        }
        stage.settings(&strategy.replace("keep: 0s", "keep: 2m"));
        stage.deploy(tag).await.exits(0);
        let status = status(&stage).await;
        assert_eq!(status["drift"], json!([]), "{strategy}");
        let sets = status["sets"].as_array().unwrap();
        assert_eq!(
            (&sets[0]["version"], &sets[0]["weight_percent"]),
            (&tag.into(), &100.0.into()),
            "{status}"
        );
        let kept = sets.iter().find(|set| set["version"] == before);
        let kept = kept.unwrap_or_else(|| panic!("{before} is not in {status:#}"));
        assert!(kept["retire_at"].as_str().unwrap().ends_with("UTC"), "{kept}");
        assert_eq!((&kept["ready"], &kept["weight_percent"]), (&2.into(), &0.0.into()), "{kept}");
    }
}
