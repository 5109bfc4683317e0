//! The check run: what it shows is put together here, and told when it differs from what was told last.

use super::told::{About, Report, View};
use crate::github::checks::{self, Annotation, BATCH, CheckRun, Conclusion, LONGEST, Standing};
use crate::github::{Client, Failure};
use crate::report::story::{self, Story};
use crate::report::{markdown, safe};
use crate::rollout::{OutcomeKind, RolloutId};

/// So many characters a title has at most.
const TITLE: usize = 250;

/// The check run of this run, or that of a rollout which this run has taken up.
#[derive(Debug, Default)]
pub(super) struct CheckReport {
    /// The rollout that was taken up; none for this run's own.
    taken_up: Option<RolloutId>,
    id: Option<u64>,
    /// Our name for it when it was to be made, and whether it may have been.
    made_as: Option<String>,
    told: Option<CheckRun>,
    annotated: usize,
    /// There is none, and none is wanted.
    is_absent: bool,
}

impl CheckReport {
    /// That of this run, which an earlier process of it may have made.
    pub(super) fn own(about: &About) -> Self {
        Self { made_as: about.is_continued.then(|| about.workflow.name.clone()), ..Self::default() }
    }

    /// That of a rollout which another run has begun; it is looked for, never made.
    pub(super) fn taken_up(rollout: RolloutId) -> Self {
        Self { taken_up: Some(rollout), ..Self::default() }
    }

    async fn first(
        &mut self,
        client: &Client,
        wish: &CheckRun,
        first: &[Annotation],
    ) -> Result<bool, Failure> {
        let known = match (&self.taken_up, &self.made_as) {
            (Some(rollout), _) => checks::find(client, &wish.sha, &wish.name, rollout.as_str()).await?,
            (None, Some(name)) => checks::find(client, &wish.sha, &wish.name, name).await?,
            (None, None) => None,
        };
        self.id = known;
        if known.is_some() || self.taken_up.is_some() {
            self.is_absent = known.is_none();
            return Ok(false);
        }
        match checks::create(client, wish, first).await {
            Ok(id) => {
                self.id = Some(id);
                Ok(true)
            }
            Err(failure) => {
                // It may be there all the same: it is looked for before another one is made.
                self.made_as = failure.is_unsure.then(|| wish.external_id.clone());
                Err(failure)
            }
        }
    }
}

impl Report for CheckReport {
    const NAME: &'static str = "check run";

    fn is_behind(&self, view: &View) -> bool {
        let wish = wish(view, self.taken_up.as_ref());
        let more = self.taken_up.is_none() && self.annotated < view.annotations.len();
        !self.is_absent && wish.is_some_and(|wish| more || self.told.as_ref() != Some(&wish))
    }

    fn is_urgent(&self, view: &View) -> bool {
        let standing = |run: &CheckRun| std::mem::discriminant(&run.standing);
        let wish = wish(view, self.taken_up.as_ref());
        self.told.as_ref().map(standing) != wish.as_ref().map(standing)
    }

    async fn tell(&mut self, client: &Client, view: &View) -> Result<(), Failure> {
        let Some(wish) = wish(view, self.taken_up.as_ref()) else { return Ok(()) };
        let all: &[Annotation] = if self.taken_up.is_none() { &view.annotations } else { &[] };
        if self.id.is_none() {
            let batch = &all[..all.len().min(BATCH)];
            if self.first(client, &wish, batch).await? {
                self.annotated = batch.len();
                self.told = Some(wish.clone());
            }
        }
        let Some(id) = self.id else { return Ok(()) };
        // Annotations are added to those that are there, so many at a time.
        while self.annotated < all.len() {
            let batch = &all[self.annotated..all.len().min(self.annotated + BATCH)];
            checks::update(client, id, &wish, batch).await?;
            self.annotated += batch.len();
            self.told = Some(wish.clone());
        }
        if self.told.as_ref() != Some(&wish) {
            checks::update(client, id, &wish, &[]).await?;
            self.told = Some(wish);
        }
        Ok(())
    }
}

/// What the check run should show now; nothing where that is not known.
fn wish(view: &View, taken_up: Option<&RolloutId>) -> Option<CheckRun> {
    let story = match taken_up {
        Some(id) => Some(view.story(id)?),
        None => view.current(),
    };
    let workflow = &view.about.workflow;
    let sha = match (taken_up, story) {
        (Some(_), Some(story)) => workflow.commit(story.rollout.plan.candidate.commit.as_deref()),
        _ => workflow.sha.as_str(),
    };
    let standing = standing(view, story, taken_up.is_some());
    let page = page(view, story);
    let pointer = match &workflow.run {
        Some(run) => format!("… the rest is in [the log of the run](<{run}>) and its summary."),
        None => "… the rest is in the log of the run.".to_owned(),
    };
    let title: String = safe::plain(&page.title).chars().take(TITLE).collect();
    Some(CheckRun {
        name: format!("tidegate / {} / {}", view.about.app, view.about.environment),
        sha: sha.to_owned(),
        // One rollout has one check run that is called by it: that of the run which has begun it.
        external_id: story
            .filter(|story| story.is_own || taken_up.is_some())
            .map_or_else(|| workflow.name.clone(), |story| story.rollout.id.to_string()),
        details: workflow.run.clone(),
        standing,
        times: (
            story.map(|story| story.rollout.started),
            story.and_then(|story| story.rollout.outcome.as_ref()).map(|(at, _)| *at),
        ),
        title,
        summary: safe::cut(&page.summary, LONGEST, &pointer),
        text: safe::cut(&page.text, LONGEST, &pointer),
    })
}

/// The three texts.
struct Page {
    title: String,
    summary: String,
    text: String,
}

fn page(view: &View, story: Option<&Story>) -> Page {
    let ending = view.ending.as_ref();
    match story {
        Some(story) => Page {
            title: story.sentence(),
            summary: markdown::head(&story.rollout)
                + &markdown::evidence(&story.rollout, &view.about.around()),
            text: markdown::course(&story.rollout, &story.events),
        },
        None => {
            let title = ending.map_or("waits for its turn", |ending| ending.sentence.as_str()).to_owned();
            let summary = safe::text(&title);
            Page { title, summary, text: String::new() }
        }
    }
}

fn standing(view: &View, story: Option<&Story>, is_taken_up: bool) -> Standing {
    if let Some(ending) = view.ending.as_ref().filter(|_| !is_taken_up) {
        return Standing::Concluded(conclusion(ending.exit, &ending.reason));
    }
    match story.map(Story::standing) {
        None | Some(story::Standing::Begun) => Standing::Queued,
        Some(story::Standing::Forward | story::Standing::Back) => Standing::InProgress,
        Some(story::Standing::Paused) => Standing::Concluded(conclusion(6, "paused")),
        Some(story::Standing::Ended(kind)) => {
            let outcome = story.and_then(|story| story.rollout.outcome.as_ref());
            let reason = outcome.map_or("", |(_, outcome)| outcome.reason.as_str());
            Standing::Concluded(conclusion(exit(kind), reason))
        }
    }
}

/// The exit code that such an ending has where the release was wanted live.
const fn exit(kind: OutcomeKind) -> u8 {
    match kind {
        OutcomeKind::Promoted | OutcomeKind::Nothing => 0,
        OutcomeKind::Failed => 1,
        OutcomeKind::RolledBack => 4,
        OutcomeKind::Stuck => 5,
        OutcomeKind::Paused => 6,
    }
}

/// The conclusion for an exit code (README's table) with its reason: what was taken back because somebody wanted it, or because a newer
/// release came, says nothing against the commit; refused and paused wait for a person.
pub(super) fn conclusion(exit: u8, reason: &str) -> Conclusion {
    match (exit, reason) {
        (0, "paused") => Conclusion::ActionRequired,
        (0, "already-live" | "nothing-open" | "nothing") => Conclusion::Neutral,
        (0, _) => Conclusion::Success,
        (1 | 4, "aborted" | "superseded" | "cancelled") | (130 | 143, _) => Conclusion::Cancelled,
        (3 | 6, _) => Conclusion::ActionRequired,
        _ => Conclusion::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_has_its_conclusion() {
        let table = [
            (0, "promoted", Conclusion::Success),
            (0, "aborted", Conclusion::Success),
            (0, "already-live", Conclusion::Neutral),
            (1, "exited", Conclusion::Failure),
            (1, "cancelled", Conclusion::Cancelled),
            (2, "configuration", Conclusion::Failure),
            (3, "closed", Conclusion::ActionRequired),
            (4, "errors-worse", Conclusion::Failure),
            (4, "superseded", Conclusion::Cancelled),
            (4, "aborted", Conclusion::Cancelled),
            (5, "back-budget", Conclusion::Failure),
            (6, "paused", Conclusion::ActionRequired),
            (0, "paused", Conclusion::ActionRequired),
            (130, "cancelled", Conclusion::Cancelled),
            (143, "cancelled", Conclusion::Cancelled),
        ];
        for (exit, reason, expected) in table {
            assert_eq!(conclusion(exit, reason), expected, "{exit} {reason}");
        }
    }
}
