//! The action, and the workflow that its page shows, by the tools that others check theirs with.

use std::fs;
use std::path::Path;
use std::process::Command;

use testbed::Home;

use super::{run, tried};
use crate::tiers::wanted;

/// A repository with the action and the workflow of the page, which takes the action from there.
fn repository(action: &str) -> tempfile::TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(root.join("docs/action.md")).unwrap();
    let workflow = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(workflow.contains("uses: tidegate/tidegate@v1") && workflow.contains("uses: actions/checkout@"));
    let workflow = workflow.replace("tidegate/tidegate@v1", action);
    fs::create_dir_all(folder.path().join(".github/workflows")).unwrap();
    fs::create_dir_all(folder.path().join("action")).unwrap();
    fs::write(folder.path().join(".github/workflows/ship.yml"), format!("name: ship\n{workflow}")).unwrap();
    for file in ["action.yml", "action/main.js", "action/post.js"] {
        fs::copy(root.join(file), folder.path().join(file)).unwrap();
    }
    run(Command::new("git").args(["init", "-q"]).current_dir(folder.path()));
    folder
}

#[test]
fn the_action_and_its_workflow_are_clean_for_actionlint() {
    if !wanted("testbed", "actionlint") {
        return;
    }
    let (repository, home) = (repository("./"), Home::of_user().unwrap());
    let actionlint = || {
        let mut command = Command::new(home.program("actionlint"));
        command.arg("-no-color").current_dir(repository.path());
        command
    };
    run(&mut actionlint());
    // It does look at the inputs.
    let file = repository.path().join(".github/workflows/ship.yml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("- uses: ./", "- uses: ./\n        with: { comand: deploy }")).unwrap();
    let output = tried(&mut actionlint());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("input \"comand\" is not defined"), "{said}");
}

#[test]
fn the_action_and_its_workflow_are_clean_for_zizmor() {
    if !wanted("testbed", "zizmor") {
        return;
    }
    // By its hash, as the page says: a tag can be moved.
    let pinned = format!("tidegate/tidegate@{} # v1.0.0", "0a".repeat(20));
    let (repository, home) = (repository(&pinned), Home::of_user().unwrap());
    let mut zizmor = Command::new(home.program("zizmor"));
    zizmor.args(["--offline", "--no-progress", "--persona", "pedantic", "."]).current_dir(repository.path());
    let output = tried(&mut zizmor);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
