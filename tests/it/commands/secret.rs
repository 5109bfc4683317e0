//! A secret reaches the instances, and nothing else that is written, printed or listed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::kit::{App, Config, Running, TIDEGATE, files};

const MARK: &str = "moonlight-4711-secret";

/// Everything but the file of the secrets that holds the mark.
fn found(app: &App) -> Vec<String> {
    let holds = |bytes: &[u8]| bytes.windows(MARK.len()).any(|part| part == MARK.as_bytes());
    let mut all = Vec::new();
    for file in files(&app.path(".")) {
        if holds(&fs::read(&file).unwrap()) {
            all.push(file.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    for pid in app.processes() {
        if holds(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()) {
            all.push(format!("the command line of process {pid}"));
        }
    }
    all
}

#[test]
fn only_the_instances_learn_it() {
    let mut app = App::new(&Config::env("TOKEN: $SHOP_TOKEN, SHOWN: plain"));
    app.variable("SHOP_TOKEN", MARK);
    let mut loud = Command::new(TIDEGATE);
    loud.args(["--log-format", "json", "--output", "json", "deploy", "--version", "v1"]);
    loud.args(["--report", "report.md", "--metrics-file", "metrics.txt"]);
    app.dress(&mut loud);
    loud.env("RUST_LOG", "trace");
    let said = Running::start(loud).end().exits(0);
    assert!(!said.out.contains(MARK) && !said.err.contains(MARK), "{said:?}");
    for arguments in ["status", "history --events", "plan --version v2", "local status", "validate"] {
        let said = app.run(&arguments.split(' ').collect::<Vec<_>>()).exits(0);
        assert!(!said.out.contains(MARK) && !said.err.contains(MARK), "{said:?}");
    }
    assert_eq!(found(&app), ["secrets.json"]);
    let mode = fs::metadata(app.state().join("secrets.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let pids = app.facts()["pids"].clone();
    let environ = fs::read(format!("/proc/{}/environ", pids[0])).unwrap();
    assert!(
        String::from_utf8_lossy(&environ).contains(&format!("TOKEN={MARK}\0")),
        "the instance did not get it"
    );
}

#[test]
fn a_release_that_prints_it_and_dies_does_not_carry_it_into_the_reports() {
    let config = Config {
        command: "[sh, -c, 'echo the token is $TOKEN; exit 7']".to_owned(),
        ..Config::env("TOKEN: $SHOP_TOKEN")
    };
    let mut app = App::new(&config);
    app.variable("SHOP_TOKEN", MARK);
    let said = app.run(&["deploy", "--version", "v1", "--report", "report.md"]).exits(1);
    assert!(said.out.contains("the token is "), "{}", said.out);
    assert!(!said.out.contains(MARK) && !said.err.contains(MARK), "{said:?}");
    let said = app.run(&["history", "--events"]).exits(0);
    assert!(!said.out.contains(MARK), "{}", said.out);
    // What a program writes to its own log is its own affair.
    let elsewhere: Vec<_> =
        found(&app).into_iter().filter(|name| !name.contains(".log") && name != "secrets.json").collect();
    assert_eq!(elsewhere, [""; 0]);
}
