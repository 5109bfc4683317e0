//! The sample app as the process that a target runs: its environment, its signals, its exit codes.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::ms;

const PATIENCE: Duration = Duration::from_secs(10);

struct Process {
    child: Child,
    address: SocketAddr,
}

/// A free port below those that the system hands out by itself: between this look and the app's own bind no other test that
/// asks for "any port" can get it.
fn free_port() -> u16 {
    let somewhere = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() % 10_000;
    let mut ports = (20_000..30_000).cycle().skip(usize::try_from(somewhere).unwrap()).take(10_000);
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("no port is free")
}

impl Process {
    fn start(variables: &[(&str, &str)]) -> Self {
        let free = free_port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free));
        let child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("sample-app")
            .env("PORT", free.to_string())
            .env("TIDEGATE_VERSION", "7")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child, address }
    }

    async fn listening(variables: &[(&str, &str)]) -> Self {
        let process = Self::start(variables);
        let begun = Instant::now();
        while TcpStream::connect(process.address).await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "the sample app does not listen");
            sleep(ms(5)).await;
        }
        process
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    async fn exit_code(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("the sample app does not end").unwrap().code()
    }
}

#[tokio::test]
async fn sigterm_lets_the_request_in_flight_finish_and_exits_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Process::listening(&[]).await;
        let slow = tokio::spawn(reqwest::get(format!("http://{}/slow?ms=300", process.address)));
        sleep(ms(100)).await;
        process.signal(signal);
        assert_eq!(process.exit_code().await, Some(0));
        let response = slow.await.unwrap().unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["x-sample-version"].as_bytes()),
            (200, &b"7"[..])
        );
    }
}

#[tokio::test]
async fn the_crash_exits_with_its_code() {
    let mut process =
        Process::listening(&[("SAMPLE_EXIT_AFTER_MS", "100"), ("SAMPLE_EXIT_CODE", "42")]).await;
    assert_eq!(process.exit_code().await, Some(42));
}

#[tokio::test]
async fn sigterm_can_be_ignored_but_not_sigkill() {
    let mut process = Process::listening(&[("SAMPLE_IGNORE_TERM", "1")]).await;
    process.signal(Signal::TERM);
    sleep(ms(150)).await;
    let response = reqwest::get(format!("http://{}/", process.address)).await.unwrap();
    assert_eq!(response.status(), 200);
    process.signal(Signal::KILL);
    assert_eq!(process.exit_code().await, None);
}

#[tokio::test]
async fn the_start_can_be_late_and_ends_on_sigterm_before_it_came() {
    let begun = Instant::now();
    let late = Process::listening(&[("SAMPLE_START_DELAY_MS", "300")]).await;
    assert!(begun.elapsed() >= ms(300));
    drop(late);
    let mut later = Process::start(&[("SAMPLE_START_DELAY_MS", "60000")]);
    // Until its handler is in place the signal would kill it; that takes far less than this.
    sleep(ms(500)).await;
    later.signal(Signal::TERM);
    assert_eq!(later.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let first = Process::listening(&[]).await;
    let port = first.address.port().to_string();
    let mut second = Process::start(&[("PORT", &port)]);
    assert_eq!(second.exit_code().await, Some(1));
}
