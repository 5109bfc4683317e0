//! What stands between visitors and the app of a preview on this machine: it sleeps while nobody comes, and lets in whom it should.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::kit::{App, Config, TIDEGATE, tells};
use super::preview::ports;

/// An app with one preview that is up at version v1, and its address.
fn shop(more: &str, variables: &[(&str, &str)]) -> (App, String) {
    let mut app = App::new(&Config::default());
    variables.iter().for_each(|(name, value)| app.variable(name, value));
    let (first, last) = ports();
    app.write_text(&format!(
        "app: shop
environments:
  preview:
    on: pull_request
    target: {{ local: {{ command: [{TIDEGATE:?}, sample-app], listen: \"127.0.0.1:{{port}}\", stop-grace: 2s }} }}
    health: {{ get: /health, within: 900ms, every: 200ms, start-within: 20s }}
    verify: [{{ get: /health, expect: {{ status: 200 }} }}]
    ports: {first}-{last}
    {more}
"
    ));
    let answer = app.json(&["preview", "up", "7", "--branch", "x", "--version", "v1"]);
    assert_eq!(answer["outcome"], "promoted", "{answer}");
    let url = answer["url"].as_str().unwrap().to_owned();
    (app, url)
}

/// What curl gets, with the head of the last answer, after redirects.
fn curl(url: &str, arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["-si", "-m", "30"]).args(arguments).arg(url).output().unwrap();
    String::from_utf8(output.stdout).unwrap().to_lowercase()
}

fn local(app: &App) -> Value {
    app.json(&["local", "status", "preview-7"])
}

fn falls_asleep(app: &App) {
    let begun = Instant::now();
    loop {
        let seen = local(app);
        if seen["asleep"] == json!(true) && seen["instances"] == json!([]) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not sleep: {seen}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_preview_that_nobody_visits_sleeps_and_the_first_request_wakes_it() {
    let (app, url) = shop("sleep: 1s", &[]);
    falls_asleep(&app);
    // To look does not wake it.
    tells(&app.run(&["status", "preview-7"]).exits(0).out, &["it sleeps: the next request wakes it"]);
    tells(&app.run(&["local", "status", "preview-7"]).exits(0).out, &["asleep until the next request"]);
    falls_asleep(&app);
    let many: Vec<_> = (0..20)
        .map(|_| {
            let url = format!("{url}/");
            std::thread::spawn(move || curl(&url, &[]))
        })
        .collect();
    for one in many {
        tells(&one.join().unwrap(), &["http/1.1 200", "x-sample-version: v1"]);
    }
    assert_eq!(local(&app)["asleep"], false);
    // One that takes longer than its time keeps it awake to its end.
    tells(&curl(&format!("{url}/slow?ms=3000"), &[]), &["http/1.1 200"]);
    falls_asleep(&app);
    // Whoever takes over from a dead supervisor lets it sleep on, and hears of the next request.
    let pid = i32::try_from(local(&app)["pid"].as_i64().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    tells(&curl(&format!("{url}/"), &["--retry", "5", "--retry-all-errors"]), &["x-sample-version: v1"]);
    assert_ne!(local(&app)["pid"], json!(pid));
    falls_asleep(&app);
    // A push wakes it, too.
    let again = app.json(&["preview", "up", "7", "--branch", "x", "--version", "v2"]);
    assert_eq!(again["outcome"], "promoted", "{again}");
    tells(&curl(&format!("{url}/"), &[]), &["x-sample-version: v2"]);
    falls_asleep(&app);
    app.run(&["preview", "down", "7"]).exits(0);
    app.is_silent();
    assert!(!app.path(".tidegate/preview-7").exists());
}

#[test]
fn a_password_or_the_link_lets_in_and_nothing_else() {
    let variables = [("PASSWORD", "open-sesame-1f2e"), ("TOKEN", "t0k-9d8c7b")];
    let (app, url) = shop("access: { user: ada, password: $PASSWORD, token: $TOKEN }", &variables);
    // Its own check at the public address has passed: the preview is up.
    let closed = curl(&format!("{url}/"), &[]);
    tells(&closed, &["http/1.1 401", "www-authenticate: basic realm=\"preview\"", "cache-control: no-store"]);
    assert!(!closed.contains("x-sample-version"), "the app has not seen it: {closed}");
    for wrong in [["-u", "ada:other"], ["-u", "eve:open-sesame-1f2e"], ["-H", "authorization: bearer other"]]
    {
        tells(&curl(&format!("{url}/?tidegate-token=other"), &wrong), &["http/1.1 401"]);
    }
    tells(
        &curl(&format!("{url}/"), &["-u", "ada:open-sesame-1f2e"]),
        &["http/1.1 200", "x-sample-version: v1"],
    );
    tells(&curl(&format!("{url}/"), &["-H", "authorization: bearer t0k-9d8c7b"]), &["http/1.1 200"]);
    // A browser that follows the link remembers.
    let jar = app.path("jar").display().to_string();
    let link = format!("{url}/?x=1&tidegate-token=t0k-9d8c7b");
    let followed = curl(&link, &["-L", "-c", &jar, "-b", &jar]);
    tells(&followed, &["http/1.1 302", "location: /?x=1\r\n", "httponly; samesite=lax", "http/1.1 200"]);
    tells(&curl(&format!("{url}/"), &["-b", &jar]), &["http/1.1 200"]);
    // What opens lies nowhere, and is shown to nobody.
    let state = app.path(".tidegate/preview-7");
    let mut folders = vec![state];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if let Ok(bytes) = fs::read(&entry) {
                for (_, secret) in variables {
                    let is_there = memchr::memmem::find(&bytes, secret.as_bytes()).is_some();
                    assert!(!is_there, "{} holds what opens", entry.display());
                }
            }
        }
    }
    app.run(&["preview", "down", "7"]).exits(0);
    app.is_silent();
}

#[test]
fn what_opens_must_be_there_and_be_of_use() {
    let app = App::new(&Config::default());
    let written = |more: &str, target: &str| {
        app.write_text(&format!(
            "app: shop\nenvironments:\n  preview:\n    on: pull_request\n    target: {target}\n    {more}\n"
        ));
    };
    let local = "{ local: { command: ./a, listen: '127.0.0.1:{port}' } }";
    let cluster = "{ kubernetes: { manifests: deploy } }";
    for (more, target, words) in [
        ("access: {}", local, "nothing lets a visitor in"),
        ("access: { password: hunter2 }", local, "the `password` of previews is a secret"),
        ("access: { user: ada, token: $T }", local, "`user` has no effect without `password`"),
        ("access: { user: 'a:b', password: $P }", local, "`a:b` cannot be the name of a user"),
        ("sleep: 0s", local, "`sleep` must be longer than zero"),
        ("sleep: 1m\n    front: registry.example/tidegate:1", local, "`front` has no effect"),
        ("sleep: 1m", cluster, "need a pod of Tidegate before the app"),
        ("front: registry.example/tidegate:1", cluster, "`front` has no effect without `sleep` or `access`"),
        ("sleep: 1m\n    front: 'no image'", cluster, "`no image` cannot be the name of an image"),
    ] {
        written(more, target);
        tells(&app.run(&["validate"]).exits(2).err, &[words]);
    }
    written("access: { token: $T }", &local.replace("./a", &format!("[{TIDEGATE:?}, sample-app]")));
    let said = app.run(&["preview", "up", "7", "--version", "v1"]).exits(2);
    tells(said.error("variable-not-set"), &["`access` of preview-7 is to be $T, which is not set"]);
}
