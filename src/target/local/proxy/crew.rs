//! Threads that carry connections.

use std::io;

use tokio::runtime::Builder;
use tokio::sync::mpsc;

/// Work to begin on a thread, in the context of its runtime.
type Task = Box<dyn FnOnce() + Send>;

/// Threads with a runtime each. They end when this is dropped, and what still runs on them ends with them.
///
/// A connection stays on its thread, with the connections to instances that its requests use. Nothing is stolen or woken
/// across threads, which for small requests costs more than it gains.
pub(super) struct Crew {
    hands: Vec<mpsc::UnboundedSender<Task>>,
}

impl Crew {
    /// Starts so many threads; none is a crew too.
    pub(super) fn start(size: usize) -> io::Result<Self> {
        let mut hands = Vec::with_capacity(size);
        for number in 0..size {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (sender, mut tasks) = mpsc::unbounded_channel::<Task>();
            std::thread::Builder::new().name(format!("route-{number}")).spawn(move || {
                runtime.block_on(async move {
                    while let Some(task) = tasks.recv().await {
                        task();
                    }
                });
            })?;
            hands.push(sender);
        }
        Ok(Self { hands })
    }

    /// No threads: everything runs where it is served.
    pub(super) fn none() -> Self {
        Self { hands: Vec::new() }
    }

    /// The thread for the connection with this number; `None`: the runtime that serves.
    pub(super) fn turn(&self, number: usize) -> Option<usize> {
        number.checked_rem(self.hands.len())
    }

    /// Begins work on a thread.
    pub(super) fn begin(&self, hand: usize, task: Task) {
        if let Some(hand) = self.hands.get(hand) {
            // A thread that is gone drops the work, and with it the connection.
            let _ = hand.send(task);
        }
    }
}
