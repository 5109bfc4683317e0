//! A rollout steered from another process.

use rustix::process::Signal;

use super::kit::{App, Config, Running, tells};

/// Version 1 live, and a deploy of version 2 at 20 % for so long.
fn canary(lasting: &str) -> (App, Running) {
    let app = App::live(&Config::canary(lasting));
    let deploy = app.start(&["--output", "json", "deploy", "--version", "v2"]);
    deploy.until("v2 gets 20 %");
    (app, deploy)
}

#[test]
fn abort_takes_it_back() {
    let (app, deploy) = canary("20s");
    let said = app.run(&["abort", "--reason", "wrong colour"]).exits(0);
    tells(
        &said.out,
        &["rolled-back: v2 was taken back: tester aborted it: wrong colour; v1 serves all requests"],
    );
    let answer = deploy.end().exits(4).json();
    assert_eq!((&answer["outcome"], &answer["reason"]), (&"rolled-back".into(), &"aborted".into()));
    app.serves("v1");
}

#[test]
fn rollback_takes_it_back_too() {
    let (app, deploy) = canary("20s");
    let answer = app.json(&["rollback"]);
    assert_eq!((&answer["outcome"], &answer["exit_code"]), (&"rolled-back".into(), &0.into()));
    deploy.end().exits(4);
    app.serves("v1");
}

#[test]
fn promote_in_full_ends_the_watching() {
    let (app, deploy) = canary("20s");
    let begun = std::time::Instant::now();
    let said = app.run(&["promote", "--full"]).exits(0);
    tells(&said.out, &["promoted: v2 is live in dev, in place of v1"]);
    deploy.end().exits(0);
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "it watched on");
    app.serves("v2");
}

#[test]
fn promote_without_a_pause_waits_for_the_end() {
    let (app, deploy) = canary("2s");
    assert_eq!(app.json(&["promote"])["outcome"], "promoted");
    deploy.end().exits(0);
    app.serves("v2");
}

#[test]
fn pause_holds_it_and_promote_lets_it_go_on() {
    let (app, deploy) = canary("20s");
    let said = app.run(&["pause", "--reason", "lunch"]).exits(0);
    tells(&said.out, &["paused: v2 waits", "tester asked for a pause: lunch"]);
    let answer = deploy.end().exits(6).json();
    assert_eq!((&answer["outcome"], &answer["reason"]), (&"paused".into(), &"paused".into()));
    let sentence = answer["sentence"].as_str().unwrap();
    tells(
        sentence,
        &[
            "v2 waits in dev with 20 % of the traffic",
            "`tidegate promote dev` goes on",
            "`tidegate abort dev`",
        ],
    );
    let status = app.json(&["status"]);
    assert_eq!((&status["rollout"]["phase"], &status["live"]), (&"paused".into(), &"v1".into()));
    assert_eq!(app.shares().len(), 2);
    // The same release again waits as before; `resume` too, for only a person ends a pause.
    app.run(&["deploy", "--version", "v2"]).exits(6);
    app.run(&["resume"]).exits(6);
    let begun = std::time::Instant::now();
    assert_eq!(app.json(&["promote"])["outcome"], "promoted");
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "it began to watch anew");
    app.serves("v2");
}

#[test]
fn a_paused_rollout_can_be_aborted_or_superseded() {
    for newer in [false, true] {
        let (app, deploy) = canary("20s");
        app.run(&["pause"]).exits(0);
        deploy.end().exits(6);
        if newer {
            app.write(&Config::default());
            app.run(&["deploy", "--version", "v3"]).exits(0);
            assert_eq!(app.history(), ["v3 promoted", "v2 rolled-back", "v1 promoted"]);
            app.serves("v3");
        } else {
            let answer = app.json(&["abort"]);
            assert_eq!((&answer["outcome"], &answer["exit_code"]), (&"rolled-back".into(), &0.into()));
            app.serves("v1");
        }
    }
}

#[test]
fn what_a_killed_deploy_left_is_resumed_or_aborted() {
    for word in ["resume", "abort", "deploy --version v2"] {
        let (app, deploy) = canary("1s");
        deploy.signal(Signal::KILL);
        deploy.end().exits(1000 + Signal::KILL.as_raw());
        assert_eq!(app.json(&["status"])["rollout"]["phase"], "forward");
        let answer = app.json(&word.split(' ').collect::<Vec<_>>());
        assert_eq!(answer["exit_code"], 0, "{answer:#}");
        app.serves(if word == "abort" { "v1" } else { "v2" });
        assert!(app.json(&["status"])["rollout"].is_null());
    }
}

#[test]
fn resume_leaves_a_rollout_alone_that_another_process_works_on() {
    let (app, deploy) = canary("20s");
    let said = app.run(&["resume"]).exits(3);
    tells(said.error("locked"), &["tester has held the lock since ", "deploy of v2"]);
    app.run(&["abort"]).exits(0);
    deploy.end().exits(4);
}
