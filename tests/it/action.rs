//! The action: its reference, its inputs and the command's, and the shim's own tests.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory as _;
use serde_json::Value;

use crate::settings::json;
use crate::tiers::{tell, wanted};

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The action's description.
pub fn description() -> Value {
    json(&fs::read_to_string(root("action.yml")).unwrap())
}

/// Names of the inputs or outputs.
pub fn names(kind: &str) -> BTreeSet<String> {
    description()[kind].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_reference_is_current() {
    const NAME: &str = "docs/action.md";
    const BEGIN: &str = "<!-- reference: made from action.yml, do not edit -->\n";
    let kept = fs::read_to_string(root(NAME)).unwrap();
    let (text, _) = kept.split_once(BEGIN).expect("the page has the mark");
    let mut wanted = format!("{text}{BEGIN}");
    let action = description();
    for (title, kind) in [("Inputs", "inputs"), ("Outputs", "outputs")] {
        let with_default = kind == "inputs";
        let head = if with_default {
            "| input | default | meaning |\n|---|---|---|"
        } else {
            "| output | meaning |\n|---|---|"
        };
        writeln!(wanted, "\n## {title}\n\n{head}").unwrap();
        for (name, one) in action[kind].as_object().unwrap() {
            let meaning = one["description"].as_str().unwrap().trim();
            match one["default"].as_str() {
                _ if !with_default => writeln!(wanted, "| `{name}` | {meaning} |"),
                Some(default) => writeln!(wanted, "| `{name}` | `{default}` | {meaning} |"),
                None => writeln!(wanted, "| `{name}` | – | {meaning} |"),
            }
            .unwrap();
        }
    }
    if std::env::var_os("TIDEGATE_UPDATE").is_some() {
        fs::write(root(NAME), &wanted).unwrap();
    }
    assert!(
        fs::read_to_string(root(NAME)).unwrap() == wanted,
        "{NAME} is not current: run this test with TIDEGATE_UPDATE=1"
    );
}

#[test]
fn the_inputs_are_those_that_run_reads() {
    let cli = tidegate::cli::Cli::command();
    let run = cli.find_subcommand("run").unwrap();
    let read: BTreeSet<String> = run
        .get_arguments()
        .filter_map(|one| one.get_env()?.to_str()?.strip_prefix("INPUT_").map(str::to_lowercase))
        .collect();
    let mut given = names("inputs");
    // The shim's own.
    assert!(given.remove("binary"));
    // A token is in no command line: only its variable is read.
    assert!(given.remove("github-token"));
    assert_eq!(given, read);
}

#[test]
fn the_shim_keeps_to_its_own_tests() {
    let node = Command::new("node").arg("--version").output();
    if node.is_err() && !wanted("testbed", "the shim's own tests") {
        tell("left out: the shim's own tests (there is no `node` here)");
        return;
    }
    let mut tests: Vec<_> =
        fs::read_dir(root("tests/action")).unwrap().map(|entry| entry.unwrap().path()).collect();
    tests.sort();
    let output = Command::new("node").arg("--test").args(tests).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("# pass 16"), "{said}");
}
