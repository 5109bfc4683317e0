//! What is counted for each release, without a lock on the way of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::histogram::{self, BUCKETS, Latency};
use crate::rollout::Counts;

/// Cores that count at the same moment should not share a cache line; more parts than this gain nothing on the machines that
/// this target is for.
const SHARDS: usize = 8;

/// What the router knows of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Requests, errors and slow ones.
    pub counts: Counts,
    /// How long requests took, as [`Counts::slow`] measures it.
    pub latency: Latency,
    /// Bytes of bodies from clients to instances.
    pub bytes_in: u64,
    /// Bytes of bodies from instances to clients.
    pub bytes_out: u64,
}

/// Counters of one release.
#[derive(Debug)]
pub(super) struct Meter {
    shards: [Shard; SHARDS],
}

#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    requests: AtomicU64,
    errors: AtomicU64,
    slow: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    micros: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

impl Default for Shard {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            requests: zero(),
            errors: zero(),
            slow: zero(),
            bytes_in: zero(),
            bytes_out: zero(),
            micros: zero(),
            latency: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()) }
    }

    /// The counts. Errors and slow ones are read first, so that they never exceed the requests.
    pub(super) fn counts(&self) -> Counts {
        let sum =
            |part: fn(&Shard) -> &AtomicU64| self.shards.iter().map(|shard| part(shard).load(Relaxed)).sum();
        let errors = sum(|shard| &shard.errors);
        let slow = sum(|shard| &shard.slow);
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        let requests: u64 = sum(|shard| &shard.requests);
        Counts { requests, errors: requests.min(errors), slow: requests.min(slow) }
    }

    pub(super) fn statistics(&self) -> Statistics {
        let mut buckets = [0; BUCKETS];
        let (mut bytes_in, mut bytes_out, mut micros) = (0, 0, 0);
        for shard in &self.shards {
            bytes_in += shard.bytes_in.load(Relaxed);
            bytes_out += shard.bytes_out.load(Relaxed);
            micros += shard.micros.load(Relaxed);
            for (sum, part) in buckets.iter_mut().zip(&shard.latency) {
                *sum += part.load(Relaxed);
            }
        }
        let latency = Latency::from_counts(&buckets, Duration::from_micros(micros));
        Statistics { counts: self.counts(), latency, bytes_in, bytes_out }
    }
}

/// The account of one request. It is entered when the request ends, or when it is dropped because the client went away: what
/// the client itself broke off is no error, but the time that it waited counts.
#[derive(Debug)]
pub(super) struct Tally {
    meter: Arc<Meter>,
    shard: usize,
    started: Instant,
    slow_bound: Option<Duration>,
    error: bool,
    entered: bool,
    /// Bytes of the request's body that went to the instance.
    pub(super) bytes_in: u64,
    /// Bytes of the response's body that came from the instance.
    pub(super) bytes_out: u64,
}

impl Tally {
    /// Opens the account. `shard` may be any number; requests that run at the same time should differ in it.
    pub(super) fn open(meter: Arc<Meter>, shard: usize, slow_bound: Option<Duration>) -> Self {
        let started = Instant::now();
        let shard = shard % SHARDS;
        Self { meter, shard, started, slow_bound, error: false, entered: false, bytes_in: 0, bytes_out: 0 }
    }

    /// The request went on to another release, which answers for it from now on.
    pub(super) fn pass_to(&mut self, meter: &Arc<Meter>) {
        if !Arc::ptr_eq(&self.meter, meter) {
            self.meter = Arc::clone(meter);
        }
    }

    /// The instance answered badly, broke off or could not be reached. Counts once, also after the request was entered.
    pub(super) fn fail(&mut self) {
        if !self.error
            && self.entered
            && let Some(shard) = self.meter.shards.get(self.shard)
        {
            shard.errors.fetch_add(1, Relaxed);
        }
        self.error = true;
    }

    /// Enters the request into the books now. What is counted after this are only bytes.
    pub(super) fn enter(&mut self) {
        if self.entered {
            return;
        }
        self.entered = true;
        let elapsed = self.started.elapsed();
        let Some(shard) = self.meter.shards.get(self.shard) else { return };
        shard.requests.fetch_add(1, Relaxed);
        if self.error {
            shard.errors.fetch_add(1, Relaxed);
        }
        if self.slow_bound.is_some_and(|bound| elapsed > bound) {
            shard.slow.fetch_add(1, Relaxed);
        }
        shard.micros.fetch_add(u64::try_from(elapsed.as_micros()).unwrap_or(0), Relaxed);
        if let Some(bucket) = shard.latency.get(histogram::index(elapsed)) {
            bucket.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.enter();
        if let Some(shard) = self.meter.shards.get(self.shard) {
            if self.bytes_in > 0 {
                shard.bytes_in.fetch_add(self.bytes_in, Relaxed);
            }
            if self.bytes_out > 0 {
                shard.bytes_out.fetch_add(self.bytes_out, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_requests_errors_and_slow_ones() {
        let meter = Arc::new(Meter::new());
        let bound = Some(Duration::from_millis(100));
        drop(Tally::open(Arc::clone(&meter), 0, bound));
        let mut failed = Tally::open(Arc::clone(&meter), 1, bound);
        failed.fail();
        tokio::time::advance(Duration::from_millis(101)).await;
        failed.enter();
        failed.enter();
        drop(failed);
        assert_eq!(meter.counts(), Counts { requests: 2, errors: 1, slow: 1 });
        assert_eq!(meter.statistics().latency.sum, Duration::from_millis(101));
    }

    #[tokio::test]
    async fn the_release_that_answers_last_has_the_request() {
        let (first, second) = (Arc::new(Meter::new()), Arc::new(Meter::new()));
        let mut tally = Tally::open(Arc::clone(&first), 0, None);
        tally.pass_to(&second);
        tally.bytes_out = 7;
        drop(tally);
        assert_eq!(first.counts(), Counts::default());
        assert_eq!(second.counts().requests, 1);
        assert_eq!(second.statistics().bytes_out, 7);
    }

    #[tokio::test]
    async fn a_late_error_is_counted_once() {
        let meter = Arc::new(Meter::new());
        let mut tally = Tally::open(Arc::clone(&meter), 0, None);
        tally.enter();
        tally.fail();
        tally.fail();
        drop(tally);
        assert_eq!(meter.counts(), Counts { requests: 1, errors: 1, slow: 0 });
    }
}
