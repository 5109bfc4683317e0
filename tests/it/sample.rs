//! The sample app and the load generator against each other, in this process and as a process of its own.

mod app;
mod faults;
mod load;
mod losses;
mod process;

use std::net::SocketAddr;
use std::time::Duration;

use tidegate::sample::SampleError;
use tidegate::sample::app::{AppOptions, Faults, serve_on};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A sample app in this process. Dropping it kills it without grace.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), SampleError>>,
}

impl Running {
    async fn start(version: &str, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, version, faults)
    }

    fn on(listener: TcpListener, version: &str, faults: Faults) -> Self {
        let address = listener.local_addr().unwrap();
        let options = AppOptions { faults, ..AppOptions::new(version) };
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve_on(listener, options, stop.clone()));
        Self { address, stop, task }
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    async fn stopped(mut self) -> Result<(), SampleError> {
        self.stop.cancel();
        (&mut self.task).await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
