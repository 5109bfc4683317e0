//! Two commands on one environment.

use super::kit::{App, Config, Running, tells};

/// An app with version 1 live and a deploy of version 2 that stays at 20 % for a while.
fn canary() -> (App, Running) {
    let app = App::live(&Config::canary("20s"));
    let deploy = app.start(&["--output", "json", "deploy", "--version", "v2"]);
    deploy.until("v2 gets 20 %");
    (app, deploy)
}

#[test]
fn a_closed_environment_takes_no_deploy_until_it_is_opened() {
    let app = App::live(&Config::default());
    let said = app.run(&["lock", "--reason", "moving house"]).exits(0);
    tells(&said.out, &["dev is closed for deploys: moving house; `tidegate unlock dev` opens it"]);
    let before = app.facts();
    let said = app.run(&["deploy", "--version", "v2"]).exits(3);
    tells(
        said.error("closed"),
        &["dev was closed by tester at ", ": moving house", "help: `tidegate unlock dev`"],
    );
    assert_eq!(app.json(&["deploy", "--version", "v2"])["error"]["code"], "closed");
    let said = app.run(&["lock", "--reason", "again"]).exits(3);
    tells(said.error("closed"), &["dev is closed already, by tester since", "moving house"]);
    assert_eq!(app.facts(), before);
    tells(&app.run(&["status"]).exits(0).out, &["closed by tester at ", "moving house"]);
    tells(&app.run(&["unlock"]).exits(0).out, &["dev is open again"]);
    tells(&app.run(&["unlock"]).exits(0).out, &["dev was not closed"]);
    app.run(&["deploy", "--version", "v2"]).exits(0);
    app.serves("v2");
}

#[test]
fn a_newer_version_supersedes_the_one_under_way() {
    let (app, first) = canary();
    app.write(&Config::default());
    let second = app.json(&["deploy", "--version", "v3"]);
    assert_eq!(
        (second["outcome"].as_str(), second["previous_version"].as_str()),
        (Some("promoted"), Some("v1"))
    );
    let first = first.end().exits(4).json();
    assert_eq!(
        (first["outcome"].as_str(), first["reason"].as_str()),
        (Some("rolled-back"), Some("superseded"))
    );
    tells(
        first["sentence"].as_str().unwrap(),
        &["v2 was taken back: tester came with the newer v3", "v1 serves"],
    );
    assert_eq!(app.history(), ["v3 promoted", "v2 rolled-back", "v1 promoted"]);
    app.serves("v3");
}

#[test]
fn refuse_refuses_while_another_deploy_runs() {
    let (app, first) = canary();
    let said = app.run(&["deploy", "--version", "v3", "--if-busy", "refuse"]).exits(3);
    tells(said.error("locked"), &["tester has held the lock since ", "deploy of v2"]);
    let said = app.run(&["unlock"]).exits(3);
    tells(said.error("locked"), &["tester works on dev since ", "deploy of v2", "--force"]);
    tells(&app.run(&["status"]).exits(0).out, &["tester works on it since ", "deploy of v2"]);
    app.run(&["promote", "--full"]).exits(0);
    first.end().exits(0);
    app.serves("v2");
}

#[test]
fn wait_waits_for_the_other_deploy() {
    let (app, first) = canary();
    let second = app.start(&["deploy", "--version", "v3", "--if-busy", "wait"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    app.run(&["promote", "--full"]).exits(0);
    first.end().exits(0);
    second.until("v3 gets 20 %");
    assert_eq!(app.json(&["status"])["live"], "v2");
    app.run(&["promote", "--full"]).exits(0);
    second.end().exits(0);
    app.serves("v3");
}

#[test]
fn the_lock_can_be_taken_by_force_and_the_rollout_goes_on() {
    let (app, first) = canary();
    let said = app.run(&["unlock", "--force"]).exits(0);
    tells(
        &said.out,
        &["the lock of dev was taken from tester; `tidegate resume dev` goes on with its rollout"],
    );
    let first = first.end().exits(3).json();
    assert_eq!(first["error"]["code"], "lock-lost");
    tells(first["error"]["sentence"].as_str().unwrap(), &["taken over by", "tester"]);
    assert_eq!(app.json(&["status"])["rollout"]["version"], "v2");
    assert_eq!(app.json(&["abort"])["outcome"], "rolled-back");
    app.serves("v1");
}

#[test]
fn two_versions_at_the_same_instant_end_in_one_of_them() {
    for round in 0..3 {
        let app = App::live(&Config::default());
        let both = ["v2", "v3"].map(|v| app.start(&["--output", "json", "deploy", "--version", v]));
        let answers = both.map(|running| running.end().json());
        let promoted: Vec<_> = answers.iter().filter(|a| a["outcome"] == "promoted").collect();
        assert!(!promoted.is_empty(), "{round}: {answers:#?}");
        for answer in &answers {
            let reason = answer["reason"].as_str().unwrap();
            assert!(["promoted", "superseded"].contains(&reason), "{answer:#}");
        }
        let live = app.json(&["status"])["live"].as_str().unwrap().to_owned();
        assert!(promoted.iter().any(|answer| answer["version"] == live.as_str()));
        app.serves(&live);
        assert!(app.json(&["status"])["rollout"].is_null());
    }
}

#[test]
fn the_same_version_twice_at_the_same_instant_is_one_rollout() {
    for _ in 0..2 {
        let app = App::live(&Config::default());
        let both = [0, 1].map(|_| app.start(&["--output", "json", "deploy", "--version", "v2"]));
        let mut reasons =
            both.map(|running| running.end().exits(0).json()["reason"].as_str().unwrap().to_owned());
        reasons.sort();
        assert_eq!(reasons, ["already-live", "promoted"]);
        assert_eq!(app.history(), ["v2 promoted", "v1 promoted"]);
        app.serves("v2");
    }
}

#[test]
fn a_word_that_came_too_late_is_not_taken_for_the_next_rollout() {
    let app = App::live(&Config::default());
    let late = r#"{"id":"00000000000000000001-1","want":"abort","by":"tester"}"#;
    std::fs::write(app.state().join("journal/requests/00000000000000000001-1.json"), late).unwrap();
    app.run(&["deploy", "--version", "v2"]).exits(0);
    app.serves("v2");
}

#[test]
fn a_set_that_an_earlier_rollout_could_not_take_away_goes_with_the_next_deploy() {
    let app = App::live(&Config::default());
    let journal = tidegate::journal::file::FileJournal::existing(&app.state().join("journal")).unwrap();
    let histories = journal.read().unwrap();
    let tidegate::rollout::Fact::Started { plan, .. } = &histories[0][0].fact else { panic!("no start") };
    let one = &plan.candidate;
    let stray =
        tidegate::rollout::Release::new(&one.app, "v0", None, Vec::new(), one.spec.clone(), one.created);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        use tidegate::target::{Target as _, local::LocalTarget};
        let target = LocalTarget::existing(&app.state()).await.unwrap();
        let scale = tidegate::rollout::Action::Scale { release: stray.id.clone(), instances: 1 };
        target.act(&scale, &[&stray]).await.unwrap();
    });
    let there = |id: &str| {
        let status = app.json(&["status"]);
        status["sets"].as_array().unwrap().iter().any(|set| set["release"] == id && set["desired"] != 0)
    };
    assert!(there(stray.id.as_str()));
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    tells(&said.err, &[&format!("release {} is left from an earlier rollout", stray.id)]);
    assert!(!there(stray.id.as_str()));
    assert!(there(one.id.as_str()));
    app.serves("v2");
}
