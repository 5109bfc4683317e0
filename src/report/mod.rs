//! Reports: sinks of events. They never feed decisions; one that fails warns and nothing else.

use crate::rollout::{Event, Rollout};

pub mod farewell;
pub mod github;
pub mod lines;
pub mod log;
pub mod markdown;
pub mod metrics;
pub mod notify;
pub mod overview;
pub mod picture;
pub mod plot;
pub mod progress;
pub mod reply;
pub mod safe;
pub mod story;
pub mod summary;
pub mod words;

/// Hears of every event, after it is in the journal.
pub trait Sink: Send {
    /// `rollout` is the state with the event taken in.
    fn publish(&mut self, rollout: &Rollout, event: &Event);
}
