//! What cannot work is refused before anything is done, in one sentence.

use std::net::{Ipv4Addr, TcpListener};

use super::kit::{App, Config, Said, tells};

/// Runs a deploy of version 2 that must be refused: with nothing before, nothing may run afterwards; with version 1 live,
/// everything must be as it was.
fn refused(config: &Config, exit: i32, code: &str) -> String {
    let app = App::new(config);
    let first = app.run(&["deploy", "--version", "v2"]).exits(exit);
    app.is_silent();
    assert_eq!(app.history(), [""; 0]);
    app.write(&Config::default());
    app.run(&["deploy", "--version", "v1"]).exits(0);
    let before = app.facts();
    app.write(config);
    let error = app.json(&["deploy", "--version", "v2"])["error"].clone();
    assert_eq!((error["code"].as_str(), error["exit_code"].as_i64()), (Some(code), Some(i64::from(exit))));
    assert_eq!(app.facts(), before);
    first.error(code).to_owned()
}

#[test]
fn a_missing_program() {
    let config = Config { command: "[./server]".to_owned(), ..Config::default() };
    tells(&refused(&config, 1, "no-program"), &["./server does not exist in /", "help: build it first"]);
    let config = Config { command: "[no-such-program]".to_owned(), ..Config::default() };
    let error = refused(&config, 1, "no-program");
    tells(&error, &["no directory of PATH has a program no-such-program", "help: install it"]);
}

#[test]
fn a_program_that_is_not_executable() {
    let config = Config { command: "[./tidegate.yaml]".to_owned(), ..Config::default() };
    let error = refused(&config, 1, "not-executable");
    tells(&error, &["./tidegate.yaml in /", "is not an executable file", "help: make it executable"]);
}

#[test]
fn a_variable_that_is_not_set() {
    let error = refused(&Config::env("TOKEN: $NO_SUCH_TOKEN"), 2, "variable-not-set");
    tells(&error, &["`env.TOKEN` of dev", "$NO_SUCH_TOKEN, which is not set", "help: set NO_SUCH_TOKEN"]);
}

#[test]
fn a_wrong_configuration() {
    let config = Config { more: "    stratgy: rolling\n".to_owned(), ..Config::default() };
    let app = App::new(&config);
    for arguments in
        [&["deploy", "--version", "v1"][..], &["validate"], &["status"], &["plan", "--version", "v1"]]
    {
        let said = app.run(arguments).exits(2);
        tells(said.error("configuration"), &["tidegate.yaml:", "stratgy", "strategy"]);
    }
    assert!(!app.path(".tidegate").exists());
    assert_eq!(app.json(&["validate"])["error"]["code"], "configuration");
}

#[test]
fn no_configuration_at_all() {
    let app = App::new(&Config::default());
    std::fs::remove_file(app.path("tidegate.yaml")).unwrap();
    let said = app.run(&["status"]).exits(2);
    tells(
        said.error("no-configuration"),
        &["there is no tidegate.yaml in /", "help: `tidegate init` writes one"],
    );
    assert_eq!(app.json(&["status"])["error"]["code"], "no-configuration");
    let said = app.run(&["status", "--file", "other.yaml"]).exits(2);
    tells(said.error("configuration"), &["other.yaml"]);
}

#[test]
fn an_unknown_environment() {
    let app = App::new(&Config {
        more: "  staging: { target: { local: { command: [x], listen: \"127.0.0.1:9\" } } }\n".into(),
        ..Config::default()
    });
    let said = app.run(&["deploy", "stagin", "--version", "v1"]).exits(2);
    tells(
        said.error("unknown-environment"),
        &["no environment `stagin` in /", "tidegate.yaml", "did you mean `staging`"],
    );
    let said = app.run(&["deploy", "--version", "v1"]).exits(2);
    tells(said.error("which-environment"), &["there are 2 environments: dev, staging; name one"]);
    assert_eq!(app.json(&["status", "stagin"])["error"]["code"], "unknown-environment");
    assert!(!app.path(".tidegate").exists());
}

#[test]
fn a_version_that_cannot_be_one_or_is_not_given() {
    let app = App::new(&Config::default());
    for version in ["", "a b", "ü", "v1\nv2", &"v".repeat(129)] {
        let said = app.run(&["deploy", "--version", version]).exits(2);
        tells(said.error("bad-version"), &["cannot be a version: use up to 128 of letters, digits"]);
    }
    let said = app.run(&["deploy"]).exits(2);
    tells(
        said.error("no-version"),
        &["is not in a git repository with a commit", "help: give one with --version"],
    );
    assert!(!app.path(".tidegate").exists());
}

#[test]
fn a_rollback_to_nothing() {
    let app = App::new(&Config::default());
    let said = app.run(&["rollback"]).exits(3);
    tells(said.error("no-earlier-release"), &["dev has no earlier release to go back to"]);
    let said = app.run(&["rollback", "--to", "v0"]).exits(2);
    tells(said.error("unknown-version"), &["dev has no release `v0` in its history; there is nothing"]);
    app.is_silent();
    assert!(!app.path(".tidegate").exists());
    app.run(&["deploy", "--version", "v1"]).exits(0);
    let before = app.facts();
    app.run(&["rollback"]).exits(3).error("no-earlier-release");
    let said = app.run(&["rollback", "--to", "v0"]).exits(2);
    tells(said.error("unknown-version"), &["there is v1", "help: `tidegate history dev` lists them"]);
    assert_eq!(app.facts(), before);
}

#[test]
fn a_word_to_a_rollout_that_is_not() {
    let app = App::new(&Config::default());
    for command in ["abort", "promote", "pause", "resume"] {
        let said = app.run(&[command]).exits(3);
        tells(
            said.error("nothing-open"),
            &["no rollout of dev is under way", "help: `tidegate history dev`"],
        );
        assert_eq!(app.json(&[command])["error"]["code"], "nothing-open");
    }
    app.is_silent();
    app.run(&["deploy", "--version", "v1"]).exits(0);
    let before = app.facts();
    for command in ["abort", "promote", "pause"] {
        app.run(&[command]).exits(3).error("nothing-open");
    }
    assert_eq!(app.json(&["resume"])["reason"], "nothing-open");
    assert_eq!(app.facts(), before);
}

#[test]
fn an_address_that_is_taken() {
    let app = App::new(&Config::default());
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, app.port)).unwrap();
    let taken = |said: Said| {
        let address = format!("127.0.0.1:{} is in use by process {}", app.port, std::process::id());
        tells(
            said.exits(1).error("port-taken"),
            &[&address, "help: stop that program or choose another port"],
        );
    };
    taken(app.run(&["deploy", "--version", "v1"]));
    app.is_silent();
    assert_eq!(app.json(&["deploy", "--version", "v1"])["error"]["code"], "port-taken");
    app.is_silent();
    assert_eq!(app.history(), [""; 0]);
    drop(other);
    app.run(&["deploy", "--version", "v1"]).exits(0);
    app.serves("v1");
}

#[test]
fn a_new_address_that_is_taken_leaves_the_old_one_serving() {
    let mut app = App::live(&Config::default());
    let before = app.facts();
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let own = std::mem::replace(&mut app.port, other.local_addr().unwrap().port());
    app.write(&Config::default());
    app.run(&["deploy", "--version", "v2"]).exits(1).error("port-taken");
    app.port = own;
    app.write(&Config::default());
    assert_eq!(app.facts(), before);
    app.serves("v1");
}

#[test]
fn a_command_line_that_is_wrong() {
    let app = App::new(&Config::default());
    let said = app.run(&["deply"]).exits(2);
    tells(&said.err, &["unrecognized subcommand 'deply'", "deploy"]);
    for wrong in [&["deply"][..], &["deploy", "--if-busy", "maybe"], &["lock"], &[]] {
        let error = app.json(wrong)["error"].clone();
        assert_eq!((error["code"].as_str(), error["kind"].as_str()), (Some("usage"), Some("usage")));
        assert!(!error["sentence"].as_str().unwrap().is_empty());
    }
    assert!(app.run(&["--version"]).exits(0).out.starts_with("tidegate "));
}
