//! The action in a workflow that act runs: a push deploys, a cancelled step leaves all old.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::checkout::{Checkout, TIDEGATE};
use super::{run, tried};
use crate::tiers::wanted;
use rustix::process::{Pid, Signal, kill_process};

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

/// A repository whose app runs on this machine.
struct Repository {
    checkout: Checkout,
    port: u16,
}

impl Repository {
    fn new() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { checkout: Checkout::new(WORKFLOW), port }
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
        self.checkout.write("tidegate.yaml", &text);
        self.checkout.commit("A shop ::add-path::/tmp/x $(id)")[..12].to_owned()
    }

    fn act(&self) -> Command {
        let mut act = self.checkout.act("push");
        act.args(["--env", "GITHUB_API_URL=http://127.0.0.1:1", "--env"]);
        act.arg(format!("TIDEGATE_STATE_DIR={}", self.state().display()));
        act
    }

    fn state(&self) -> PathBuf {
        self.checkout.beside("state")
    }

    fn tidegate(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(TIDEGATE);
        command.args(arguments).current_dir(self.checkout.path("")).env("TIDEGATE_STATE_DIR", self.state());
        run(&mut command)
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let mut stop = Command::new(TIDEGATE);
        stop.args(["local", "stop"])
            .current_dir(self.checkout.path(""))
            .env("TIDEGATE_STATE_DIR", self.state());
        drop(tried(&mut stop));
    }
}

/// Waits until a file holds a text.
#[track_caller]
pub fn until(file: &Path, text: &str, act: &mut Child) {
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
    assert_eq!(shop.checkout.out(), ["promoted", first.as_str(), "v0", url.as_str()], "{log}");

    let second = shop.commit("{ canary: { weights: [20], compare: false, at-most: 10m } }");
    let told = shop.checkout.beside("log");
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
