//! What earlier runs left behind, and what a run that came to nothing would leave: sets without a purpose, requests that
//! nobody took, a supervisor with nothing to run.

use std::time::Duration;

use super::ground::{AnyJournal, AnyTarget, Ground};
use crate::journal::{Journal as _, JournalError, LockProof};
use crate::rollout::{Action, Environment, Observation, ReleaseId, Weight};
use crate::target::Target as _;
use crate::target::local::LocalTarget;

/// Stops the supervisor of `ground` when it has nothing to run: one that was started for a deploy which came to nothing. It
/// would hold the address for ever.
pub async fn stop_idle(ground: &Ground) {
    let Ground::Machine(machine) = ground else { return };
    let Some(target) = LocalTarget::existing(&machine.directory).await else { return };
    if !target.observe(None, Duration::ZERO).await.is_ok_and(|seen| is_idle(&seen)) {
        return;
    }
    if let Err(error) = target.stop().await {
        tracing::warn!("the supervisor has nothing to run and was not stopped: {error}");
    }
}

fn is_idle(seen: &Observation) -> bool {
    seen.sets.values().all(|set| set.desired == 0 && set.running == 0)
}

/// Takes away the sets that no rollout will ask for again: those that carry no traffic, are neither of the live release nor
/// of the `candidate`, and have no time at which they go by themselves. A rollout leaves one when it had to give up taking
/// its old set away.
pub async fn retire_strays(target: &AnyTarget, environment: &Environment, candidate: &ReleaseId) {
    let Ok(seen) = target.observe(None, Duration::ZERO).await else { return };
    let live = environment.stable().map(|release| &release.id);
    for release in strays(&seen, live, candidate) {
        tracing::warn!(
            "release {release} is left from an earlier rollout and carries no traffic; it is taken away"
        );
        let retire = Action::Retire { release, at: None };
        if let Err(error) = target.act(&retire, &[]).await {
            tracing::warn!("it was not taken away: {error}");
        }
    }
}

fn strays(seen: &Observation, live: Option<&ReleaseId>, candidate: &ReleaseId) -> Vec<ReleaseId> {
    let carries = |id: &ReleaseId| seen.weights.get(id).is_some_and(|weight| *weight > Weight::ZERO);
    let stray = seen.sets.iter().filter(|(id, set)| {
        set.desired > 0 && set.retire_at.is_none() && Some(*id) != live && *id != candidate && !carries(id)
    });
    stray.map(|(id, _)| id.clone()).collect()
}

/// Removes the requests that wait. Only right while no rollout is open: what was asked of one that has ended must not be
/// taken for a word to the next.
///
/// # Errors
/// When the journal cannot be read or written.
pub async fn forget_requests(journal: &AnyJournal, proof: &LockProof<'_>) -> Result<(), JournalError> {
    for asked in journal.asked().await? {
        journal.answered(proof, &asked.id).await?;
    }
    Ok(())
}
