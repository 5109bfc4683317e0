//! act: a workflow with an action of the repository's own runs on this machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use testbed::Home;

use super::run;
use crate::tiers::wanted;

const ACTION: &str = r#"name: probe
description: tells what it is given
inputs: { who-is-there: { description: a name, required: true } }
outputs: { answer: { description: what it says } }
runs: { using: node24, main: main.js, post: post.js }
"#;

const MAIN: &str = r#"const fs = require('fs');
fs.appendFileSync(process.env.GITHUB_OUTPUT, `answer=hello ${process.env['INPUT_WHO-IS-THERE']}\n`);
fs.appendFileSync(process.env.GITHUB_STEP_SUMMARY, '# a summary\n');
"#;

const WORKFLOW: &str = r#"on: push
jobs:
  probe:
    runs-on: ubuntu-latest
    steps:
    - uses: actions/checkout@v4
    - id: probe
      uses: ./
      with: { who-is-there: tide }
    - run: test -f action.yml && echo "$ANSWER; $GITHUB_REPOSITORY; $GITHUB_API_URL" > "$OUT"
      env: { ANSWER: "${{ steps.probe.outputs.answer }}" }
"#;

fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"]);
    run(git.current_dir(folder).args(arguments));
}

#[test]
fn a_step_of_a_workflow_runs_an_action_with_main_and_post_on_this_machine() {
    if !wanted("testbed", "a workflow by act") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("shop");
    fs::create_dir_all(repository.join(".github/workflows")).unwrap();
    let write = |name: &str, text: &str| fs::write(repository.join(name), text).unwrap();
    write("action.yml", ACTION);
    write("main.js", MAIN);
    write("post.js", "require('fs').writeFileSync(process.env.OUT + '.post', 'post');\n");
    write(".github/workflows/probe.yml", WORKFLOW);
    git(&repository, &["init", "-q"]);
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "-qm", "first"]);
    git(&repository, &["remote", "add", "origin", "https://github.com/acme/shop.git"]);

    let out = folder.path().join("out");
    let act = Home::of_user().unwrap().program("act");
    let mut act = Command::new(act);
    // A home of its own: act asks a new user what image he wants, and writes his choice there.
    act.env("HOME", folder.path())
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .current_dir(&repository);
    act.args(["push", "-P", "ubuntu-latest=-self-hosted", "--no-cache-server"]);
    act.args(["--env", "GITHUB_API_URL=http://127.0.0.1:1", "--env"]).arg(format!("OUT={}", out.display()));
    let log = run(&mut act);
    assert_eq!(fs::read_to_string(&out).unwrap(), "hello tide; acme/shop; http://127.0.0.1:1\n", "{log}");
    assert_eq!(fs::read_to_string(folder.path().join("out.post")).unwrap(), "post", "{log}");
}
