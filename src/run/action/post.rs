//! The action's `post`: what a step that was cancelled left under way is taken back, and GitHub hears of that, too.

use super::carry::{Done, heard};
use super::context::Context;
use crate::cli::Common;
use crate::error::Error;
use crate::run::answer::NoteAnswer;
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
    let nothing = || note(format!("no rollout of {environment} is left to finish"));
    let reason = "the step that worked on it was cancelled";
    let place = Place::find(common, Some(environment)).await?;
    // Where another run may have it there is nothing to report before that is known.
    let result = if steer::is_left_by_us(&place).await? {
        let work =
            async |place| steer::take_back(place, common, reason).await.and_then(|it| it.ok_or_else(gone));
        heard(common, context, environment, context.began_at.as_deref(), work).await.map(Some)
    } else {
        steer::take_back(place, common, reason).await
    };
    match result {
        Ok(Some(answer)) => Ok(Done::Rollout(Box::new(answer))),
        Ok(None) => Ok(nothing()),
        Err(error) if error.code == "nothing-open" => Ok(nothing()),
        // Another run that lives has it, and ends it.
        Err(error) if error.code == "locked" => Ok(note(error.sentence)),
        Err(error) => Err(error),
    }
}

/// It has ended between two looks.
fn gone() -> Error {
    super::refusal(
        "nothing-open",
        "the rollout that the step left has ended meanwhile",
        "nothing is to be done",
    )
}
