//! Whether there is a way back, as far as the database goes: said before a deploy, and after it.

use super::{Planned, outlook};
use crate::migrate::Unstarted;
use crate::migrate::sql::Outlook;
use crate::rollout::migration::Named;
use crate::rollout::{Phase, Plan, Release};
use crate::run::place::Place;

/// What a deploy would do to the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// What is pending, with its phase; empty where only a program knows.
    pub pending: Vec<(Named, Phase)>,
    /// What that means for the way back, in one sentence; none where nothing is pending.
    pub sentence: Option<String>,
    /// Why the database could not be asked, or what does not fit.
    pub problem: Option<Unstarted>,
}

impl Readiness {
    /// Asks the database. Nothing is written.
    pub(crate) async fn of(planned: Option<&Planned>, place: &Place, plan: &Plan, release: &Release) -> Self {
        let Some(planned) = planned else { return Self::default() };
        let stable = plan.stable.as_ref().map(|stable| stable.version.as_str());
        match outlook(planned, place, release).await {
            Ok(Some(Outlook { pending })) => {
                let sentence = in_words(&pending, stable);
                Self { pending, sentence, problem: None }
            }
            Ok(None) => {
                let sentence = match planned.phases.as_slice() {
                    [Phase::Contract] => stable.map(no_way_back),
                    _ => Some("the program that migrates is taken at its word: older releases work with what it adds".to_owned()),
                };
                Self { sentence, ..Self::default() }
            }
            Err(problem) => Self { problem: Some(problem), ..Self::default() },
        }
    }
}

fn in_words(pending: &[(Named, Phase)], stable: Option<&str>) -> Option<String> {
    let stable = stable?;
    let takes_away = pending.iter().any(|(_, phase)| *phase == Phase::Contract);
    match pending {
        [] => None,
        _ if takes_away => Some(no_way_back(stable)),
        _ => Some(format!("{stable} works with what the pending migrations add, and can be gone back to")),
    }
}

fn no_way_back(stable: &str) -> String {
    format!(
        "until the release has taken over, {stable} can be gone back to; once its contract migrations have run, no more"
    )
}
