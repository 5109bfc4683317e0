//! The journal: a list that can fail at a chosen write, before or after it is kept.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tidegate::journal::{Held, Journal, JournalError, LockError, LockProof};
use tidegate::rollout::event::Asked;
use tidegate::rollout::{Event, RolloutId};

/// The journal.
#[derive(Default)]
pub struct MemoryJournal {
    histories: Mutex<BTreeMap<RolloutId, Vec<Event>>>,
    requests: Mutex<Vec<Asked>>,
    /// Fails the nth write from now; `true`: after it was kept.
    crash: Mutex<Option<(usize, bool)>>,
}

impl MemoryJournal {
    /// The nth append from now (from 0) fails as if the process died there: before the event is kept, or just after.
    pub fn crash_at(&self, nth: usize, kept: bool) {
        *self.crash.lock().unwrap() = Some((nth, kept));
    }

    /// No more crashes.
    pub fn heal(&self) {
        *self.crash.lock().unwrap() = None;
    }

    /// All histories.
    pub fn all(&self) -> Vec<Vec<Event>> {
        self.histories.lock().unwrap().values().cloned().collect()
    }

    fn keep(&self, event: &Event) {
        self.histories.lock().unwrap().entry(event.rollout.clone()).or_default().push(event.clone());
    }
}

fn crashed() -> JournalError {
    JournalError { code: "crash", sentence: "the process died here".to_owned(), hint: None }
}

impl Journal for MemoryJournal {
    async fn histories(&self) -> Result<Vec<Vec<Event>>, JournalError> {
        Ok(self.all())
    }

    async fn append(&self, _proof: &LockProof<'_>, event: &Event) -> Result<(), JournalError> {
        let mut crash = self.crash.lock().unwrap();
        if let Some((left, kept)) = crash.as_mut() {
            if *left == 0 {
                if *kept {
                    self.keep(event);
                }
                return Err(crashed());
            }
            *left -= 1;
        }
        self.keep(event);
        Ok(())
    }

    async fn asked(&self) -> Result<Vec<Asked>, JournalError> {
        Ok(self.requests.lock().unwrap().clone())
    }

    async fn ask(&self, asked: &Asked) -> Result<(), JournalError> {
        self.requests.lock().unwrap().push(asked.clone());
        Ok(())
    }

    async fn answered(&self, _proof: &LockProof<'_>, id: &str) -> Result<(), JournalError> {
        self.requests.lock().unwrap().retain(|asked| asked.id != id);
        Ok(())
    }
}

/// A lock that can be lost after a number of checks.
#[derive(Default)]
pub struct MemoryLock {
    lost_after: Mutex<Option<usize>>,
}

impl MemoryLock {
    /// Lost at the nth check from now.
    pub fn lose_at(&self, nth: usize) {
        *self.lost_after.lock().unwrap() = Some(nth);
    }

    /// Held again, by another run.
    pub fn take_again(&self) {
        *self.lost_after.lock().unwrap() = None;
    }
}

impl Held for MemoryLock {
    fn check(&self) -> Result<(), LockError> {
        let mut left = self.lost_after.lock().unwrap();
        match left.as_mut() {
            Some(0) => Err(LockError::Lost("another run".to_owned())),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}
