//! One connection from a client, as the rest of the router sees it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::task::Context;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use http::HeaderValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What all connections of one listener share.
#[derive(Debug)]
pub(super) struct Serving {
    /// Counts everything that has to end before the listener's work is done.
    pub(super) tasks: TaskTracker,
    /// Cancelled when upgraded connections must come to an end because the router stops.
    pub(super) goodbye: CancellationToken,
    /// Cancelled when nothing may go on.
    pub(super) cut: CancellationToken,
}

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    /// Go on.
    Run = 0,
    /// End after the requests that are under way.
    Finish = 1,
    /// End now.
    Cut = 2,
}

/// One connection from a client.
///
/// Its limits of time are watched from outside, once a second for all connections: that costs a request two stores, where a
/// timer for each connection would cost far more.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) serving: Arc<Serving>,
    /// The client's address as `X-Forwarded-For` has it.
    pub(super) address: Option<HeaderValue>,
    /// Number of the thread that carries the connection.
    pub(super) worker: usize,
    /// Number of the connection.
    pub(super) number: usize,
    begun: Instant,
    busy: AtomicU64,
    /// Milliseconds after `begun` at which the last request ended.
    idle_since: AtomicU64,
    /// Milliseconds after `begun` since which the client has had data to take; 0 when it waits for us.
    offered_since: AtomicU64,
    order: AtomicU8,
    waker: AtomicWaker,
}

impl Client {
    pub(super) fn new(serving: Arc<Serving>, address: IpAddr, number: usize, worker: usize) -> Self {
        Self {
            serving,
            address: HeaderValue::try_from(address.to_canonical().to_string()).ok(),
            worker,
            number,
            begun: Instant::now(),
            busy: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            offered_since: AtomicU64::new(0),
            order: AtomicU8::new(Order::Run as u8),
            waker: AtomicWaker::new(),
        }
    }

    /// Tells the connection what to do; a stronger order stays.
    pub(super) fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, SeqCst);
        self.waker.wake();
    }

    /// What the connection is told. Wakes the task when that changes.
    pub(super) fn order(&self, cx: &Context<'_>) -> Order {
        self.waker.register(cx.waker());
        match self.order.load(SeqCst) {
            0 => Order::Run,
            1 => Order::Finish,
            _ => Order::Cut,
        }
    }

    /// True until its first request has begun.
    pub(super) fn is_new(&self) -> bool {
        self.busy.load(Relaxed) == 0 && self.idle_since.load(Relaxed) == 0
    }

    /// Looks whether the client is silent, or does not take what it asked for, for too long. First the connection is asked to
    /// finish; that does not end one which stands in the middle of a head, so the next look cuts it.
    pub(super) fn review(&self, silence: Duration, stall: Duration) {
        let now = self.now();
        let longer = |then: u64, limit: Duration| u128::from(now.saturating_sub(then)) > limit.as_millis();
        let offered = self.offered_since.load(Relaxed);
        if self.busy.load(Relaxed) > 0 {
            if offered > 0 && longer(offered, stall) {
                self.tell(Order::Cut);
            }
        } else if longer(self.idle_since.load(Relaxed), silence) {
            let told = self.order.load(SeqCst) != Order::Run as u8;
            self.tell(if told { Order::Cut } else { Order::Finish });
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }
}

/// A request that a connection is busy with.
#[derive(Debug)]
pub(super) struct Visit(Arc<Client>);

impl Visit {
    pub(super) fn begin(client: &Arc<Client>) -> Self {
        client.busy.fetch_add(1, Relaxed);
        Self(Arc::clone(client))
    }

    /// Number of the thread that carries the connection.
    pub(super) fn worker(&self) -> usize {
        self.0.worker
    }

    /// The client waits for more.
    pub(super) fn client_asks(&self) {
        if self.0.offered_since.load(Relaxed) != 0 {
            self.0.offered_since.store(0, Relaxed);
        }
    }

    /// It is the client's turn to take what there is.
    pub(super) fn client_has_data(&self) {
        self.0.offered_since.store(self.0.now(), Relaxed);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Relaxed);
        self.0.offered_since.store(0, Relaxed);
        self.0.busy.fetch_sub(1, Relaxed);
    }
}
