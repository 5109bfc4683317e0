//! The action, and the workflow that its page shows, by the tools that others check theirs with.

use std::fs;
use std::path::Path;
use std::process::Command;

use testbed::Home;

use super::{run, tried};
use crate::tiers::wanted;

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// Where `init` writes it.
const WORKFLOW: &str = ".github/workflows/tidegate.yml";

/// A repository with the action, and the workflows that `init` writes and that this project has; the first takes the action from there.
fn repository(action: &str) -> tempfile::TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(root.join("docs/action.md")).unwrap();
    let shown = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    fs::create_dir_all(folder.path().join("action")).unwrap();
    run(Command::new(TIDEGATE).args(["init", "--workflow", "--action", action]).current_dir(folder.path()));
    let written = fs::read_to_string(folder.path().join(WORKFLOW)).unwrap();
    assert_eq!(written, shown.replace("tidegate/tidegate@v1", action), "the page shows what is written");
    let with_previews = tempfile::tempdir().unwrap();
    let settings =
        "app: shop\nenvironments: { preview: { target: { kubernetes: { manifests: deploy } } } }\n";
    fs::write(with_previews.path().join("tidegate.yaml"), settings).unwrap();
    run(Command::new(TIDEGATE)
        .args(["init", "--workflow", "--action", action])
        .current_dir(with_previews.path()));
    let previews = fs::read_to_string(with_previews.path().join(WORKFLOW)).unwrap();
    assert!(previews.contains("schedule") && previews.contains("closed"), "{previews}");
    fs::write(folder.path().join(".github/workflows/previews.yml"), previews).unwrap();
    // Those that this project runs itself.
    for entry in fs::read_dir(root.join(".github/workflows")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&entry, folder.path().join(".github/workflows").join(entry.file_name().unwrap())).unwrap();
    }
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
    let file = repository.path().join(WORKFLOW);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("- uses: ./\n", "- uses: ./\n        with: { comand: deploy }\n")).unwrap();
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
