//! What runs on an instance at this moment, and how it is brought to an end.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long a peer has to answer our goodbye on an upgraded connection.
pub(super) const GOODBYE: Duration = Duration::from_secs(3);

/// Requests and long-lived exchanges on one instance.
#[derive(Debug, Default)]
pub(super) struct Load {
    requests: AtomicU64,
    long_lived: AtomicU64,
    watchers: AtomicU64,
    changed: Notify,
    farewell: Mutex<CancellationToken>,
}

impl Load {
    /// All that runs on it.
    pub(super) fn total(&self) -> u64 {
        self.requests.load(SeqCst) + self.long_lived.load(SeqCst)
    }

    /// Cancelled when long-lived exchanges must come to an end.
    pub(super) fn farewell(&self) -> CancellationToken {
        self.farewell.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The instance is in use again: what starts from now on may go on.
    pub(super) fn welcome(&self) {
        let mut farewell = self.farewell.lock().unwrap_or_else(PoisonError::into_inner);
        if farewell.is_cancelled() {
            *farewell = CancellationToken::new();
        }
    }

    /// Waits until nothing runs on it. Long-lived exchanges are told to end after `grace`.
    pub(super) async fn drained(&self, grace: Duration) {
        let limit = Instant::now() + grace;
        self.watchers.fetch_add(1, SeqCst);
        let _watching = Watching(self);
        let mut told = false;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.total() == 0 {
                return;
            }
            if told {
                // Those that began just before the table changed get their goodbye too.
                if timeout(GOODBYE, changed).await.is_err() {
                    self.farewell().cancel();
                }
            } else {
                tokio::select! {
                    () = changed => {}
                    () = sleep_until(limit) => {
                        self.farewell().cancel();
                        told = true;
                    }
                }
            }
        }
    }

    fn left(&self, count: &AtomicU64) {
        // Sequential consistency pairs with `drained`: either it sees the lower count or we see that it watches.
        count.fetch_sub(1, SeqCst);
        if self.watchers.load(SeqCst) > 0 {
            self.changed.notify_waiters();
        }
    }
}

/// Ends the watching also when the waiting is given up.
struct Watching<'a>(&'a Load);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, SeqCst);
    }
}

/// A request, or a long-lived exchange, that counts on an instance for as long as this exists.
#[derive(Debug)]
pub(super) struct Ticket {
    load: Arc<Load>,
    long_lived: bool,
}

impl Ticket {
    /// Counts one more request.
    pub(super) fn enter(load: &Arc<Load>) -> Self {
        load.requests.fetch_add(1, SeqCst);
        Self { load: Arc::clone(load), long_lived: false }
    }

    /// The request has turned into something that has no end of its own: an upgraded connection or an event stream.
    pub(super) fn settle_in(&mut self) {
        if !self.long_lived {
            self.long_lived = true;
            self.load.long_lived.fetch_add(1, SeqCst);
            self.load.left(&self.load.requests);
        }
    }

    /// Cancelled when a long-lived exchange must come to an end.
    pub(super) fn farewell(&self) -> CancellationToken {
        self.load.farewell()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let count = if self.long_lived { &self.load.long_lived } else { &self.load.requests };
        self.load.left(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_requests() {
        let load = Arc::new(Load::default());
        let ticket = Ticket::enter(&load);
        let waiting = tokio::spawn({
            let load = Arc::clone(&load);
            async move { load.drained(Duration::ZERO).await }
        });
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(!waiting.is_finished());
        drop(ticket);
        timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn long_lived_exchanges_are_told_after_the_grace() {
        let load = Arc::new(Load::default());
        let mut ticket = Ticket::enter(&load);
        ticket.settle_in();
        assert_eq!(load.total(), 1);
        let start = Instant::now();
        let farewell = ticket.farewell();
        let ends = async move {
            farewell.cancelled().await;
            assert_eq!(start.elapsed(), Duration::from_secs(7));
            drop(ticket);
        };
        tokio::join!(load.drained(Duration::from_secs(7)), ends);
        assert_eq!(load.total(), 0);
    }

    #[tokio::test]
    async fn nothing_running_is_drained_at_once() {
        Load::default().drained(Duration::from_secs(60)).await;
    }
}
