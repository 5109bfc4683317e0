//! Plain lines on standard error: for CI logs and pipes.

use std::io::Write;

use super::{Sink, words};
use crate::rollout::{Event, Rollout};

/// Writes a line an event, with its time.
#[derive(Debug)]
pub struct Lines<W>(pub W);

impl<W: Write + Send> Sink for Lines<W> {
    fn publish(&mut self, rollout: &Rollout, event: &Event) {
        if let Some(sentence) = words::sentence(rollout, event) {
            // A reader that has gone away must not stop a rollout.
            let _ = writeln!(self.0, "{} {}", event.at.strftime("%H:%M:%S%.3f"), printable(&sentence));
        }
    }
}

/// Control characters, which a log or an answer of the app may contain, shown harmlessly.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
