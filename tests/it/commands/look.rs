//! Commands that look, and those that begin and end.

use super::kit::{App, Config, tells};

#[test]
fn a_plan_is_the_same_twice_and_the_one_that_is_run_and_touches_nothing() {
    let app = App::new(&Config { command: "[./server, sample-app]".to_owned(), ..Config::default() });
    std::fs::copy(super::kit::TIDEGATE, app.path("server")).unwrap();
    let first = app.json(&["plan", "--version", "v1"]);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(app.json(&["plan", "--version", "v1"]), first);
    assert!(!app.path(".tidegate").exists());
    app.is_silent();
    let answer = app.json(&["deploy", "--version", "v1"]);
    assert_eq!(answer["outcome"], "promoted");
    let run =
        std::fs::read_dir(app.state().join("journal/rollouts")).unwrap().next().unwrap().unwrap().path();
    let journal = std::fs::read_to_string(run).unwrap();
    tells(&journal, &[&format!("\"hash\":{}", first["hash"]), first["release"].as_str().unwrap()]);
    let again = app.json(&["plan", "--version", "v1"]);
    assert_eq!((&again["steps"], &again["release"]), (&serde_json::json!([]), &first["release"]));
    tells(again["way_back"].as_str().unwrap(), &["v1 is live already; there is nothing to do"]);
    let kept = || super::kit::files(&app.state().join("programs")).len();
    assert_eq!(kept(), 1);
    std::fs::copy("/bin/sh", app.path("server")).unwrap();
    assert_ne!(app.json(&["plan", "--version", "v1"])["release"], first["release"]);
    assert_eq!(kept(), 1, "a plan keeps no program");
}

#[test]
fn what_is_live_is_not_deployed_again() {
    let app = App::live(&Config::default());
    let before = app.facts();
    let said = app.run(&["deploy", "--version", "v1"]).exits(0);
    tells(&said.out, &["nothing: v1 is live in dev already\nhttp://127.0.0.1:"]);
    assert_eq!(app.json(&["deploy", "--version", "v1"])["reason"], "already-live");
    assert_eq!(app.facts(), before);
}

#[test]
fn rollback_goes_to_the_one_before_or_to_the_one_that_is_named() {
    let app = App::live(&Config::default());
    app.run(&["deploy", "--version", "v2"]).exits(0);
    app.run(&["deploy", "--version", "v3"]).exits(0);
    app.run(&["rollback"]).exits(0);
    app.serves("v2");
    app.run(&["rollback", "--to", "v1"]).exits(0);
    app.serves("v1");
    assert_eq!(app.json(&["rollback", "--to", "v1"])["reason"], "already-live");
}

#[test]
fn the_history_is_short_or_long_as_asked() {
    let app = App::new(&Config::default());
    assert_eq!(app.run(&["history"]).exits(0).out, "nothing was rolled out to dev yet\n");
    app.run(&["deploy", "--version", "v1"]).exits(0);
    app.run(&["deploy", "--version", "v2"]).exits(0);
    let history = app.json(&["history", "-n", "1", "--events"]);
    let rollouts = history["rollouts"].as_array().unwrap();
    assert_eq!((rollouts.len(), &rollouts[0]["version"]), (1, &"v2".into()));
    let events = rollouts[0]["events"].as_array().unwrap();
    tells(events.last().unwrap().as_str().unwrap(), &["promoted: v2 is live in dev, in place of v1"]);
    assert!(app.json(&["history"])["rollouts"][0].get("events").is_none());
}

#[test]
fn init_writes_a_file_that_is_right_and_no_second_one() {
    let app = App::new(&Config::default());
    std::fs::remove_file(app.path("tidegate.yaml")).unwrap();
    let command = format!("{} sample-app", super::kit::TIDEGATE);
    let said = app.run(&["init", "--app", "shop", "--command", &command]).exits(0);
    tells(&said.out, &["tidegate.yaml is written; `tidegate deploy` rolls shop out"]);
    tells(&app.run(&["validate"]).exits(0).out, &["tidegate.yaml is right: shop in development"]);
    let written = std::fs::read_to_string(app.path("tidegate.yaml")).unwrap();
    let said = app.run(&["init"]).exits(2);
    tells(said.error("file-exists"), &["tidegate.yaml is there already", "help: `--force` overwrites it"]);
    assert_eq!(std::fs::read_to_string(app.path("tidegate.yaml")).unwrap(), written);
    app.run(&["init", "--force"]).exits(0);
    for (kind, title) in [("config", "tidegate.yaml"), ("output", "--output json")] {
        let schema = app.run(&["schema", kind]).exits(0).json();
        tells(&schema.to_string(), &[title]);
        jsonschema::draft202012::new(&schema).unwrap();
    }
}

#[test]
fn a_file_that_init_would_overwrite_stays_when_the_wish_cannot_be_written() {
    let app = App::new(&Config::default());
    let before = std::fs::read_to_string(app.path("tidegate.yaml")).unwrap();
    app.run(&["init", "--force", "--command", "./a\\ b # c"]).exits(2).error("configuration");
    assert_eq!(std::fs::read_to_string(app.path("tidegate.yaml")).unwrap(), before);
}

#[test]
fn the_supervisor_stops_and_the_next_deploy_starts_it_again() {
    let app = App::new(&Config::default());
    tells(&app.run(&["local", "status"]).exits(0).out, &["no supervisor runs for dev"]);
    tells(&app.run(&["local", "stop"]).exits(0).out, &["no supervisor runs for dev"]);
    assert!(!app.path(".tidegate").exists());
    app.run(&["deploy", "--version", "v1"]).exits(0);
    let status = app.json(&["local", "status"]);
    assert_eq!((&status["running"], status["instances"].as_array().unwrap().len()), (&true.into(), 1));
    assert_eq!(status["instances"][0]["version"], "v1");
    tells(
        &app.run(&["local", "stop"]).exits(0).out,
        &["the supervisor of dev and its instances are stopped"],
    );
    app.is_silent();
    let status = app.json(&["status"]);
    assert_eq!((&status["live"], &status["reachable"]), (&"v1".into(), &false.into()));
    tells(&app.run(&["status"]).exits(0).out, &["v1 is live at ", "its supervisor does not run"]);
    app.run(&["deploy", "--version", "v2"]).exits(0);
    app.serves("v2");
}

#[test]
fn a_deploy_that_has_to_start_the_supervisor_still_compares_with_what_was_live() {
    let app =
        App::live(&Config { env: "{ SAMPLE_START_DELAY_MS: \"700\" }".into(), ..Config::canary("300ms") });
    app.run(&["local", "stop"]).exits(0);
    app.write(&Config::canary("300ms"));
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    tells(&said.err, &["v2 gets 20 %", "v2 gets 100 %"]);
    app.serves("v2");
}
