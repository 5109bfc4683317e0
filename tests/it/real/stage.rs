//! An environment of its own: a directory with a `tidegate.yaml`, a port, and the binary.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{ms, processes};

/// No command of these tests takes longer on a machine that works.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a release takes over, in words that make it quick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    Rolling,
    BlueGreen,
    Canary,
    Recreate,
}

impl Strategy {
    pub(super) const ALL: [Self; 4] = [Self::Rolling, Self::BlueGreen, Self::Canary, Self::Recreate];

    fn text(self) -> &'static str {
        match self {
            Self::Rolling => "strategy: rolling",
            Self::Recreate => "strategy: recreate",
            Self::BlueGreen => "strategy: blue-green\n    keep: 1s",
            Self::Canary => {
                "strategy: { canary: { weights: [20, 60], at-most: 600ms, \
                 compare: { errors: 5%, min-requests: 10, inconclusive: pass } } }\n    keep: 1s"
            }
        }
    }
}

/// What is wrong with a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// It answers every request with 500.
    Fails,
    /// It says that it is another version.
    Stranger,
}

impl Fault {
    fn variables(self) -> &'static str {
        match self {
            Self::None => "{ SAMPLE_FAIL: \"0\" }",
            Self::Fails => "{ SAMPLE_FAIL: \"1\" }",
            Self::Stranger => "{ SAMPLE_HEALTH_VERSION: stranger }",
        }
    }
}

/// What a command answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) code: Option<i32>,
    pub(super) json: Value,
    pub(super) log: String,
}

impl Answer {
    /// The outcome of a rollout, or the code of an error.
    pub(super) fn word(&self) -> &str {
        let word = self.json["outcome"].as_str().or_else(|| self.json["error"]["code"].as_str());
        word.unwrap_or("nothing said")
    }
}

/// Where one test plays. Dropping it ends everything that it started.
#[derive(Debug)]
pub(super) struct Stage {
    directory: TempDir,
    pub(super) address: SocketAddr,
}

impl Stage {
    pub(super) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("tidegate-e2e-").tempdir().unwrap();
        Self { directory, address: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())) }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the configuration as the next deploy is to find it.
    pub(super) fn configure(&self, strategy: Strategy, fault: Fault) {
        let program = serde_json::to_string(env!("CARGO_BIN_EXE_tidegate")).unwrap();
        let (address, variables, strategy) = (self.address, fault.variables(), strategy.text());
        let text = format!(
            "app: shop
environments:
  test:
    target:
      local:
        command: [{program}, sample-app]
        instances: 2
        listen: \"{address}\"
        env: {variables}
    health: {{ get: /health, every: 500ms, start-within: 30s }}
    {strategy}
    verify: [{{ get: /, expect: {{ status: 200 }} }}]
    history: 300
"
        );
        std::fs::write(self.file(), text).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.path().join("tidegate.yaml")
    }

    /// Starts a command.
    pub(super) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = command(arguments);
        command.arg("--file").arg(self.file()).args(["--output", "json"]).kill_on_drop(true);
        command.spawn().unwrap()
    }

    /// Starts a deploy.
    pub(super) fn deploying(&self, version: &str) -> Child {
        self.start(&["deploy", "--version", version])
    }

    /// Runs a command to its end.
    pub(super) async fn run(&self, arguments: &[&str]) -> Answer {
        finished(self.start(arguments)).await
    }

    pub(super) async fn deploy(&self, version: &str) -> Answer {
        self.run(&["deploy", "--version", version]).await
    }

    /// Process number of the supervisor.
    pub(super) async fn supervisor(&self) -> Option<i32> {
        let answer = self.run(&["local", "status"]).await;
        answer.json["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
    }

    /// Waits for the standby's process: from then on the address stays open whatever becomes of the supervisor.
    pub(super) async fn standby(&self) -> bool {
        for _ in 0..500 {
            if processes::of(self.path()).iter().any(|process| process.arguments.contains("local standby")) {
                return true;
            }
            tokio::time::sleep(ms(20)).await;
        }
        false
    }

    /// How many promotions stand in the journal.
    pub(super) fn promotions(&self) -> usize {
        let rollouts = std::fs::read_dir(self.path().join(".tidegate/test/journal/rollouts"));
        let files = rollouts.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
        texts.filter(|text| text.contains("\"fact\":\"promoted\"}")).count()
    }

    /// What a person would look at after a failure.
    pub(super) async fn story(&self) -> String {
        let history = command(&["history", "-n", "2", "--events", "--file"]).arg(self.file()).output();
        let history = history.await.map(|output| output.stdout).unwrap_or_default();
        let log = self.path().join(".tidegate/test/local/supervisor.log");
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!("{}\nsupervisor.log:\n{}", String::from_utf8_lossy(&history), tail.join("\n"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mut stop = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
        stop.args(["local", "stop", "--file"]).arg(self.file()).stdout(Stdio::null()).stderr(Stdio::null());
        let _ = stop.status();
        for process in processes::of(self.path()) {
            super::tell(&format!("{} outlived `local stop`: {}", process.pid, process.arguments));
            processes::kill(process.pid);
        }
    }
}

/// A command that knows nothing of the environment in which the tests run.
pub(super) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let foreign = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in foreign.filter(|name| name.starts_with("TIDEGATE_") || name.starts_with("GITHUB_")) {
        command.env_remove(name);
    }
    command.args(arguments).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for the end of a command and reads its answer.
pub(super) async fn finished(child: Child) -> Answer {
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("a command did not end").unwrap();
    Answer {
        code: output.status.code(),
        json: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A port below those that the kernel hands out for outgoing connections and beside those of the instances: nobody gets it
/// between this look and the supervisor's own.
fn free_port() -> u16 {
    let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let from = 10_000 + any % 9_000;
    (from..from + 1_000)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("no port is free")
}
