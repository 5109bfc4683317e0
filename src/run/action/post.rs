//! The action's `post`: what a step that was cancelled left under way is taken back, and GitHub hears of that, too.

use super::carry::{Done, heard};
use super::context::Context;
use crate::cli::Common;
use crate::error::{Error, ErrorKind};
use crate::run::answer::{NoteAnswer, RolloutAnswer};
use crate::run::place::Place;
use crate::run::steer;

/// Takes back what the step left. A step that ended by itself left nothing: what it did not finish, it said.
///
/// # Errors
/// When it cannot be taken back.
pub(super) async fn finish(common: &Common, context: &Context) -> Result<Done, Error> {
    let note = |sentence: String| Done::Note(NoteAnswer { sentence, findings: Vec::new() });
    let Some(environment) = context.began.as_deref().filter(|_| !context.has_ended) else {
        return Ok(note("the step left nothing to finish".to_owned()));
    };
    let process = context.began_by.as_deref();
    let reason = "the step that worked on it was cancelled";
    let place = Place::find(common, Some(environment)).await?;
    // Where another run may have it there is nothing to report before that is known.
    let result = if steer::is_left_by_us(&place).await? {
        let work = async |place| {
            let taken_back = steer::take_back(place, common, reason, process).await?;
            taken_back.ok_or_else(gone)
        };
        heard(common, context, environment, context.began_at.as_deref(), work).await.map(Some)
    } else {
        steer::take_back(place, common, reason, process).await
    };
    let nothing = format!("no rollout of {environment} is left to finish");
    match result {
        // The deploy did not come to its end, as GitHub was told; what was to be done here did.
        Ok(Some(answer)) => Ok(Done::Rollout(Box::new(RolloutAnswer { exit_code: 0, ..answer }))),
        Err(error) if error.code == "nothing-open" => Ok(note(nothing)),
        Ok(None) => {
            conclude(common, context, environment).await;
            Ok(note(nothing))
        }
        // Another run that lives has it, and ends it.
        Err(error) if error.code == "locked" => Ok(note(error.sentence)),
        Err(error) => Err(error),
    }
}

/// A step that was killed before it began a rollout, or while it built the image, has left a check run that waits.
async fn conclude(common: &Common, context: &Context, environment: &str) {
    if context.was_told {
        return;
    }
    let cancelled = async |_| {
        let sentence = "the step was cancelled before it had begun a rollout";
        Err(Error::new(ErrorKind::Cancelled(2), "cancelled", sentence))
    };
    // Its failure is what was to be told.
    let _ = heard(common, context, environment, context.began_at.as_deref(), cancelled).await;
}

/// It has ended between two looks.
fn gone() -> Error {
    let why = "the rollout that the step left has ended meanwhile";
    super::refusal("nothing-open", why, "nothing is to be done")
}
