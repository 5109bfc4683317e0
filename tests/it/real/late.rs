//! Commands that come when the new release is promoted already, or when nothing runs any more.

use std::time::{Duration, Instant};

use super::ms;
use super::stage::{Fault, Stage, Strategy, finished};
use super::visitors::{live, visit, whole};

/// Between the promotion and the end of a rollout there is only tidying up, a matter of milliseconds. A command that dies
/// there leaves a rollout that is open and can no longer be turned round; whoever asks for the way back must get it still.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_after_the_promotion_brings_the_release_before_it_back() {
    let stage = Stage::new();
    stage.configure(Strategy::BlueGreen, Fault::None);
    assert_eq!(stage.deploy("v1").await.word(), "promoted");
    let visitors = visit(&stage, 50);
    let mut deploy = stage.deploying("v2");
    let begun = Instant::now();
    while stage.promotions() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(30), "v2 is not promoted");
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    let _ = deploy.start_kill();
    finished(deploy).await;

    let answer = stage.run(&["rollback"]).await;
    assert_eq!((answer.code, answer.word()), (Some(0), "promoted"), "{}", answer.json);
    assert_eq!(live(&stage, &visitors).await.as_deref(), Ok("v1"), "{}", answer.json);
    assert_eq!(answer.json["version"], "v1");
    assert_eq!(visitors.stop().await.lost, 0);
}

/// `local stop` says that the next resume starts everything again, and so it must, also when no rollout is open.
#[tokio::test(flavor = "multi_thread")]
async fn a_resume_after_a_stop_starts_what_was_live() {
    let stage = Stage::new();
    stage.configure(Strategy::Rolling, Fault::None);
    assert_eq!(stage.deploy("v1").await.word(), "promoted");
    assert_eq!(stage.run(&["local", "stop"]).await.code, Some(0));
    assert_eq!(stage.run(&["status"]).await.json["reachable"], false);
    let answer = stage.run(&["resume"]).await;
    assert_eq!((answer.code, answer.word()), (Some(0), "nothing"), "{}", answer.json);
    let begun = Instant::now();
    loop {
        match whole(&stage.run(&["status"]).await.json) {
            Ok(version) => return assert_eq!(version, "v1"),
            Err(why) => assert!(begun.elapsed() < Duration::from_secs(30), "{why}"),
        }
        tokio::time::sleep(ms(50)).await;
    }
}
