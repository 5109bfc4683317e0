//! The task that tells: one request after the other, as GitHub asks of its clients, and always the newest state.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::check::CheckReport;
use super::comment::CommentReport;
use super::deployment::DeploymentReport;
use super::told::{Told, View};
use crate::github::{Client, Failure};
use crate::rollout::RolloutId;

/// The reports of one rollout.
struct OfRollout {
    id: RolloutId,
    deployment: Told<DeploymentReport>,
    /// Where another run has begun it: the check run of that one.
    check: Option<Told<CheckReport>>,
}

/// The task that tells.
pub(super) struct Worker {
    shared: Arc<Shared>,
    client: Arc<Client>,
    check: Told<CheckReport>,
    rollouts: Vec<OfRollout>,
    comment: Told<CommentReport>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, client: Arc<Client>) -> Self {
        let check = Told::new(CheckReport::own(&shared.known().about));
        let comment = Told::new(CommentReport::default());
        Self { shared, client, check, rollouts: Vec::new(), comment }
    }

    /// Tells what there is to tell, until all is told of a run that has ended.
    pub(super) async fn run(mut self) {
        loop {
            let view = self.shared.known().clone();
            let next = self.tell(&view).await;
            self.note(&view);
            if view.ending.is_some() && next.is_none() {
                return;
            }
            let changed = self.shared.changed.notified();
            match next {
                None => changed.await,
                Some(next) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(next) => {}
                },
            }
        }
    }

    /// Gives each report its turn; says when there is the next one to take.
    async fn tell(&mut self, view: &View) -> Option<Instant> {
        self.meet(view);
        // What is new is not told yet, whatever becomes of this task.
        self.note(view);
        let client = &self.client;
        let mut next = Vec::new();
        // At the end everything is told in the order in which it would be missed most.
        next.push(self.check.turn(client, view).await);
        self.note(view);
        for one in &mut self.rollouts {
            next.push(one.deployment.turn(client, view).await);
            if let Some(check) = &mut one.check {
                next.push(check.turn(client, view).await);
            }
        }
        self.note(view);
        next.push(self.comment.turn(client, view).await);
        next.into_iter().flatten().min()
    }

    /// Takes up the reports of rollouts that are new.
    fn meet(&mut self, view: &View) {
        for story in view.stories.iter().skip(self.rollouts.len()) {
            let id = story.rollout.id.clone();
            let check = (!story.is_own).then(|| Told::new(CheckReport::taken_up(id.clone())));
            let deployment = Told::new(DeploymentReport::of(story));
            self.rollouts.push(OfRollout { id, deployment, check });
        }
    }

    /// Notes what is not told, so that it is known even when this task is ended in the middle.
    fn note(&self, view: &View) {
        let mut untold: Vec<(&'static str, Failure)> = Vec::new();
        untold.extend(self.check.untold(view));
        for one in self.rollouts.iter().filter(|one| view.story(&one.id).is_some()) {
            untold.extend(one.deployment.untold(view));
            untold.extend(one.check.as_ref().and_then(|check| check.untold(view)));
        }
        untold.extend(self.comment.untold(view));
        *self.shared.untold() = untold;
    }
}
