//! Outputs of the step, and the summary of the job.

use serde::Serialize;

use super::carry::Done;
use super::context::Context;
use crate::cli::Common;
use crate::github::command::cut;
use crate::journal::Journal as _;
use crate::report::markdown;
use crate::run::answer::{ErrorAnswer, RolloutAnswer};
use crate::run::place::Place;
use crate::trigger::Intent;

/// The largest summary of a step, in bytes, with room for a last line: GitHub drops a larger one as a whole.
const LARGEST: usize = (1 << 20) - 1024;

/// Writes what came of it.
pub(super) async fn write(context: &Context, done: &Done, common: &Common) {
    let (outcome, reason) = match done {
        Done::Rollout(answer) => {
            rollout(context, answer);
            context.summarize(&limited(summary(common, answer).await));
            return;
        }
        Done::Shown(answer) => match answer.intent {
            Intent::Nothing { .. } => ("nothing", "nothing-asked"),
            _ => ("nothing", "dry-run"),
        },
        Done::Plan(_) => ("nothing", "planned"),
        Done::Status(_) => ("nothing", "looked"),
        Done::Note(_) => ("done", "done"),
    };
    let environment = match done {
        Done::Plan(answer) => answer.environment.clone(),
        Done::Status(answer) => answer.environment.clone(),
        _ => String::new(),
    };
    let (title, text, report) = match done {
        Done::Plan(answer) => ("What would be deployed", answer.to_string(), json(answer)),
        Done::Status(answer) => ("What runs", answer.to_string(), json(answer)),
        Done::Note(answer) => ("Done", answer.to_string(), json(answer)),
        Done::Shown(answer) => ("Nothing was changed", answer.to_string(), json(answer)),
        Done::Rollout(_) => return,
    };
    let outputs = [
        ("outcome", outcome.to_owned()),
        ("reason", reason.to_owned()),
        ("environment", environment),
        ("report", report),
    ];
    context.set_outputs(&outputs);
    context.summarize(&limited(markdown::note(title, &text)));
}

/// Writes why it could not be done.
pub(super) fn write_error(context: &Context, answer: &ErrorAnswer) {
    let error = &answer.error;
    context.set_outputs(&[
        ("outcome", error.kind.clone()),
        ("reason", error.code.clone()),
        ("report", json(answer)),
    ]);
    context.summarize(&limited(markdown::note("It could not be done", &answer.to_string())));
}

fn rollout(context: &Context, answer: &RolloutAnswer) {
    let or_empty = |value: &Option<String>| value.clone().unwrap_or_default();
    context.set_outputs(&[
        ("outcome", answer.outcome.clone()),
        ("reason", answer.reason.clone()),
        ("environment", answer.environment.clone()),
        ("url", or_empty(&answer.url)),
        ("version", answer.version.clone()),
        ("digest", or_empty(&answer.digest)),
        ("previous-version", or_empty(&answer.previous_version)),
        ("rollout-id", or_empty(&answer.rollout_id)),
        ("report", json(answer)),
    ]);
}

fn json(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).unwrap_or_default()
}

/// The report of the rollout, from its journal; where that cannot be read any more, the answer alone.
async fn summary(common: &Common, answer: &RolloutAnswer) -> String {
    let told = match &answer.rollout_id {
        Some(id) => report(common, &answer.environment, id).await,
        None => None,
    };
    told.unwrap_or_else(|| {
        let title = format!("{} {} → {}", answer.app, answer.version, answer.environment);
        markdown::note(&title, &answer.to_string())
    })
}

async fn report(common: &Common, environment: &str, id: &str) -> Option<String> {
    let place = Place::find(common, Some(environment)).await.ok()?;
    let histories = place.ground.existing_journal()?.histories().await.ok()?;
    let events =
        histories.iter().find(|events| events.first().is_some_and(|e| e.rollout.to_string() == id))?;
    let rollout = crate::rollout::Rollout::replay(events).ok()?;
    Some(markdown::render(&rollout, events))
}

/// A text that GitHub takes as a summary.
fn limited(text: String) -> String {
    if text.len() <= LARGEST {
        return text;
    }
    let whole = cut(&text, LARGEST);
    let lines = whole.rfind('\n').map_or(whole, |end| &whole[..end]);
    format!("{lines}\n\n…\n\nThe rest does not fit here; `tidegate history --events` tells all of it.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_cut_at_a_line_and_says_where_the_rest_is() {
        assert_eq!(limited("short".to_owned()), "short");
        let long = limited("ä line\n".repeat(200_000));
        assert!(long.len() <= 1 << 20);
        assert!(long.ends_with("tells all of it.\n") && long.contains("ä line\n\n…"));
    }
}
