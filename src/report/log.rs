//! Structured logs by tracing: every event with the rollout's id.

use super::{Sink, words};
use crate::rollout::{Event, Fact, Rollout};

/// Hands every event to tracing.
#[derive(Debug, Default)]
pub struct Log;

impl Sink for Log {
    fn publish(&mut self, rollout: &Rollout, event: &Event) {
        let sentence = words::sentence(rollout, event).unwrap_or_default();
        let fact = serde_json::to_value(&event.fact).ok();
        let name =
            fact.as_ref().and_then(|fact| fact.get("fact")).and_then(|name| name.as_str()).unwrap_or("event");
        let environment = rollout.plan.environment.as_str();
        let (rollout, seq) = (event.rollout.as_str(), event.seq);
        match &event.fact {
            Fact::ActFailed { code, .. } | Fact::Warned { code, .. } | Fact::GivenUp { code, .. } => {
                tracing::warn!(rollout, environment, seq, fact = name, code, "{sentence}");
            }
            Fact::TurnedBack { cause } => {
                tracing::warn!(rollout, environment, seq, fact = name, code = cause.code, "{sentence}");
            }
            Fact::Looked { .. } | Fact::Acting { .. } | Fact::Left { .. } => {
                tracing::debug!(rollout, environment, seq, fact = name, "{sentence}");
            }
            _ => tracing::info!(rollout, environment, seq, fact = name, "{sentence}"),
        }
    }
}
