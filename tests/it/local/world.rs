//! An environment of its own for each test, with this test binary itself as the program that is deployed.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tidegate::rollout::{Action, Observation, Release, ReleaseId, Weight};
use tidegate::target::local::proxy::ProxySettings;
use tidegate::target::local::{EnvValue, Health, LaunchSpec, LocalConfig, LocalTarget, Status};
use tidegate::target::{Target, TargetError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Not a test: the program that the other tests deploy. Behaves as its environment says.
#[test]
#[ignore = "the program that the other tests deploy"]
fn program() {
    let Ok(port) = std::env::var("PORT") else { return };
    let set = |name: &str| std::env::var(name).ok();
    println!("serving on {port}, secret {}", set("SECRET").unwrap_or_default());
    if let Some(code) = set("DIE") {
        println!("cannot go on: no such table");
        std::process::exit(code.parse().unwrap());
    }
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        std::thread::spawn(move || {
            let mut seen = Vec::new();
            let mut buffer = [0; 2048];
            while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(n) if n > 0 => seen.extend_from_slice(&buffer[..n]),
                    _ => return,
                }
            }
            let path = String::from_utf8_lossy(&seen).split(' ').nth(1).unwrap_or_default().to_owned();
            let set = |name: &str| std::env::var(name).ok();
            let version = set("SAYS").or_else(|| set("TIDEGATE_VERSION")).unwrap_or_default();
            let (status, body) = match path.as_str() {
                "/health" => (
                    set("HEALTH").unwrap_or_else(|| "200".into()),
                    format!("{{\"status\":\"healthy\",\"version\":\"{version}\"}}"),
                ),
                "/exit" => std::process::exit(3),
                "/write" => {
                    println!("{}", "x".repeat(2000));
                    ("200".into(), version)
                }
                "/slow" => {
                    std::thread::sleep(Duration::from_millis(700));
                    ("200".into(), version)
                }
                _ => ("200".into(), version),
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        });
    }
}

pub(super) struct World {
    dir: tempfile::TempDir,
    pub(super) state: PathBuf,
    pub(super) target: Option<LocalTarget>,
}

pub(super) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_tidegate"))
}

pub(super) fn config() -> LocalConfig {
    LocalConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        admin: None,
        proxy: ProxySettings::default(),
        sleep: None,
        binary: binary(),
        secrets: BTreeMap::from([("TOKEN".to_owned(), "hush-hush-hush".to_owned())]),
    }
}

pub(super) fn spec(env: &[(&str, &str)]) -> LaunchSpec {
    let program = std::env::current_exe().unwrap();
    let command = [program.to_str().unwrap(), "local::world::program", "--exact"];
    let options = ["--ignored", "--nocapture"];
    let mut spec = LaunchSpec::new(
        command.into_iter().chain(options).map(str::to_owned).collect(),
        std::env::temp_dir(),
    );
    for (name, value) in env {
        spec.env.insert((*name).to_owned(), EnvValue::Literal((*value).to_owned()));
    }
    spec.env.insert("SECRET".to_owned(), EnvValue::FromEnvironment("TOKEN".to_owned()));
    spec.health = Some(Health {
        path: Some("/health".into()),
        every: Duration::from_millis(200),
        start_within: Duration::from_millis(1500),
        ..Health::default()
    });
    spec.stop_grace = Duration::from_secs(2);
    spec
}

pub(super) fn release(version: &str, spec: &LaunchSpec) -> Release {
    let spec = serde_json::to_value(spec).unwrap();
    Release::new("shop", version, None, Vec::new(), spec, jiff::Timestamp::UNIX_EPOCH)
}

impl World {
    pub(super) async fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap(), "state").await
    }

    pub(super) async fn at(dir: tempfile::TempDir, name: &str) -> Self {
        let mut world = Self::cold(dir, name);
        world.target = Some(LocalTarget::connect(&world.state, config()).await.unwrap());
        world
    }

    pub(super) fn cold(dir: tempfile::TempDir, name: &str) -> Self {
        let state = dir.path().join(name);
        Self { dir, state, target: None }
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn target(&self) -> &LocalTarget {
        self.target.as_ref().unwrap()
    }

    pub(super) async fn scale(&self, release: &Release, instances: u32) -> Result<(), TargetError> {
        self.target().act(&Action::Scale { release: release.id.clone(), instances }, &[release]).await
    }

    pub(super) async fn route(&self, weights: &[(&Release, u8)]) -> Result<(), TargetError> {
        let weights = weights.iter().map(|(r, p)| (r.id.clone(), Weight::from_percent(*p))).collect();
        self.target().act(&Action::Route { weights }, &[]).await
    }

    pub(super) async fn retire(
        &self,
        release: &Release,
        at: Option<jiff::Timestamp>,
    ) -> Result<(), TargetError> {
        self.target().act(&Action::Retire { release: release.id.clone(), at }, &[]).await
    }

    /// Waits for a state of things, by long polls.
    pub(super) async fn until(&self, what: &str, mut holds: impl FnMut(&Observation) -> bool) -> Observation {
        let end = Instant::now() + Duration::from_secs(20);
        let mut newer_than = None;
        loop {
            let seen = self.target().observe(newer_than, Duration::from_millis(500)).await.unwrap();
            if holds(&seen) {
                return seen;
            }
            assert!(Instant::now() < end, "never {what}: {seen:#?}");
            newer_than = Some(seen.generation);
        }
    }

    pub(super) async fn ready(&self, release: &Release, count: u32) -> Observation {
        self.until(&format!("{count} ready"), |o| o.sets.get(&release.id).is_some_and(|s| s.ready == count))
            .await
    }

    pub(super) async fn trouble(&self, release: &Release) -> tidegate::rollout::Trouble {
        let fatal =
            |o: &Observation| o.sets.get(&release.id).and_then(|s| s.trouble.clone()).filter(|t| t.fatal);
        let seen = self.until("fatal trouble", |o| fatal(o).is_some()).await;
        fatal(&seen).unwrap()
    }

    /// Deploys a first release with all of the traffic.
    pub(super) async fn deployed(&self, version: &str, instances: u32) -> Release {
        let release = release(version, &spec(&[]));
        self.scale(&release, instances).await.unwrap();
        self.ready(&release, instances).await;
        self.route(&[(&release, 100)]).await.unwrap();
        release
    }

    pub(super) async fn status(&self) -> Status {
        self.target().status().await.unwrap()
    }

    /// Status once there is a standby that could take over.
    pub(super) async fn guarded(&self) -> Status {
        for _ in 0..200 {
            let status = self.status().await;
            if status.standby.is_some() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no standby");
    }

    pub(super) async fn pids(&self, release: &ReleaseId) -> Vec<i32> {
        let mut pids: Vec<i32> = self
            .status()
            .await
            .instances
            .iter()
            .filter(|i| i.release == *release)
            .filter_map(|i| i.pid)
            .collect();
        pids.sort_unstable();
        pids
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever became of the test: no process stays behind.
        let Ok(lock) = std::fs::File::open(self.state.join("supervisor.lock")) else { return };
        let end = Instant::now() + Duration::from_secs(12);
        while lock.try_lock_shared().is_err() {
            let pid = std::fs::read_to_string(self.state.join("supervisor.lock")).unwrap_or_default();
            if let Ok(pid) = pid.trim().parse() {
                kill(pid, if Instant::now() < end { Signal::TERM } else { Signal::KILL });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.state.join("supervisor.log")).unwrap_or_default();
            eprintln!("--- supervisor.log\n{log}");
        }
    }
}

pub(super) fn kill(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether a process runs; one that only waits to be fetched does not.
pub(super) fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|s| !s[s.rfind(')').unwrap()..].starts_with(") Z"))
}

pub(super) async fn gone(pid: i32) {
    for _ in 0..500 {
        if !lives(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("process {pid} still lives");
}

/// One request on a connection of its own.
pub(super) async fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let text = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok());
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
    status.map(|s| (s, body)).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// Requests without a pause, until stopped.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    counts: Arc<[AtomicU64; 5]>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) good: u64,
    pub(super) refused: u64,
    pub(super) broken: u64,
    pub(super) bad: u64,
    /// The longest time that a good answer took.
    pub(super) longest: Duration,
}

impl Load {
    pub(super) fn on(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counts: Arc<[AtomicU64; 5]> = Arc::default();
        let tasks = (0..4)
            .map(|_| {
                let (stop, counts) = (stop.clone(), counts.clone());
                tokio::spawn(async move {
                    while !stop.load(Ordering::SeqCst) {
                        let begin = Instant::now();
                        let place = match get(address, "/").await {
                            Ok((200, _)) => 0,
                            Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => 1,
                            Err(_) => 2,
                            Ok(_) => 3,
                        };
                        counts[place].fetch_add(1, Ordering::SeqCst);
                        if place == 0 {
                            let took = u64::try_from(begin.elapsed().as_micros()).unwrap();
                            counts[4].fetch_max(took, Ordering::SeqCst);
                        }
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                })
            })
            .collect();
        Self { stop, tasks, counts }
    }

    pub(super) async fn end(self) -> Tally {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        let [good, refused, broken, bad, longest] =
            [0, 1, 2, 3, 4].map(|n: usize| self.counts[n].load(Ordering::SeqCst));
        Tally { good, refused, broken, bad, longest: Duration::from_micros(longest) }
    }
}
