//! `plan` shows what a rollout would change, by the API server's own word, and changes nothing.

use serde_json::{Value, json};

use super::ground::{changes, settled, state};
use super::stage::{BLUE_GREEN, Door, ROLLING, Stage};

const IMAGE: &str = "spec.template.spec.containers[name=app].image";

async fn plan(stage: &Stage, version: &str) -> Value {
    stage.run(&["plan", "--version", version]).await.exits(0).json()
}

/// The plan as people read it.
async fn text(stage: &Stage, version: &str) -> String {
    stage.run_text(&["plan", "--version", version]).await.exits(0).out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_is_made_changed_and_removed_and_writes_nothing() {
    let Some(stage) = Stage::open("a plan writes nothing", "planned", Door::Service).await else { return };
    stage.settings(ROLLING);
    let budget = "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: { name: shop }\n\
                  spec: { maxUnavailable: 1, selector: { matchLabels: { app: shop } } }\n";
    stage.manifests_with("sample:1.0.0", "", budget);
    let before = state(&stage);
    let first = plan(&stage, "1.0.0").await;
    let made = ["create Deployment shop", "create PodDisruptionBudget shop", "create Service shop"];
    assert_eq!(changes(&first), made);
    assert_eq!((&first["problems"], &first["previous_version"]), (&json!([]), &Value::Null), "{first}");
    assert!(
        first["findings"].as_array().unwrap().iter().any(|one| one.as_str().unwrap().contains("`no-limits`"))
    );
    assert_eq!(state(&stage), before);

    stage.run(&["deploy", "--version", "1.0.0"]).await.exits(0);
    let live = plan(&stage, "1.0.0").await;
    assert_eq!((&live["steps"], &live["changes"]), (&json!([]), &json!([])));
    let before = settled(&stage).await;
    stage.manifests("sample:2.0.0");
    let next = plan(&stage, "2.0.0").await;
    assert_eq!(changes(&next), ["update Deployment shop", "remove PodDisruptionBudget shop"]);
    let difference = &next["changes"][0]["differences"][0];
    assert_eq!(difference["path"], IMAGE);
    assert!(difference["to"].as_str().unwrap().ends_with("sample:2.0.0"), "{difference}");
    assert_eq!(next["changes"][0]["differences"].as_array().unwrap().len(), 1, "{next}");
    let shown = text(&stage, "2.0.0").await;
    assert!(shown.contains("changes in the cluster:\n  ~ Deployment shop\n      ~ spec.template"), "{shown}");
    assert!(shown.contains("\n  - PodDisruptionBudget shop\n"), "{shown}");
    assert_eq!(state(&stage), before);

    // And so it comes.
    stage.run(&["deploy", "--version", "2.0.0"]).await.exits(0);
    stage.is_as_written("2.0.0");
    assert_eq!(stage.space.json(&["get", "poddisruptionbudgets"])["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_tidegate_is_planned_for_but_not_kept_by_a_plan() {
    let Some(stage) = Stage::open("a plan keeps nothing", "foundplan", Door::Service).await else { return };
    stage.settings(BLUE_GREEN);
    stage.manifests("sample:1.0.0");
    stage.space.apply(&std::fs::read_to_string(stage.dir.path().join("deploy/shop.yaml")).unwrap());
    stage.space.rolled_out("shop");
    stage.manifests("sample:2.0.0");
    let before = settled(&stage).await;
    let shown = plan(&stage, "2.0.0").await;
    assert_eq!(shown["previous_version"], "before-tidegate");
    assert_eq!(state(&stage), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_values_of_secrets_are_nowhere_in_a_plan() {
    let Some(stage) = Stage::open("no secret in a plan", "secretplan", Door::Service).await else { return };
    stage.settings(ROLLING);
    let write = |image: &str, value: &str| {
        let secret = |name: &str, annotation: &str| {
            format!(
                "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: {name}{annotation} }}\nstringData: {{ KEY: {value} }}\n"
            )
        };
        let kept = secret("kept", ", annotations: { tidegate.dev/versioned: \"false\" }");
        let extra = "        envFrom: [{ secretRef: { name: own } }, { secretRef: { name: kept } }]";
        stage.manifests_with(image, extra, &(secret("own", "") + &kept));
    };
    let says_none = async |version: &str| {
        let said = stage.run(&["plan", "--version", version]).await.exits(0);
        let all = format!("{}{}{}", said.out, said.err, text(&stage, version).await);
        // As it is written, and as the API server has it.
        for hidden in ["hunter2", "hunter3", "aHVudGVyMg", "aHVudGVyMw"] {
            assert!(!all.contains(hidden), "{hidden} in {all}");
        }
        said.json()
    };
    write("sample:1.0.0", "hunter2");
    let first = says_none("1.0.0").await;
    assert_eq!(changes(&first).len(), 4, "{first}");
    stage.run(&["deploy", "--version", "1.0.0"]).await.exits(0);
    write("sample:1.0.0", "hunter3");
    let next = says_none("1.0.1").await;
    let told = changes(&next);
    assert!(told[0].starts_with("create Secret own-"), "{told:?}");
    assert_eq!(told[1..], ["update Deployment shop", "update Secret kept"], "{told:?}");
    let kept = next["changes"].as_array().unwrap().iter().find(|one| one["object"] == "Secret kept").unwrap();
    let expected = json!([{ "path": "data.KEY", "from": "(secret)", "to": "(secret)" }]);
    assert_eq!(kept["differences"], expected);
    // A value of another type is told by the API server itself.
    write("sample:1.0.0", "4711");
    let wrong = stage.run(&["plan", "--version", "1.0.2"]).await.exits(0);
    assert!(wrong.out.contains("\"invalid\"") && !wrong.out.contains("4711"), "{}", wrong.out);
}

/// The type of a Deployment's strategy cannot be changed by an apply, and what Tidegate holds for a moment is nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_of_the_manifests_survives_every_strategy_of_tidegate() {
    let Some(stage) = Stage::open("a strategy is kept", "surge", Door::Service).await else { return };
    let write = |tag: &str| {
        stage.manifests(&format!("sample:{tag}"));
        let file = stage.dir.path().join("deploy/shop.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let surging = "  strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }\n  replicas:";
        std::fs::write(&file, text.replacen("  replicas:", surging, 1)).unwrap();
    };
    for (strategy, tag) in [
        ("strategy: recreate", "1.0.0"),
        (ROLLING, "1.1.0"),
        ("strategy: recreate", "2.0.0"),
        (BLUE_GREEN, "1.0.0"),
        (BLUE_GREEN, "1.1.0"),
        (ROLLING, "2.0.0"),
    ] {
        stage.settings(strategy);
        write(tag);
        let shown = plan(&stage, tag).await;
        assert_eq!(shown["problems"], json!([]), "{strategy} {tag}");
        stage.run(&["deploy", "--version", tag]).await.exits(0);
        let now = stage.space.json(&["get", "deployment", "shop"])["spec"]["strategy"].clone();
        if strategy.contains("recreate") {
            assert_eq!(now, json!({ "type": "Recreate" }), "{tag}");
        } else {
            assert_eq!(
                now["rollingUpdate"],
                json!({ "maxSurge": 1, "maxUnavailable": 0 }),
                "{strategy} {tag}"
            );
        }
        let status = stage.run(&["status"]).await.exits(0).json();
        assert_eq!(status["drift"], json!([]), "{strategy} {tag}");
    }
}
