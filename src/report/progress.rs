//! The live view on a terminal: past events above, the step under way and the candidate's share below.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::lines::printable;
use super::{Sink, words};
use crate::rollout::{Action, Event, Fact, Rollout};

/// A bar that shows the candidate's share of the traffic, with the step under way.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Default for Progress {
    fn default() -> Self {
        let bar = ProgressBar::new(10_000);
        let style = ProgressStyle::with_template("{spinner} [{bar:30}] {prefix} {msg} {elapsed}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("█▌ "));
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar }
    }
}

impl Sink for Progress {
    fn publish(&mut self, rollout: &Rollout, event: &Event) {
        let Some(sentence) = words::sentence(rollout, event) else { return };
        let sentence = printable(&sentence);
        match &event.fact {
            Fact::Entered { .. } => self.bar.set_message(sentence),
            Fact::Acted { action: Action::Route { weights } } => {
                let weight = weights.get(&rollout.plan.candidate.id).copied().unwrap_or_default();
                self.bar.set_position(u64::from(weight.basis_points()));
                self.bar.set_prefix(format!("{} {weight}", rollout.plan.candidate.version));
            }
            Fact::Finished { .. } => {
                self.bar.finish_and_clear();
                self.bar.println(sentence);
            }
            _ => self.bar.println(format!("{} {sentence}", event.at.strftime("%H:%M:%S"))),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
