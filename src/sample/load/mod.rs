//! The load generator: visitors that come on a schedule, whatever the service does.
//!
//! The load is open: request `i` is due at `start + i / rate`, not when the one before is done. A service that stalls cannot
//! make the load wait for it and so hide the stall ("coordinated omission"). When the bound on requests in flight holds one
//! back, it is sent late, and its latency counts from the moment that it was due.

mod connect;
mod exchange;
mod mix;
mod service;
mod trail;
mod websocket;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connect::Connections;
pub use mix::{Kind, Mix};
use service::Service;
pub use service::VersionIn;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use trail::{Failure, Trail};

use super::{Answer, Ledger, Loss, LossKind};

/// A timer of tokio rings up to 1 ms late. That much is no fault of the service and is not put on its account.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

/// A load to be put on an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Where to.
    pub address: SocketAddr,
    /// The name by which the service is called, for a router that goes by it; by default the address.
    pub host: Option<String>,
    /// Where the answers tell their version.
    pub version_in: VersionIn,
    /// Requests a second; 0 sends none.
    pub rate: u32,
    /// The most idle HTTP/1.1 connections to keep.
    pub connections: usize,
    /// The most requests at a time.
    pub max_in_flight: usize,
    /// How long an answer may take, over what the request itself asks for.
    pub timeout: Duration,
    /// Which kinds of request.
    pub mix: Mix,
}

/// A load that runs. Dropping it ends the sending; [`LoadHandle::stop`] also waits for what is in flight.
#[derive(Debug)]
pub struct LoadHandle {
    run: Arc<Run>,
    schedule: JoinHandle<()>,
    _end: DropGuard,
}

#[derive(Debug)]
struct Run {
    service: Service,
    timeout: Duration,
    origin: Instant,
    connections: Connections,
    ledger: Mutex<Ledger>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Load {
    /// A load of every kind of traffic: 32 kept connections, 512 requests in flight, ten seconds for an answer.
    #[must_use]
    pub fn new(address: SocketAddr, rate: u32) -> Self {
        let timeout = Duration::from_secs(10);
        let (host, version_in) = (None, VersionIn::default());
        Self {
            address,
            host,
            version_in,
            rate,
            connections: 32,
            max_in_flight: 512,
            timeout,
            mix: Mix::everything(),
        }
    }

    /// Starts sending. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(&self) -> LoadHandle {
        let end = CancellationToken::new();
        let run = Arc::new(Run {
            service: Service {
                host: self.host.clone().unwrap_or_else(|| self.address.to_string()),
                version_in: self.version_in,
            },
            timeout: self.timeout,
            origin: Instant::now(),
            connections: Connections::new(self.address, self.connections),
            ledger: Mutex::default(),
            places: Arc::new(Semaphore::new(self.max_in_flight.clamp(1, Semaphore::MAX_PERMITS))),
            tasks: TaskTracker::new(),
            end: end.clone(),
        });
        let schedule = tokio::spawn(schedule(Arc::clone(&run), self.rate, self.mix.clone()));
        LoadHandle { run, schedule, _end: end.drop_guard() }
    }
}

impl LoadHandle {
    /// The ledger as it stands. Requests in flight are neither answered nor lost in it.
    #[must_use]
    pub fn snapshot(&self) -> Ledger {
        self.run.ledger().clone()
    }

    /// The time since the start: the clock of the ledger.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.run.origin.elapsed()
    }

    /// Ends the sending, waits for what is in flight, and gives the final ledger, in which `requests = answered + lost`.
    ///
    /// It takes no longer than the time-out and what the longest request asks for.
    pub async fn stop(self) -> Ledger {
        self.run.end.cancel();
        // It ends by that, at its next await.
        let _ = self.schedule.await;
        self.run.tasks.close();
        self.run.tasks.wait().await;
        self.run.connections.close().await;
        std::mem::take(&mut *self.run.ledger())
    }
}

impl Run {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.origin)
    }

    /// Sends one request and writes down what came of it. `due` is set when it comes late.
    async fn request(&self, kind: Kind, due: Option<Instant>) {
        let mut trail = Trail::new();
        let due = due.unwrap_or(trail.started);
        let limit = self.timeout + kind.asks();
        let outcome =
            timeout(limit, exchange::perform(kind, &self.service, &self.connections, &mut trail)).await;
        let outcome = outcome.unwrap_or_else(|_| {
            Err(Failure::new(LossKind::TimedOut, format!("no whole answer within {} ms", limit.as_millis())))
        });
        let now = Instant::now();
        let mut ledger = self.ledger();
        let age = trail.connection_age();
        let loss = |Failure { what, detail }, connection_age| Loss {
            at: self.at(now),
            kind: kind.name(),
            what,
            detail,
            connection_age,
        };
        if let Some((failure, age)) = trail.first_try.take() {
            ledger.reconnected(loss(failure, age));
        }
        match outcome {
            Ok(whole) => {
                // A wait that was asked for is the request's own; so are the pauses of a session and of events, whose
                // service is done with the head.
                let own = if let Kind::LongPoll { wait } = kind { wait } else { Duration::ZERO };
                ledger.answered(Answer {
                    kind: kind.name(),
                    version: &whole.version,
                    status: whole.status,
                    started: self.at(trail.started),
                    ended: self.at(now),
                    latency: whole.served.saturating_duration_since(due).saturating_sub(own),
                });
            }
            Err(failure) => ledger.lose(loss(failure, age)),
        }
    }
}

/// Sends each request when it is due, until the end.
async fn schedule(run: Arc<Run>, rate: u32, mut mix: Mix) {
    let mut number: u64 = 0;
    while let Some(due) = due(run.origin, number, rate) {
        let Some(kind) = mix.next() else { break };
        let turn = async {
            sleep_until(due).await;
            Arc::clone(&run.places).acquire_owned().await
        };
        let Some(place) = run.end.run_until_cancelled(turn).await else {
            run.ledger().unsent = unsent(run.origin, number, rate);
            return;
        };
        let late = due.elapsed() > TIMER_GRAIN;
        {
            let mut ledger = run.ledger();
            ledger.sent(kind.name());
            ledger.delayed += u64::from(late);
        }
        let sender = Arc::clone(&run);
        run.tasks.spawn(async move {
            sender.request(kind, late.then_some(due)).await;
            drop(place);
        });
        number += 1;
    }
}

/// When request `number` is due; `None` when none ever is.
fn due(origin: Instant, number: u64, rate: u32) -> Option<Instant> {
    let nanos = (u128::from(number) * 1_000_000_000).checked_div(u128::from(rate))?;
    origin.checked_add(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

/// How many requests are due by now from `number` on.
fn unsent(origin: Instant, number: u64, rate: u32) -> u64 {
    // The first is due at once, hence the one more.
    let due = origin.elapsed().as_nanos() * u128::from(rate) / 1_000_000_000 + 1;
    u64::try_from(due).unwrap_or(u64::MAX).saturating_sub(number)
}
