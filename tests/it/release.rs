//! What makes a release: the table of digests, the tag, and the major tag that moves.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn run(folder: &Path, words: &[&str]) -> Output {
    let own = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"];
    Command::new(words[0])
        .args(&words[1..])
        .current_dir(folder)
        .envs(own.map(|name| (name, "test")))
        .output()
        .unwrap()
}

#[track_caller]
fn said(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_release_has_the_digests_of_its_programs_and_moves_the_major_tag() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let (origin, here) = (folder.path().join("origin"), folder.path().join("a checkout"));
    said(folder.path(), &["git", "init", "-q", "--bare", "origin"]);
    said(folder.path(), &["git", "clone", "-q", "origin", "a checkout"]);
    let scripts = ["tag.sh", "major.sh", "checksums.sh"].map(|name| format!(".github/release/{name}"));
    for name in scripts.iter().map(String::as_str).chain(["action/checksums.json"]) {
        fs::create_dir_all(here.join(name).parent().unwrap()).unwrap();
        fs::copy(root.join(name), here.join(name)).unwrap();
    }
    fs::create_dir(here.join("programs")).unwrap();
    for name in ["linux-x64", "linux-arm64"] {
        fs::write(here.join("programs").join(format!("tidegate-{name}")), name).unwrap();
    }
    fs::write(here.join(".gitignore"), "programs\n").unwrap();
    said(&here, &["git", "add", "."]);
    said(&here, &["git", "commit", "-qm", "first"]);
    let release = |version: &str| run(&here, &["bash", ".github/release/tag.sh", version, "programs"]);
    let at = |tag: &str| said(&origin, &["git", "rev-parse", &format!("{tag}^{{commit}}")]);

    let major = |version: &str| said(&here, &["bash", ".github/release/major.sh", version]);
    assert!(release("1.2.3").status.success());
    major("1.2.3");
    assert_eq!(at("v1.2.3"), at("v1"));
    let table: Value =
        serde_json::from_str(&said(&origin, &["git", "show", "v1:action/checksums.json"])).unwrap();
    assert_eq!(table["version"], "1.2.3");
    let digest = said(&here, &["sha256sum", "programs/tidegate-linux-x64"]);
    assert_eq!(table["sha256"]["linux-x64"], digest.split(' ').next().unwrap());
    let changed = said(&origin, &["git", "diff", "--name-only", "v1~1", "v1"]);
    assert_eq!(changed, "action/checksums.json", "a release differs by nothing else");

    let again = release("1.2.3");
    assert!(!again.status.success(), "a version is released once");
    fs::write(here.join("programs/tidegate-linux-x64"), "newer").unwrap();
    let first = at("v1");
    assert!(release("1.3.0").status.success());
    assert_eq!(at("v1"), first, "the major tag waits for the programs");
    major("1.3.0");
    major("1.2.3");
    assert_eq!((at("v1"), at("v1.2.3")), (at("v1.3.0"), first));
    assert_eq!(release("1.3").status.code(), Some(2));
    for name in ["linux-arm64", "linux-x64"] {
        let program = here.join(format!("programs/tidegate-{name}"));
        let kept = fs::read(&program).unwrap();
        fs::remove_file(&program).unwrap();
        assert!(!release("1.4.0").status.success());
        fs::write(program, kept).unwrap();
    }
    assert!(run(&origin, &["git", "rev-parse", "-q", "--verify", "v1.4.0"]).stdout.is_empty());
}
