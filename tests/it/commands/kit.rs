//! An app in a directory of its own, and the commands run on it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// No command may take longer; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// What stands in `tidegate.yaml`, as far as tests change it.
pub(crate) struct Config {
    pub(crate) command: String,
    pub(crate) env: String,
    pub(crate) strategy: String,
    pub(crate) start_within: String,
    pub(crate) more: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            command: format!("[{TIDEGATE:?}, sample-app]"),
            env: "{}".to_owned(),
            strategy: "blue-green".to_owned(),
            start_within: "20s".to_owned(),
            more: String::new(),
        }
    }
}

impl Config {
    /// With a fault of the sample app, or any other variable.
    pub(crate) fn env(text: &str) -> Self {
        Self { env: format!("{{ {text} }}"), ..Self::default() }
    }

    /// A canary that stays at 20 % for a while, by time alone.
    pub(crate) fn canary(lasting: &str) -> Self {
        Self {
            strategy: format!("{{ canary: {{ weights: [20], compare: false, at-most: {lasting} }} }}"),
            ..Self::default()
        }
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Checks the exit code, showing all that was said when it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}\n{}\n{}", self.out, self.err))
    }

    /// The line that names the error, with its hints, from standard error in text mode.
    #[track_caller]
    pub(crate) fn error(&self, code: &str) -> &str {
        assert!(self.out.is_empty(), "an error is no answer: {}", self.out);
        let from = self.err.find(&format!("error[{code}]: "));
        &self.err[from.unwrap_or_else(|| panic!("no error[{code}] in:\n{}", self.err))..]
    }
}

/// A text that must hold all of these.
#[track_caller]
pub(crate) fn tells(text: &str, all: &[&str]) {
    for part in all {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
}

pub(crate) struct App {
    dir: TempDir,
    pub(crate) port: u16,
    variables: Vec<(String, String)>,
}

/// Ports of tests that run at once differ, and lie below those that the system and the supervisor hand out.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 4000).unwrap();
    loop {
        let port = 12_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 4000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

impl App {
    pub(crate) fn new(config: &Config) -> Self {
        let app = Self { dir: tempfile::tempdir().unwrap(), port: free_port(), variables: Vec::new() };
        app.write(config);
        app
    }

    /// An app whose version 1 is live.
    pub(crate) fn live(config: &Config) -> Self {
        let app = Self::new(config);
        app.run(&["deploy", "--version", "v1"]).exits(0);
        app
    }

    pub(crate) fn variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn write(&self, config: &Config) {
        let Config { command, env, strategy, start_within, more } = config;
        let text = format!(
            "app: shop
environments:
  dev:
    target:
      local:
        command: {command}
        listen: \"127.0.0.1:{}\"
        env: {env}
        stop-grace: 2s
    health: {{ get: /health, within: 900ms, every: 200ms, start-within: {start_within} }}
    strategy: {strategy}
    verify: [{{ get: /health, expect: {{ status: 200, json: {{ status: healthy }} }} }}]
    keep: 30s
{more}",
            self.port
        );
        self.write_text(&text);
    }

    pub(crate) fn write_text(&self, text: &str) {
        fs::write(self.path("tidegate.yaml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The directory of the environment's state.
    pub(crate) fn state(&self) -> PathBuf {
        self.path(".tidegate/dev")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(TIDEGATE);
        self.dress(command.args(arguments));
        command
    }

    /// Gives a command this app's directory and an environment that does not depend on where the tests run.
    pub(crate) fn dress(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("GITHUB_") || text.starts_with("TIDEGATE_") || text == "RUST_LOG" {
                command.env_remove(&name);
            }
        }
        let own = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        command.current_dir(self.dir.path()).env("USER", "tester").envs(own);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.start(arguments).end()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    /// The answer to `--output json`, which must fit its schema.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[&["--output", "json"], arguments].concat());
        let value = said.json();
        super::output::fits(&value);
        let code = value.get("exit_code").or_else(|| value.pointer("/error/exit_code"));
        assert_eq!(code.map_or(0, |code| code.as_i64().unwrap()), i64::from(said.code), "{value:#}");
        value
    }

    /// Everything of the environment that a command which failed must leave as it was.
    pub(crate) fn facts(&self) -> Value {
        let mut status = self.json(&["status"]);
        for set in status["sets"].as_array_mut().unwrap() {
            set["in_flight"] = Value::Null;
        }
        let pids = self.json(&["local", "status"])["instances"].clone();
        let pids: Vec<_> = pids.as_array().unwrap().iter().map(|one| one["pid"].clone()).collect();
        serde_json::json!({ "status": status, "pids": pids })
    }

    /// Rollouts in the history, newest first, as `version outcome`.
    pub(crate) fn history(&self) -> Vec<String> {
        let history = self.json(&["history"]);
        let line = |one: &Value| {
            format!("{} {}", one["version"].as_str().unwrap(), one["outcome"].as_str().unwrap())
        };
        history["rollouts"].as_array().unwrap().iter().map(line).collect()
    }

    /// The versions that carry traffic, with their share.
    pub(crate) fn shares(&self) -> Vec<(String, f64)> {
        let status = self.json(&["status"]);
        let share = |set: &Value| {
            Some((set["version"].as_str()?.to_owned(), set["weight_percent"].as_f64()?))
                .filter(|(_, w)| *w > 0.0)
        };
        status["sets"].as_array().unwrap().iter().filter_map(share).collect()
    }

    /// Checks that `version` alone serves, also as visitors see it.
    #[track_caller]
    pub(crate) fn serves(&self, version: &str) {
        assert_eq!(self.shares(), [(version.to_owned(), 100.0)]);
        for _ in 0..5 {
            assert_eq!(self.answering().as_deref(), Some(version));
        }
    }

    /// The version that answers a visitor.
    pub(crate) fn answering(&self) -> Option<String> {
        use std::io::Write as _;
        let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let head = text
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("x-sample-version: ").map(str::to_owned));
        Some(head.unwrap_or_else(|| panic!("no version in {text}")).trim().to_owned())
    }

    /// Requests that are under way as long as what is given back lives.
    pub(crate) fn visits(&self, path: &str, count: usize) -> Vec<std::net::TcpStream> {
        use std::io::Write as _;
        let visit = || {
            let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            stream
        };
        let all = (0..count).map(|_| visit()).collect();
        // Until the router has led them on.
        std::thread::sleep(Duration::from_millis(300));
        all
    }

    /// Processes that work in this app's directory or for its state.
    pub(crate) fn processes(&self) -> BTreeSet<u32> {
        let root = self.dir.path();
        let ours = |pid: &u32| {
            let proc = PathBuf::from(format!("/proc/{pid}"));
            let line = fs::read(proc.join("cmdline")).unwrap_or_default();
            let within = fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(root));
            // A process that ended and was not asked for its end yet has no command line.
            !line.is_empty() && (within || String::from_utf8_lossy(&line).contains(&*root.to_string_lossy()))
        };
        let all =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        all.filter(ours).collect()
    }

    /// Checks that nothing runs for this app: no supervisor, no instance.
    #[track_caller]
    pub(crate) fn is_silent(&self) {
        let begun = Instant::now();
        while !self.processes().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(5), "still there: {:?}", self.processes());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.write(&Config::default());
        let _ = self.run(&["local", "stop"]);
        for pid in self.processes() {
            let _ = kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL);
        }
    }
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    out: JoinHandle<String>,
    err: JoinHandle<String>,
    heard: Arc<Mutex<String>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let heard = Arc::new(Mutex::new(String::new()));
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let out = thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).unwrap();
            text
        });
        let ear = Arc::clone(&heard);
        let err = thread::spawn(move || {
            let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
            while let Ok(n @ 1..) = err.read(&mut buffer) {
                all.extend_from_slice(&buffer[..n]);
                *ear.lock().unwrap() = String::from_utf8_lossy(&all).into_owned();
            }
            String::from_utf8(all).unwrap()
        });
        Self { child, out, err, heard }
    }

    /// Waits until standard error holds `text`.
    #[track_caller]
    pub(crate) fn until(&self, text: &str) {
        let begun = Instant::now();
        while !self.heard.lock().unwrap().contains(text) {
            assert!(begun.elapsed() < PATIENCE / 2, "no `{text}` in:\n{}", self.heard.lock().unwrap());
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Said {
        use std::os::unix::process::ExitStatusExt as _;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                panic!("it does not end; it said:\n{}", self.heard.lock().unwrap());
            }
            thread::sleep(Duration::from_millis(5));
        };
        let code = status.code().unwrap_or_else(|| 1000 + status.signal().unwrap());
        Said { code, out: self.out.join().unwrap(), err: self.err.join().unwrap() }
    }
}

/// Every file below a directory.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut all = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            all.extend(files(&path));
        } else if kind.is_file() {
            all.push(path);
        }
    }
    all
}
