//! The action in a workflow that act runs: a push deploys, a cancelled step leaves all old.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use testbed::Home;

use super::{run, tried};
use crate::tiers::wanted;

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

const WORKFLOW: &str = r#"on: push
jobs:
  ship:
    runs-on: ubuntu-latest
    steps:
    - uses: actions/checkout@v4
    - id: ship
      uses: ./
      with: { binary: "PROGRAM", environment: "" }
    - if: always()
      run: printf '%s\n' "$OUTCOME" "$VERSION" "$BEFORE" "$URL" > "$OUT"
      env:
        OUTCOME: "${{ steps.ship.outputs.outcome }}"
        VERSION: "${{ steps.ship.outputs.version }}"
        BEFORE: "${{ steps.ship.outputs.previous-version }}"
        URL: "${{ steps.ship.outputs.url }}"
"#;

/// A repository in a folder with a space, whose app runs on this machine.
struct Repository {
    folder: tempfile::TempDir,
    port: u16,
}

impl Repository {
    fn new() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let new = Self { folder: tempfile::tempdir().unwrap(), port };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir_all(new.path(".github/workflows")).unwrap();
        fs::create_dir_all(new.path("action")).unwrap();
        fs::copy(root.join("action.yml"), new.path("action.yml")).unwrap();
        for entry in fs::read_dir(root.join("action")).unwrap().map(|entry| entry.unwrap().path()) {
            fs::copy(&entry, new.path("action").join(entry.file_name().unwrap())).unwrap();
        }
        fs::write(new.path(".github/workflows/ship.yml"), WORKFLOW.replace("PROGRAM", TIDEGATE)).unwrap();
        new.git(&["init", "-q"]);
        new.git(&["remote", "add", "origin", "https://github.com/acme/shop.git"]);
        new
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("the shop").join(name)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args([
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@example.com",
            "-c",
            "init.defaultBranch=main",
        ]);
        fs::create_dir_all(self.path("")).unwrap();
        run(git.current_dir(self.path("")).args(arguments))
    }

    /// Commits the configuration with that strategy; gives the version that it will have.
    fn commit(&self, strategy: &str) -> String {
        let text = format!(
            "app: shop
environments:
  production:
    on: {{ push: main }}
    target: {{ local: {{ command: [{TIDEGATE:?}, sample-app], listen: \"127.0.0.1:{}\" }} }}
    health: {{ get: /health }}
    strategy: {strategy}
",
            self.port
        );
        fs::write(self.path("tidegate.yaml"), text).unwrap();
        self.git(&["add", "."]);
        self.git(&["commit", "-qm", "A shop ::add-path::/tmp/x $(id)"]);
        self.git(&["rev-parse", "HEAD"])[..12].to_owned()
    }

    fn act(&self) -> Command {
        let mut act = Command::new(Home::of_user().unwrap().program("act"));
        act.env("HOME", self.folder.path()).env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        act.current_dir(self.path("")).args([
            "push",
            "-P",
            "ubuntu-latest=-self-hosted",
            "--no-cache-server",
        ]);
        act.args(["--env", "GITHUB_API_URL=http://127.0.0.1:1", "--env"]);
        act.arg(format!("TIDEGATE_STATE_DIR={}", self.state().display()));
        act.arg("--env").arg(format!("OUT={}", self.folder.path().join("out").display()));
        act
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn out(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("out")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn tidegate(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(TIDEGATE);
        command.args(arguments).current_dir(self.path("")).env("TIDEGATE_STATE_DIR", self.state());
        run(&mut command)
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let mut stop = Command::new(TIDEGATE);
        stop.args(["local", "stop"]).current_dir(self.path("")).env("TIDEGATE_STATE_DIR", self.state());
        drop(tried(&mut stop));
    }
}

/// Waits until a file holds a text.
#[track_caller]
fn until(file: &Path, text: &str, act: &mut Child) {
    let begun = Instant::now();
    loop {
        let told = fs::read_to_string(file).unwrap_or_default();
        if told.contains(text) {
            return;
        }
        assert!(act.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(120), "{told}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_push_deploys_and_a_cancelled_step_leaves_all_old() {
    if !wanted("testbed", "the action in a workflow by act") {
        return;
    }
    let shop = Repository::new();
    let first = shop.commit("blue-green");
    // The supervisor is started outside of act, which ends every process of a job with it.
    shop.tidegate(&["deploy", "--version", "v0"]);
    let log = run(&mut shop.act());
    let url = format!("http://127.0.0.1:{}", shop.port);
    assert_eq!(shop.out(), ["promoted", first.as_str(), "v0", url.as_str()], "{log}");

    let second = shop.commit("{ canary: { weights: [20], compare: false, at-most: 10m } }");
    let told = shop.folder.path().join("log");
    let mut act = shop.act();
    act.stdout(fs::File::create(&told).unwrap()).stderr(Stdio::null());
    let mut act = act.spawn().unwrap();
    until(&told, "gets 20 %", &mut act);
    kill_process(Pid::from_child(&act), Signal::INT).unwrap();
    let status = act.wait().unwrap();
    let log = fs::read_to_string(&told).unwrap();
    assert!(!status.success(), "{log}");
    let history = shop.tidegate(&["history"]);
    assert!(history.contains(&second) && history.contains("rolled-back"), "{history}\n{log}");
    let status = shop.tidegate(&["status"]);
    assert!(status.contains(&first) && !status.contains(&second), "{status}\n{log}");
}
