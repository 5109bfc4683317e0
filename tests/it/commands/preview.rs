//! `preview` on this machine: each pull request has an environment of its own, and nothing of it is left when it goes.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::kit::{App, Config, TIDEGATE, tells};

/// Three ports in a row that nobody listens on, of a range that no other test uses.
pub(crate) fn ports() -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 900).unwrap() * 4;
    loop {
        let first = 6000 + (start + NEXT.fetch_add(4, Ordering::Relaxed)) % 3600;
        if (first..first + 3).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return (first, first + 2);
        }
    }
}

/// An app with nothing but previews, of which three may be.
fn shop(more: &str) -> App {
    let app = App::new(&Config::default());
    let (first, last) = ports();
    app.write_text(&format!(
        "app: shop
environments:
  preview:
    on: pull_request
    target:
      local:
        command: [{TIDEGATE:?}, sample-app]
        listen: \"127.0.0.1:{{port}}\"
        env: {{ BRANCH: \"{{slug}}\" }}
        stop-grace: 2s
    health: {{ get: /health, within: 900ms, every: 200ms, start-within: 20s }}
    ports: {first}-{last}
    limit: 3
    {more}
"
    ));
    app
}

/// The version that answers at an address.
fn answering(url: &str) -> Option<String> {
    let output =
        std::process::Command::new("curl").args(["-si", "-m", "5", &format!("{url}/version")]).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap().to_lowercase();
    text.lines()
        .find_map(|line| line.strip_prefix("x-sample-version: ").map(|version| version.trim().to_owned()))
}

fn list(app: &App) -> Vec<Value> {
    app.json(&["preview", "list"])["previews"].as_array().unwrap().clone()
}

fn numbers(app: &App) -> Vec<u64> {
    list(app).iter().map(|one| one["pull"].as_u64().unwrap()).collect()
}

fn up(app: &App, number: &str, branch: &str, version: &str) -> Value {
    app.json(&["preview", "up", number, "--branch", branch, "--version", version])
}

#[test]
fn previews_come_up_side_by_side_and_go_without_a_trace() {
    let app = shop("");
    let one = up(&app, "7", "feature/x", "v7");
    let other = up(&app, "8", "feature/x", "v8");
    assert_eq!(
        (one["environment"].as_str(), other["environment"].as_str()),
        (Some("preview-7"), Some("preview-8"))
    );
    let (first, second) = (one["url"].as_str().unwrap(), other["url"].as_str().unwrap());
    assert_ne!(first, second);
    assert_eq!((answering(first).as_deref(), answering(second).as_deref()), (Some("v7"), Some("v8")));
    // A push updates it in its place.
    let again = up(&app, "7", "feature/x", "v7b");
    assert_eq!((again["outcome"].as_str(), again["url"].as_str()), (Some("promoted"), Some(first)));
    assert_eq!(answering(first).as_deref(), Some("v7b"));
    // It is an environment like any other.
    tells(&app.run(&["status", "preview-7"]).exits(0).out, &["v7b"]);
    assert_eq!(list(&app)[0]["stage"], "up");
    tells(&app.run(&["preview", "down", "7"]).exits(0).out, &["the preview of pull request 7 is gone"]);
    assert_eq!((numbers(&app), answering(first)), (vec![8], None));
    assert!(!app.path(".tidegate/preview-7").exists());
    assert_eq!(answering(second).as_deref(), Some("v8"), "the other is not touched");
    app.run(&["status", "preview-7"]).exits(2).error("unknown-environment");
    tells(&app.run(&["preview", "down", "7"]).exits(0).out, &["pull request 7 has no preview"]);
    app.run(&["preview", "down", "8"]).exits(0);
    app.is_silent();
    assert!(list(&app).is_empty());
}

#[test]
fn one_too_many_is_refused_or_the_oldest_gives_way() {
    let app = shop("");
    for number in ["1", "2", "3"] {
        up(&app, number, "x", "v1");
    }
    let said = app.run(&["preview", "up", "4", "--version", "v1"]).exits(3);
    tells(said.error("preview-limit"), &["there are 3 previews, and there may be 3"]);
    up(&app, "1", "x", "v2");
    let text = fs::read_to_string(app.path("tidegate.yaml")).unwrap();
    app.write_text(&text.replace("limit: 3", "limit: 3\n    at-limit: evict-oldest"));
    let said = app.run(&["preview", "up", "4", "--version", "v1"]).exits(0);
    tells(&said.err, &["the preview of pull request 2 is gone: it gave way to that of pull request 4"]);
    assert_eq!(numbers(&app), [1, 3, 4]);
    for number in ["1", "3", "4"] {
        app.run(&["preview", "down", number]).exits(0);
    }
    app.is_silent();
}

#[test]
fn whatever_a_branch_is_called_it_stays_in_its_place() {
    let app = shop("");
    let long = "x".repeat(250);
    for branch in ["../../../etc", "$(touch pwned)", "🦀 `id`; rm -rf /", &long, "FEATURE/X"] {
        let answer = up(&app, "7", branch, "v1");
        assert_eq!(answer["exit_code"], 0, "{branch}: {answer}");
    }
    let folders: Vec<String> = fs::read_dir(app.path(".tidegate"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert_eq!(folders, ["preview-7"]);
    assert!(!app.path("pwned").exists());
    app.run(&["preview", "down", "7"]).exits(0);
    app.is_silent();
}

#[test]
fn what_is_over_is_swept_and_what_is_not_ours_is_left() {
    let app = shop("ttl: 1s");
    up(&app, "7", "x", "v1");
    let longer = app.run(&["preview", "extend", "7", "48h"]).exits(0);
    tells(&longer.out, &["the preview of pull request 7 lives until "]);
    up(&app, "8", "x", "v1");
    fs::create_dir_all(app.path(".tidegate/other")).unwrap();
    fs::write(app.path(".tidegate/other/preview.json"), "{}").unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    let shown = app.json(&["preview", "sweep", "--dry-run"]);
    let verdicts = |answer: &Value| -> Vec<String> {
        answer["previews"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["verdict"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(verdicts(&shown), ["leave", "leave", "remove"]);
    assert_eq!(list(&app).len(), 3, "nothing was changed");
    let swept = app.json(&["preview", "sweep"]);
    tells(&swept["previews"][2]["sentence"].to_string(), &["its time was over at "]);
    assert!(app.path(".tidegate/other/preview.json").exists() && app.path(".tidegate/preview-7").exists());
    assert!(!app.path(".tidegate/preview-8").exists());
    app.run(&["preview", "extend", "8", "48h"]).exits(3).error("no-preview");
    app.run(&["preview", "extend", "7", "48"]).exits(2).error("bad-input");
    app.run(&["preview", "down", "7"]).exits(0);
    app.is_silent();
}

#[test]
fn one_whose_run_was_killed_is_taken_away_all_the_same() {
    let app = shop("");
    let text = fs::read_to_string(app.path("tidegate.yaml")).unwrap();
    app.write_text(&text.replace("env: {", "env: { SAMPLE_NEVER_READY: \"1\","));
    let running = app.start(&["preview", "up", "7", "--version", "v1"]);
    running.until("step 1 of");
    running.signal(Signal::KILL);
    drop(running.end());
    assert_eq!(list(&app)[0]["stage"], "rising");
    app.run(&["preview", "down", "7"]).exits(0);
    app.is_silent();
    assert!(!app.path(".tidegate/preview-7").exists());
}

#[test]
fn a_later_stop_ends_what_is_on_its_way_up() {
    let app = shop("");
    let text = fs::read_to_string(app.path("tidegate.yaml")).unwrap();
    app.write_text(&text.replace("env: {", "env: { SAMPLE_NEVER_READY: \"1\","));
    let running = app.start(&["preview", "up", "7", "--version", "v1"]);
    running.until("step 1 of");
    app.run(&["preview", "down", "7"]).exits(0);
    assert_ne!(running.end().code, 0);
    app.is_silent();
    assert!(!app.path(".tidegate/preview-7").exists());
}
