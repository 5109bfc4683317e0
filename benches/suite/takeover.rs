//! The supervisor killed without warning, seen by its visitors: how long nobody got an answer.
//!
//! Visitors open a new connection for each request, so that each of them tells whether the address takes requests. They do
//! not use the tool's own load or ledger: this is the view from outside.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::number::{median, rounded, worst};
use super::{Outcome, answer, say, times};

const VISITORS: usize = 4;
const PAUSE: Duration = Duration::from_millis(4);
/// How long visitors come before the kill and after it.
const AROUND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// Measures several takeovers in a row.
pub(super) fn measure(binary: &Path) -> Outcome<()> {
    let runs = times("TAKEOVER_RUNS", 5)?;
    if runs == 0 {
        return Ok(());
    }
    let stage = Stage::set(binary)?;
    let (mut gaps, mut usual, mut failed, mut refused, mut requests) = (Vec::new(), Vec::new(), 0, 0, 0);
    for _ in 0..runs {
        let seen = stage.kill()?;
        gaps.push(seen.gap_after);
        usual.push(seen.gap_before);
        failed += seen.failed;
        refused += seen.refused;
        requests += seen.requests;
    }
    say(&json!({
        "measure": "takeover", "command": "kill -9 SUPERVISOR", "runs": runs, "visitors": VISITORS, "requests": requests,
        "no_answer_ms_median": rounded(median(&gaps), 1), "no_answer_ms_worst": rounded(worst(&gaps), 1),
        "no_answer_ms_usual": rounded(worst(&usual), 1), "failed": failed, "refused": refused,
    }))?;
    Ok(())
}

/// A supervisor with two instances in a directory of its own. Dropping it stops them.
struct Stage {
    binary: PathBuf,
    directory: PathBuf,
    address: SocketAddr,
}

/// What visitors saw around one kill; gaps in milliseconds.
struct Seen {
    gap_before: f64,
    gap_after: f64,
    requests: usize,
    failed: usize,
    /// Those of the failed that could not even connect.
    refused: usize,
}

impl Stage {
    fn set(binary: &Path) -> Outcome<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let directory = std::env::temp_dir().join(format!("tidegate-bench-{}", std::process::id()));
        fs::create_dir(&directory)?;
        let stage = Self { binary: binary.to_owned(), directory, address };
        let program = serde_json::to_string(&binary.display().to_string())?;
        fs::write(
            stage.directory.join("tidegate.yaml"),
            format!(
                "app: bench\nenvironments:\n  bench:\n    target:\n      local:\n        command: [{program}, sample-app]\n\
                 \x20       instances: 2\n        listen: \"{address}\"\n    health: {{ get: /health }}\n    strategy: rolling\n"
            ),
        )?;
        stage.ask(&["deploy", "bench", "--version", "v1"])?;
        Ok(stage)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.directory).args(words).args(["--output", "json"]);
        command
    }

    fn ask(&self, words: &[&str]) -> Outcome<Value> {
        Ok(answer(&mut self.command(words))?.0)
    }

    /// The supervisor's process, once there is one other than `old`.
    fn supervisor(&self, old: Option<u64>) -> Outcome<u64> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.ask(&["local", "status"]).map(|told| told["pid"].as_u64()) {
                Ok(Some(pid)) if Some(pid) != old => return Ok(pid),
                Ok(_) | Err(_) if Instant::now() < until => thread::sleep(Duration::from_millis(50)),
                Ok(_) => return Err(format!("no supervisor after {PATIENCE:?}").into()),
                Err(error) => return Err(error),
            }
        }
    }

    fn kill(&self) -> Outcome<Seen> {
        let pid = self.supervisor(None)?;
        // It has its own standby only a moment after it began.
        thread::sleep(AROUND);
        let stop = Arc::new(AtomicBool::new(false));
        let visitors: Vec<_> = (0..VISITORS)
            .map(|_| {
                let (stop, address) = (Arc::clone(&stop), self.address);
                thread::spawn(move || visit(address, &stop))
            })
            .collect();
        thread::sleep(AROUND);
        let killed = Instant::now();
        let status = Command::new("kill").args(["-9", &pid.to_string()]).status();
        thread::sleep(AROUND);
        stop.store(true, Ordering::Relaxed);
        let (mut ends, mut failed, mut refused) = (Vec::new(), 0, 0);
        for visitor in visitors {
            let seen = visitor.join().map_err(|_| "a visitor ended by itself")?;
            ends.extend(seen.answered);
            failed += seen.failed;
            refused += seen.refused;
        }
        if !status?.success() {
            return Err(format!("process {pid} could not be killed").into());
        }
        self.supervisor(Some(pid))?;
        ends.sort_unstable();
        let (gap_before, gap_after) = gaps(&ends, killed)?;
        Ok(Seen { gap_before, gap_after, requests: ends.len() + failed, failed, refused })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be ended or removed is not worth more than the figures.
        let _ = self.command(&["local", "stop"]).output();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The longest time between two answers, of which the later came before the moment; and the same, after it.
fn gaps(ends: &[Instant], moment: Instant) -> Outcome<(f64, f64)> {
    let (mut before, mut after) = (0.0_f64, 0.0_f64);
    for pair in ends.windows(2) {
        let [earlier, later] = pair else { continue };
        let gap = later.duration_since(*earlier).as_secs_f64() * 1000.0;
        let longest = if *later < moment { &mut before } else { &mut after };
        *longest = longest.max(gap);
    }
    if ends.last().is_none_or(|last| *last < moment) {
        return Err("no answer came after the kill".into());
    }
    Ok((before, after))
}

/// What one visitor saw.
#[derive(Default)]
struct Visit {
    /// When each answer was whole.
    answered: Vec<Instant>,
    failed: usize,
    refused: usize,
}

/// Sends one request after the other until told to stop.
fn visit(address: SocketAddr, stop: &AtomicBool) -> Visit {
    let mut seen = Visit::default();
    while !stop.load(Ordering::Relaxed) {
        match request(address) {
            Ok(true) => seen.answered.push(Instant::now()),
            Ok(false) => seen.failed += 1,
            Err(error) => {
                seen.failed += 1;
                seen.refused += usize::from(error.kind() == ErrorKind::ConnectionRefused);
            }
        }
        thread::sleep(PAUSE);
    }
    seen
}

/// Whether a request on a new connection has a good answer.
fn request(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut told = Vec::new();
    stream.read_to_end(&mut told)?;
    Ok(told.starts_with(b"HTTP/1.1 200 "))
}
