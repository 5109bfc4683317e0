//! A time limit that is moved far more often than it is reached.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A time limit. Moving it later costs one store: the timer stays armed at the earlier time and is moved on only when it
/// fires. Arming a timer for every request would cost a lock and a tree operation each.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Sets the limit.
    pub(super) fn set(&mut self, due: Instant) {
        self.due = Some(due);
    }

    /// Sets the limit this far from now unless one is set already.
    pub(super) fn start(&mut self, patience: std::time::Duration) {
        if self.due.is_none() {
            self.due = Some(Instant::now() + patience);
        }
    }

    /// Lifts the limit.
    pub(super) fn lift(&mut self) {
        self.due = None;
    }

    /// Ready once the limit is reached; else arranges for a wake-up no later than the limit.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moved_later_it_fires_later() {
        let start = Instant::now();
        let mut deadline = Deadline::default();
        deadline.set(start + Duration::from_secs(1));
        poll_fn(|cx| {
            assert!(deadline.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        deadline.set(start + Duration::from_secs(5));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn moved_earlier_it_fires_earlier() {
        let start = Instant::now();
        let mut deadline = Deadline::default();
        deadline.set(start + Duration::from_secs(60));
        poll_fn(|cx| {
            assert!(deadline.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        deadline.set(start + Duration::from_secs(2));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn lifted_it_never_fires() {
        let mut deadline = Deadline::default();
        deadline.set(Instant::now());
        deadline.lift();
        assert!(tokio::time::timeout(Duration::from_secs(9), poll_fn(|cx| deadline.poll(cx))).await.is_err());
    }
}
