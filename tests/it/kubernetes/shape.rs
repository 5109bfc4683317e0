//! What is left in the cluster after a rollout is what the manifests say.

use super::stage::{BLUE_GREEN, CANARY, Door, ROLLING, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_of_the_same_name_runs_the_new_version_by_every_strategy() {
    let Some(stage) = Stage::open("what is left is what is written", "shape", Door::Service).await else {
        return;
    };
    stage.settings(ROLLING);
    assert_eq!(stage.deploy("1.0.0").await.exits(0).reason(), "promoted");
    stage.is_as_written("1.0.0");
    for (strategy, tag) in [(ROLLING, "1.1.0"), (BLUE_GREEN, "2.0.0"), (CANARY, "1.0.0"), (ROLLING, "1.1.0")]
    {
        stage.settings(strategy);
        let answer = stage.deploy(tag).await.exits(0).json();
        assert_eq!(answer["outcome"], "promoted", "{strategy}: {answer}");
        stage.is_as_written(tag);
        let before = stage.pods();
        assert_eq!(stage.deploy(tag).await.exits(0).reason(), "already-live");
        assert_eq!(stage.pods(), before, "what is live already was deployed again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_through_the_gateway_leaves_the_route_as_it_is_written() {
    let Some(stage) = Stage::open("a route is left as written", "routed", Door::Gateway).await else {
        return;
    };
    stage.settings(CANARY);
    stage.deploy("1.0.0").await.exits(0);
    stage.is_as_written("1.0.0");
    stage.deploy("2.0.0").await.exits(0);
    stage.is_as_written("2.0.0");
}

/// A kept release comes back with its own pods, at once, and a release that is gone comes back by the strategy.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_release_comes_back_with_the_pods_that_it_had() {
    let Some(stage) = Stage::open("a kept release comes back", "kept", Door::Gateway).await else { return };
    stage.settings(&CANARY.replace("keep: 0s", "keep: 1m"));
    stage.deploy("1.0.0").await.exits(0);
    let first = stage.pods();
    stage.deploy("2.0.0").await.exits(0);
    let both = stage.pods();
    assert!(first.iter().all(|pod| both.contains(pod)), "{first:?} are not all in {both:?}");
    let back = stage.run(&["rollback"]).await.exits(0).json();
    assert_eq!((&back["outcome"], &back["version"]), (&"promoted".into(), &"1.0.0".into()), "{back}");
    let again = stage.pods();
    assert!(first.iter().all(|pod| again.contains(pod)), "{first:?} are not all in {again:?}");
    let status = stage.run(&["status"]).await.exits(0).json();
    assert_eq!(status["live"], "1.0.0", "{status}");
}

/// Requests that are checked before any traffic moves go to the new pods themselves, through the API server.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_fails_its_checks_beforehand_gets_no_request() {
    let Some(stage) = Stage::open("checks before traffic moves", "before", Door::Service).await else {
        return;
    };
    stage.settings(ROLLING);
    stage.deploy("1.0.0").await.exits(0);
    let visitors = stage.visitors(50).await;
    stage.settings(
        "strategy: { blue-green: { before: [{ get: /health, expect: { status: 200, json: { version: 2.0.0 } } }] } }
    keep: 0s",
    );
    let refused = stage.deploy("2.0.0-wrong-version").await.exits(4).json();
    assert!(refused["sentence"].as_str().unwrap().contains("1.0.0 serves all requests"), "{refused}");
    assert!(!visitors.snapshot().by_version.contains_key("2.0.0-wrong-version"));
    stage.is_as_written("1.0.0");
    stage.deploy("2.0.0").await.exits(0);
    stage.is_as_written("2.0.0");
    let ledger = visitors.stop().await;
    assert_eq!(ledger.lost, 0, "{:?}", ledger.losses);
}
