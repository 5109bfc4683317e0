//! One thing that is told: what is to be told, when it may be told again, and what has kept it from being told.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::github::checks::Annotation;
use crate::github::{Again, Client, Failure, Workflow};
use crate::report::markdown::Around;
use crate::report::story::Story;
use crate::rollout::RolloutId;

/// No news is told sooner than this after the last, unless it changes how a rollout stands.
const PACE: Duration = Duration::from_secs(5);
/// Of a rollout that has lasted long, news is told rarer: one each twentieth of its age.
const RARER: u32 = 20;
/// The longest pause after a failure.
const LONGEST: Duration = Duration::from_secs(30);
/// So often may GitHub say no for good before that is taken for its last word.
const STRIKES: u32 = 3;

/// What the reports are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Where they go.
    pub workflow: Workflow,
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// Its public address.
    pub url: Option<String>,
    /// End users meet it.
    pub is_production: bool,
    /// It goes away some day.
    pub is_transient: bool,
    /// The preview of a pull request.
    pub preview: Option<AboutPreview>,
    /// An earlier process of the same run has begun to tell: the check run that it left is gone on with.
    pub is_continued: bool,
}

/// What is told of a preview besides its rollouts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AboutPreview {
    /// How long it lives after the last push to it.
    pub lives: Duration,
    /// After so long without a visitor it sleeps.
    pub sleeps: Option<Duration>,
    /// What runs of it.
    pub parts: Vec<AboutPart>,
}

/// One workload of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AboutPart {
    /// Its name.
    pub name: String,
    /// Where visitors reach it.
    pub addresses: Vec<String>,
    /// The image of it, as it is written.
    pub image: Option<String>,
    /// How many pods it has, and what each asks for.
    pub size: String,
}

impl About {
    /// What is shown beside a rollout.
    pub(super) fn around(&self) -> Around {
        Around { url: self.url.clone(), run: self.workflow.run.clone() }
    }
}

/// How a command ended: what is told where no rollout tells it, and what decides the conclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// One sentence.
    pub sentence: String,
    /// Stable reason code.
    pub reason: String,
    /// The command's exit code.
    pub exit: u8,
}

/// What is known at one moment.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) about: Arc<About>,
    pub(super) stories: Vec<Story>,
    pub(super) ending: Option<Ending>,
    pub(super) annotations: Vec<Annotation>,
}

impl View {
    /// The rollout that the run is about: the last that it has begun, else the last that it has taken up.
    pub(super) fn current(&self) -> Option<&Story> {
        self.stories.iter().rev().find(|story| story.is_own).or(self.stories.last())
    }

    pub(super) fn story(&self, id: &RolloutId) -> Option<&Story> {
        self.stories.iter().find(|story| story.rollout.id == *id)
    }

    /// How long the current rollout has lasted, by its own events.
    fn age(&self) -> Duration {
        let story = self.current().map(|story| &story.rollout);
        let age = story.map(|rollout| rollout.last.duration_since(rollout.started));
        age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
    }
}

/// Something that can be told. It is told as a whole and anew each time, so that whatever was missed before is in it.
pub(super) trait Report {
    /// Its name, for people.
    const NAME: &'static str;

    /// Whether there is something to tell.
    fn is_behind(&self, view: &View) -> bool;

    /// Whether what there is to tell changes how it stands, and so does not wait for its turn.
    fn is_urgent(&self, view: &View) -> bool;

    /// Tells it.
    ///
    /// # Errors
    /// Why GitHub did not take it; what was taken before counts as told.
    fn tell(&mut self, client: &Client, view: &View) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A report, when it may be told again, and what has kept it from being told.
#[derive(Debug)]
pub(super) struct Told<R> {
    report: R,
    /// The last time that it was told.
    last: Option<Instant>,
    /// Not before then, after a failure.
    not_before: Option<Instant>,
    failures: u32,
    strikes: u32,
    pub(super) failure: Option<Failure>,
}

impl<R: Report> Told<R> {
    pub(super) fn new(report: R) -> Self {
        Self { report, last: None, not_before: None, failures: 0, strikes: 0, failure: None }
    }

    /// Tells it if there is something to tell and it is its turn; says when the next turn is, where there is something left.
    pub(super) async fn turn(&mut self, client: &Client, view: &View) -> Option<Instant> {
        if self.strikes >= STRIKES || !self.report.is_behind(view) {
            return None;
        }
        let now = Instant::now();
        let pace = PACE.max(view.age() / RARER);
        let is_urgent = view.ending.is_some() || self.report.is_urgent(view);
        let turn = self.last.filter(|_| !is_urgent).map(|last| last + pace).max(self.not_before);
        if let Some(turn) = turn.filter(|turn| *turn > now) {
            return Some(turn);
        }
        match self.report.tell(client, view).await {
            Ok(()) => {
                (self.failure, self.not_before, self.failures) = (None, None, 0);
                self.last = Some(Instant::now());
                None
            }
            Err(failure) => self.failed(failure, view.ending.is_some()),
        }
    }

    fn failed(&mut self, failure: Failure, is_last: bool) -> Option<Instant> {
        self.failures += 1;
        let pause = Duration::from_millis(500).saturating_mul(1 << self.failures.min(8)).min(LONGEST);
        let wait = match failure.again {
            // A token does not get better, nor do its rights.
            Again::Never if ["github-token", "github-permission"].contains(&failure.code) => {
                self.strikes = STRIKES;
                None
            }
            Again::Never => {
                self.strikes += 1;
                Some(pause)
            }
            // Who waits at the end does so for seconds.
            Again::Soon if is_last => Some(pause.min(Duration::from_secs(2))),
            Again::Soon => Some(pause),
            Again::After(wait) => Some(wait),
        };
        let wait = wait.filter(|_| self.strikes < STRIKES).map(crate::github::jitter);
        // A limit's end is no matter of chance: before it nothing is taken.
        let wait = if let Again::After(limit) = failure.again { Some(limit) } else { wait };
        tracing::debug!(code = failure.code, report = R::NAME, "not told yet: {failure}");
        self.failure = Some(failure);
        self.not_before = wait.map(|wait| Instant::now() + wait);
        self.not_before
    }

    /// What was not told, and why.
    pub(super) fn untold(&self, view: &View) -> Option<(&'static str, Failure)> {
        let is_behind = self.failure.is_some() || self.report.is_behind(view);
        let late = || Failure::late(R::NAME);
        is_behind.then(|| (R::NAME, self.failure.clone().unwrap_or_else(late)))
    }
}
