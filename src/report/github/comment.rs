//! The comment on the pull request: one for each environment, written anew in its place, with what was before folded below.
//!
//! One for each environment, because GitHub changes a comment without asking what it was: two jobs of one pull request that shared a
//! comment would take each other's words away. An environment's lock sees to it that only one run writes its comment.

use super::page;
use super::told::{Report, View};
use crate::github::{Client, Failure, comments, pulls};
use crate::report::story::Standing;
use crate::rollout::RolloutId;

/// What the comment tells of, apart from the words.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    rollout: Option<RolloutId>,
    standing: Option<Standing>,
    sentence: Option<String>,
}

/// The comment.
#[derive(Debug, Default)]
pub(super) struct CommentReport {
    /// The pull request, once it is known whether there is one.
    pull: Option<Option<u64>>,
    id: Option<u64>,
    /// What stood there when it was found; what was told before this run.
    before: Option<String>,
    /// It was looked for, and what was made since is known.
    is_known: bool,
    told: Option<Key>,
}

/// What there is to tell; nothing while nothing has begun, and where there was nothing to do.
fn key(view: &View) -> Option<Key> {
    let story = view.stories.last();
    // Of what is live already a comment tells more than that.
    let ending = view.ending.as_ref().filter(|ending| story.is_none() && ending.exit != 0);
    (story.is_some() || ending.is_some()).then(|| Key {
        rollout: story.map(|story| story.rollout.id.clone()),
        standing: story.map(|story| story.standing()).filter(|standing| *standing != Standing::Begun),
        sentence: ending.map(|ending| ending.sentence.clone()),
    })
}

impl Report for CommentReport {
    const NAME: &'static str = "comment on the pull request";

    fn is_behind(&self, view: &View) -> bool {
        self.pull != Some(None) && key(view).is_some_and(|key| self.told.as_ref() != Some(&key))
    }

    fn is_urgent(&self, view: &View) -> bool {
        // How it ends is told at once; that it has begun, and has turned round, within the pace.
        let is_over =
            |standing: Option<Standing>| matches!(standing, Some(Standing::Ended(_) | Standing::Paused));
        self.told.is_none() || key(view).is_some_and(|key| is_over(key.standing))
    }

    async fn tell(&mut self, client: &Client, view: &View) -> Result<(), Failure> {
        let Some(key) = key(view) else { return Ok(()) };
        let pull = match self.pull {
            Some(pull) => pull,
            None => {
                let story = view.stories.last();
                let commit = story.and_then(|story| story.rollout.plan.candidate.commit.as_deref());
                match view.about.workflow.pull {
                    Some(pull) => Some(pull),
                    None => pulls::of_commit(client, view.about.workflow.commit(commit)).await?,
                }
            }
        };
        self.pull = Some(pull);
        let Some(pull) = pull else { return Ok(()) };
        if !self.is_known {
            let found = comments::find(client, pull, &page::marker(&view.about)).await?;
            self.id = found.as_ref().map(|comment| comment.id);
            self.before = found.map(|comment| comment.body);
            self.is_known = true;
        }
        let body = page::render(view, self.before.as_deref());
        match self.id {
            Some(id) => match comments::update(client, id, &body).await {
                // Somebody has taken it away: the next try makes a new one.
                Err(failure) if failure.code == "github-not-found" => {
                    (self.id, self.is_known) = (None, false);
                    return Err(failure);
                }
                told => told?,
            },
            None => match comments::create(client, pull, &body).await {
                Ok(id) => self.id = Some(id),
                Err(failure) => {
                    self.is_known = !failure.is_unsure;
                    return Err(failure);
                }
            },
        }
        self.told = Some(key);
        Ok(())
    }
}
