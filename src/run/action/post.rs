//! The action's `post`: what a step that was cancelled left under way is taken back.

use super::carry::Done;
use super::context::Context;
use crate::cli::Common;
use crate::error::Error;
use crate::run::answer::NoteAnswer;
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
    let reason = "the step that worked on it was cancelled";
    match steer::take_back(common, environment, reason).await {
        Ok(Some(answer)) => Ok(Done::Rollout(Box::new(answer))),
        Ok(None) => Ok(note(format!("no rollout of {environment} is left to finish"))),
        // Another run that lives has it, and ends it.
        Err(error) if error.code == "locked" => Ok(note(error.sentence)),
        Err(error) => Err(error),
    }
}
