//! A disk that is full or read-only, and a journal that was damaged: refused in words, nothing half done.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::kit::{App, Config, Running, Said, TIDEGATE, tells};

/// Runs tidegate within a shell in which `before` was done.
fn within(app: &App, program: &[&str], before: &str, arguments: &str) -> Said {
    let mut command = Command::new(program[0]);
    let line = format!("{before}; exec '{TIDEGATE}' {arguments}");
    command.args(&program[1..]).args(["sh", "-c", &line]);
    app.dress(&mut command);
    Running::start(command).end()
}

/// A shell whose files cannot grow beyond so many blocks of 512 bytes. The signal that tells of it is ignored, so that the
/// write fails as it does on a full disk.
fn limited(app: &App, blocks: u32, arguments: &str) -> Said {
    within(app, &["env"], &format!("trap '' XFSZ; ulimit -f {blocks}"), arguments)
}

/// A way to mount something that only one process sees and that ends with it: as root, or in a user namespace.
fn private_mounts() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--user", "--map-root-user", "--mount"]];
    ways.into_iter().find(|way| {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["sh", "-c", "mount -t tmpfs none /mnt"]);
        command.output().is_ok_and(|output| output.status.success())
    })
}

#[test]
fn a_full_disk_before_anything_was_done() {
    let app = App::new(&Config::default());
    let said = limited(&app, 0, "deploy --version v1").exits(1);
    tells(said.error("disk-full"), &["cannot write ", "the disk is full", "help: free some space"]);
    app.is_silent();
    app.run(&["deploy", "--version", "v1"]).exits(0);
    let before = app.facts();
    limited(&app, 0, "deploy --version v2").exits(1).error("disk-full");
    assert_eq!(app.facts(), before);
    assert_eq!(app.history(), ["v1 promoted"]);
    app.run(&["deploy", "--version", "v2"]).exits(0);
}

#[test]
fn a_disk_that_fills_up_in_mid_rollout() {
    let app = App::live(&Config::default());
    let said = limited(&app, 8, "deploy --version v2").exits(5);
    let error = said.error("disk-full");
    tells(
        error,
        &["the rollout stopped half way, because nothing is done unrecorded: cannot write ", ".jsonl"],
    );
    tells(error, &["the disk is full", "help: free some space", "help: then run `tidegate resume`"]);
    assert_eq!(app.json(&["status"])["rollout"]["version"], "v2");
    assert_eq!(app.json(&["resume"])["outcome"], "promoted");
    app.serves("v2");
}

#[test]
fn a_file_system_that_is_full_or_read_only() {
    let app = App::new(&Config::default());
    let state = app.path("mounted");
    fs::create_dir(&state).unwrap();
    let Some(way) = private_mounts() else {
        // A limit on the size of files, and a path that cannot be a directory, stand in for these elsewhere in this file.
        eprintln!("this user may mount nothing: file systems that are full or read-only were not tried");
        return;
    };
    let place = state.display();
    let arguments = format!("--state-dir {place} deploy --version v1");
    let full = format!("mount -t tmpfs -o size=16k none {place}; cat /dev/zero >{place}/filler 2>/dev/null");
    let said = within(&app, way, &full, &arguments).exits(1);
    tells(said.error("disk-full"), &["cannot ", &place.to_string(), "the disk is full"]);
    let said = within(&app, way, &format!("mount -t tmpfs -o ro none {place}"), &arguments).exits(1);
    tells(said.error("not-writable"), &["the file system is read-only", "help: choose another --state-dir"]);
    app.is_silent();
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}

#[test]
fn a_state_directory_that_cannot_be_one() {
    let app = App::new(&Config::default());
    let said = app.run(&["--state-dir", "tidegate.yaml/state", "deploy", "--version", "v1"]).exits(1);
    tells(
        said.error("not-writable"),
        &["tidegate.yaml/state", "not a directory", "help: choose another --state-dir"],
    );
    let error = app.json(&["--state-dir", "tidegate.yaml/state", "lock", "--reason", "x"]);
    assert_eq!(error["error"]["code"], "not-writable");
    app.is_silent();
}

/// An app with two versions rolled out, and the file of the second rollout.
fn written() -> (App, PathBuf) {
    let app = App::live(&Config::default());
    app.run(&["deploy", "--version", "v2"]).exits(0);
    let mut files: Vec<PathBuf> =
        fs::read_dir(app.state().join("journal/rollouts")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    (app, files.pop().unwrap())
}

/// Puts `damage` in place of the file, and checks that every command refuses and nothing changes.
fn is_refused(damage: impl Fn(&str) -> String, code: &str, words: &[&str]) {
    let (app, file) = written();
    let before = app.facts();
    let whole = fs::read_to_string(&file).unwrap();
    let damaged = damage(&whole);
    fs::write(&file, &damaged).unwrap();
    for arguments in ["deploy --version v3", "rollback", "status", "history", "resume", "plan --version v3"] {
        let said = app.run(&arguments.split(' ').collect::<Vec<_>>()).exits(5);
        tells(said.error(code), words);
    }
    assert_eq!(app.json(&["deploy", "--version", "v3"])["error"]["code"], code);
    assert_eq!(fs::read_to_string(&file).unwrap(), damaged);
    assert_eq!(app.answering().as_deref(), Some("v2"));
    fs::write(&file, whole).unwrap();
    assert_eq!(app.facts(), before);
}

#[test]
fn a_damaged_journal() {
    let other = |text: &str| text.replacen("\"fact\":\"entered\"", "\"fact\":\"entering\"", 1);
    is_refused(
        other,
        "corrupt",
        &[".jsonl:3 is damaged: the digest does not fit the text; it is left as it is", "help: restore"],
    );
}

#[test]
fn a_journal_without_one_of_its_lines() {
    let without = |text: &str| {
        text.lines().enumerate().filter(|(n, _)| *n != 3).map(|(_, l)| format!("{l}\n")).collect()
    };
    is_refused(without, "corrupt", &[".jsonl:4 is damaged", "it is left as it is"]);
}

#[test]
fn a_journal_of_a_newer_format() {
    let newer = |text: &str| text.replacen("\"format\":1", "\"format\":2", 1);
    is_refused(
        newer,
        "newer-format",
        &[
            ".jsonl has format 2, and this Tidegate reads format 1",
            "help: use the Tidegate version that wrote it",
        ],
    );
}

#[test]
fn a_journal_whose_last_line_was_cut_goes_on() {
    let (app, file) = written();
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 20]).unwrap();
    let status = app.json(&["status"]);
    assert_eq!((&status["live"], &status["rollout"]["version"]), (&"v2".into(), &"v2".into()));
    app.run(&["deploy", "--version", "v3"]).exits(0);
    assert_eq!(app.history(), ["v3 promoted", "v2 promoted", "v1 promoted"]);
    app.serves("v3");
}
