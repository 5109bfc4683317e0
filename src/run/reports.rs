//! Which sinks hear of a rollout, and the files written at its end.

pub mod github;
pub mod notify;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stderr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::place::Place;
use crate::cli::{LogFormat, ReportArgs};
use crate::report::lines::Lines;
use crate::report::log::Log;
use crate::report::progress::Progress;
use crate::report::{Sink, markdown, metrics, words};
use crate::rollout::{Action, Environment, Event, Fact, ReleaseId, Rollout, Weight};

/// A sink that hears of every rollout of a command, not only of the first. Clones are the same one.
#[derive(Clone)]
pub struct Listener(Arc<Mutex<Box<dyn Sink>>>);

impl Listener {
    /// That sink.
    #[must_use]
    pub fn new(sink: Box<dyn Sink>) -> Self {
        Self(Arc::new(Mutex::new(sink)))
    }
}

impl Sink for Listener {
    fn publish(&mut self, rollout: &Rollout, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).publish(rollout, event);
    }
}

/// The sinks for a rollout: a live view on a terminal, lines otherwise, or structured logs.
#[must_use]
pub fn sinks(format: LogFormat) -> Vec<Box<dyn Sink>> {
    match format {
        LogFormat::Json => vec![Box::new(Log)],
        // A workflow's log may look like a terminal, and shows each state of a live view as a line of its own.
        LogFormat::Text if stderr().is_terminal() && std::env::var_os("GITHUB_ACTIONS").is_none() => {
            vec![Box::new(Progress::default())]
        }
        LogFormat::Text => vec![Box::new(Lines(stderr()))],
    }
}

/// Writes the report and the metrics where they were asked for. A failure is a warning: reports never fail a rollout.
pub fn write(
    wanted: &ReportArgs,
    place: &Place,
    environment: &Environment,
    rollout: &Rollout,
    all: &[Vec<Event>],
) {
    if let Some(file) = &wanted.report {
        let events = all.iter().rev().find(|events| events.first().is_some_and(|e| e.rollout == rollout.id));
        let text = markdown::render(rollout, events.map_or(&[], Vec::as_slice));
        save(file, "report", &text);
    }
    if let Some(file) = &wanted.metrics_file {
        let weights = weights(environment, all);
        save(file, "metrics", &metrics::render(&place.app, &place.environment.name, environment, &weights));
    }
}

fn save(file: &Path, what: &str, text: &str) {
    if let Err(error) = std::fs::write(file, text) {
        tracing::warn!("the {what} could not be written to {}: {error}", file.display());
    }
}

/// The shares that the last routing left, by version.
#[must_use]
pub fn weights(environment: &Environment, all: &[Vec<Event>]) -> BTreeMap<String, Weight> {
    let routed =
        all.iter().rev().flat_map(|events| events.iter().rev()).find_map(|event| match &event.fact {
            Fact::Acted { action: Action::Route { weights } } => Some(weights),
            _ => None,
        });
    let named = |(id, weight): (&ReleaseId, &Weight)| {
        let known = environment.rollouts.iter().rev().find_map(|rollout| words::version(rollout, id));
        (known.unwrap_or(id.as_str()).to_owned(), *weight)
    };
    routed.into_iter().flatten().map(named).collect()
}
