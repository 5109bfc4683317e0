//! The deployment of a rollout: made with its commit, told how it stands, and, once it runs, the only one of its environment.

use super::told::{About, Report, View};
use crate::github::deployments::{self, Deployment, Known, Mark, State, Status};
use crate::github::{Client, Failure};
use crate::report::safe;
use crate::report::story::{Standing, Story};
use crate::rollout::{OutcomeKind, Release, RolloutId};

/// So many deployments before ours are looked at for one that still counts as running.
const LOOKED_AT: usize = 10;

/// What is said of a deployment whose release runs no more because a later one does.
const RETIRED: &str = "another release has taken its place";

/// The deployment of one rollout.
#[derive(Debug)]
pub(super) struct DeploymentReport {
    rollout: RolloutId,
    id: Option<u64>,
    /// It may have been made, though the answer was lost; or another run has made it.
    is_unsure: bool,
    told: Option<Status>,
    /// What others of the environment are has been seen to.
    is_settled: bool,
}

impl DeploymentReport {
    pub(super) fn of(story: &Story) -> Self {
        let rollout = story.rollout.id.clone();
        Self { rollout, id: None, is_unsure: !story.is_own, told: None, is_settled: false }
    }

    async fn first(&mut self, client: &Client, about: &About, story: &Story) -> Result<u64, Failure> {
        if self.is_unsure {
            let all = deployments::list(client, &about.environment).await?;
            let ours = |known: &&Known| {
                known.mark.as_ref().is_some_and(|mark| mark.rollout == self.rollout.as_str())
            };
            if let Some(known) = all.iter().find(ours) {
                return Ok(known.id);
            }
        }
        let made = deployments::create(client, &deployment(about, story)).await;
        if let Err(failure) = &made {
            self.is_unsure |= failure.is_unsure;
        }
        made
    }

    /// Sees to it that the release that runs is the only one that counts as running: after a success ours, after a way back the one
    /// that was good before.
    async fn settle(&self, client: &Client, about: &About, story: &Story, id: u64) -> Result<(), Failure> {
        let rollout = &story.rollout;
        let all = deployments::list(client, &about.environment).await?;
        let is_ours = |known: &&Known| known.mark.as_ref().is_none_or(|mark| mark.app == about.app);
        let before: Vec<&Known> = all.iter().filter(|known| known.id < id).filter(is_ours).collect();
        if rollout.promoted.is_some() {
            return retire(client, about, &before).await;
        }
        let Some(good) = rollout.plan.stable.as_ref() else { return Ok(()) };
        match before.into_iter().find(|known| is_of(known, good)) {
            Some(known) => restore(client, about, known.id, good).await,
            None => Ok(()),
        }
    }
}

impl Report for DeploymentReport {
    const NAME: &'static str = "deployment";

    fn is_behind(&self, view: &View) -> bool {
        let wish = view.story(&self.rollout).map(|story| status(&view.about, story));
        let is_settling = wish.as_ref().is_some_and(|wish| settles(wish.state));
        !is_same(wish.as_ref(), self.told.as_ref()) || is_settling && !self.is_settled
    }

    fn is_urgent(&self, _view: &View) -> bool {
        // It is told only what changes how it stands.
        true
    }

    async fn tell(&mut self, client: &Client, view: &View) -> Result<(), Failure> {
        let (about, Some(story)) = (&view.about, view.story(&self.rollout)) else { return Ok(()) };
        let id = match self.id {
            Some(id) => id,
            None => self.first(client, about, story).await?,
        };
        self.id = Some(id);
        let wish = status(about, story);
        if !is_same(Some(&wish), self.told.as_ref()) {
            deployments::tell(client, id, &about.environment, &wish).await?;
        }
        let is_settling = settles(wish.state);
        self.told = Some(wish);
        if is_settling && !self.is_settled {
            self.settle(client, about, story, id).await?;
            self.is_settled = true;
        }
        Ok(())
    }
}

/// On the way only how it stands is told, not each step: a status is a line in the history of a pull request.
fn is_same(one: Option<&Status>, other: Option<&Status>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.state == other.state && (one == other || !is_over(one.state)),
        (one, other) => one.is_none() && other.is_none(),
    }
}

const fn is_over(state: State) -> bool {
    matches!(state, State::Success | State::Failure | State::Error | State::Inactive)
}

/// Whether it is known then which release runs. Of a rollout that is stuck it is not.
const fn settles(state: State) -> bool {
    matches!(state, State::Success | State::Failure | State::Inactive)
}

/// Whether that deployment is one of that release.
fn is_of(known: &Known, release: &Release) -> bool {
    match &known.mark {
        Some(mark) => mark.release == release.id.as_str(),
        None => release.commit.as_ref().is_some_and(|commit| *commit == known.sha),
    }
}

/// Takes the mark of what runs from those before.
async fn retire(client: &Client, about: &About, before: &[&Known]) -> Result<(), Failure> {
    for known in before.iter().take(LOOKED_AT) {
        let (state, sentence) = deployments::standing(client, known.id).await?;
        match state.as_str() {
            "success" => {
                let description = RETIRED.to_owned();
                let status = Status { state: State::Inactive, description, url: None, log: None };
                deployments::tell(client, known.id, &about.environment, &status).await?;
            }
            // Those before it were retired with it. One that was aborted is inactive, too, and has retired none.
            "inactive" if known.mark.is_some() && sentence == RETIRED => break,
            _ => {}
        }
    }
    Ok(())
}

/// Gives the good release's deployment the mark of what runs again, where it has lost it.
async fn restore(client: &Client, about: &About, id: u64, good: &Release) -> Result<(), Failure> {
    if deployments::state(client, id).await? == "success" {
        return Ok(());
    }
    let description = format!("{} serves again", safe::plain(&good.version));
    let (url, log) = (about.url.clone(), about.workflow.run.clone());
    deployments::tell(
        client,
        id,
        &about.environment,
        &Status { state: State::Success, description, url, log },
    )
    .await
}

fn deployment(about: &About, story: &Story) -> Deployment {
    let rollout = &story.rollout;
    let release = &rollout.plan.candidate;
    Deployment {
        sha: about.workflow.commit(release.commit.as_deref()).to_owned(),
        environment: about.environment.clone(),
        description: safe::plain(&format!("{} {} by {}", about.app, release.version, rollout.plan.strategy)),
        is_transient: about.is_transient,
        is_production: about.is_production,
        mark: Mark {
            app: about.app.clone(),
            rollout: rollout.id.to_string(),
            release: release.id.to_string(),
            version: release.version.clone(),
        },
    }
}

fn status(about: &About, story: &Story) -> Status {
    let reason = story.rollout.outcome.as_ref().map_or("", |(_, outcome)| outcome.reason.as_str());
    let state = match (story.standing(), reason) {
        (Standing::Begun, _) => State::Queued,
        (Standing::Forward | Standing::Back, _) => State::InProgress,
        (Standing::Paused, _) | (Standing::Ended(OutcomeKind::Paused), _) => State::Pending,
        (Standing::Ended(OutcomeKind::Promoted | OutcomeKind::Nothing), _) => State::Success,
        (Standing::Ended(OutcomeKind::Stuck), _) => State::Error,
        // Nothing was wrong with it: it is not wanted any more.
        (Standing::Ended(_), "aborted" | "superseded" | "cancelled") => State::Inactive,
        (Standing::Ended(OutcomeKind::Failed | OutcomeKind::RolledBack), _) => State::Failure,
    };
    let runs = state == State::Success;
    Status {
        state,
        description: safe::plain(&story.sentence()),
        url: about.url.clone().filter(|_| runs),
        log: about.workflow.run.clone(),
    }
}
