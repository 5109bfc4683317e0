//! What GitHub is told of a rollout: a check run, a deployment, a comment on the pull request, a job summary.
//!
//! ```text
//! Event → Sink → Shared (the newest state) ─→ Worker (a task of its own) ─→ check run, deployment, comment
//!                                        └──────────── at the end ─────────→ what could not be told, for the summary
//! ```
//! Reports are level-triggered, as everything here: each is put together as a whole from the newest state and told when it differs from
//! what was told last. So news that comes while GitHub is slow, down or limiting is told with the next thing that gets through; nothing
//! is queued, and nothing is told in vain. A rollout hands its events over and never waits.

mod check;
mod comment;
mod deployment;
mod page;
mod refusal;
mod told;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(in crate::report) use page::{lines_of, marker_of};
pub use refusal::refuse;
use told::View;
pub use told::{About, AboutPart, AboutPreview, Ending};
use worker::Worker;

use super::Sink;
use super::story;
use super::words;
use crate::github::checks::Annotation;
use crate::github::{Client, Failure};
use crate::rollout::{Event, Rollout};

/// So long is waited at the end for what is still to be told.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a run knows, and what of it could not be told yet. Shared by the sink, which fills it, and the worker, which tells it.
#[derive(Debug)]
struct Shared {
    known: Mutex<View>,
    untold: Mutex<Vec<(&'static str, Failure)>>,
    changed: Notify,
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, View> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn untold(&self) -> MutexGuard<'_, Vec<(&'static str, Failure)>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports to GitHub that are under way.
#[derive(Debug)]
pub struct GitHubReports {
    shared: Arc<Shared>,
    client: Arc<Client>,
    worker: JoinHandle<()>,
}

/// Adds words about lines of files to a check run. Clones add to the same one.
#[derive(Debug, Clone)]
pub struct Annotator(Arc<Shared>);

impl Annotator {
    /// Adds these.
    pub fn annotate(&self, annotations: impl IntoIterator<Item = Annotation>) {
        self.0.known().annotations.extend(annotations);
        self.0.changed.notify_one();
    }
}

/// How reports ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// What could not be told, and why, in a sentence each.
    pub untold: Vec<String>,
    /// How many requests were sent.
    pub calls: u64,
}

impl GitHubReports {
    /// Begins to report: the check run says from now on that something is to come. Must be called within a runtime of tokio; whatever is
    /// told is told from a task of it.
    #[must_use]
    pub fn start(about: About, client: Client) -> Self {
        let view =
            View { about: Arc::new(about), stories: Vec::new(), ending: None, annotations: Vec::new() };
        let (untold, changed) = (Mutex::default(), Notify::new());
        let shared = Arc::new(Shared { known: Mutex::new(view), untold, changed });
        let client = Arc::new(client);
        let worker = tokio::spawn(Worker::new(Arc::clone(&shared), Arc::clone(&client)).run());
        Self { shared, client, worker }
    }

    /// A sink that hands over what it hears. It neither waits nor fails.
    #[must_use]
    pub fn sink(&self) -> Box<dyn Sink> {
        Box::new(Handover(Arc::clone(&self.shared)))
    }

    /// By which words about lines of files are added to the check run.
    #[must_use]
    pub fn annotator(&self) -> Annotator {
        Annotator(Arc::clone(&self.shared))
    }

    /// Tells how the command ended, and waits until all is told, for `patience` at most.
    pub async fn finish(self, ending: Ending, patience: Duration) -> Told {
        self.shared.known().ending = Some(ending);
        self.shared.changed.notify_one();
        let mut worker = self.worker;
        if timeout(patience, &mut worker).await.is_err() {
            // The task's last word on what it could not tell stands where it left it.
            worker.abort();
        }
        let untold = self.shared.untold().drain(..).collect();
        Told { untold: sentences(untold), calls: self.client.calls() }
    }
}

/// One sentence for each cause, with all that it has kept from being told.
fn sentences(untold: Vec<(&'static str, Failure)>) -> Vec<String> {
    let mut causes: Vec<(Vec<&'static str>, Failure)> = Vec::new();
    for (name, failure) in untold {
        let same = |known: &&mut (Vec<&str>, Failure)| {
            let known = &known.1;
            known.code == failure.code
                && (known.code == "github-permission" || known.sentence == failure.sentence)
        };
        match causes.iter_mut().find(same) {
            Some((names, known)) => {
                if !names.contains(&name) {
                    names.push(name);
                }
                let hint = failure.hint.filter(|hint| known.hint.as_ref() != Some(hint));
                if let (Some(hints), Some(hint)) = (&mut known.hint, hint) {
                    hints.push_str("; ");
                    hints.push_str(&hint);
                }
            }
            None => causes.push((vec![name], failure)),
        }
    }
    let sentence = |(names, failure): (Vec<&str>, Failure)| {
        let what = names.join(", ");
        let hint = failure.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
        match failure.code {
            "github-permission" => {
                format!("the token may not write this, so only the job summary tells it: {what}{hint}")
            }
            _ => format!("GitHub could not be told everything ({what}): {}{hint}", failure.sentence),
        }
    };
    causes.into_iter().map(sentence).collect()
}

/// The sink.
struct Handover(Arc<Shared>);

impl Sink for Handover {
    fn publish(&mut self, rollout: &Rollout, event: &Event) {
        story::hear(&mut self.0.known().stories, rollout, event);
        // What has no words changes no report.
        if words::sentence(rollout, event).is_some() {
            self.0.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::Again;

    fn failure(code: &'static str, sentence: &str, hint: &str) -> Failure {
        let hint = Some(hint.to_owned());
        Failure { code, sentence: sentence.to_owned(), hint, again: Again::Never, is_unsure: false }
    }

    #[test]
    fn a_token_that_may_only_read_is_told_of_once() {
        let told = sentences(vec![
            ("check run", failure("github-permission", "the token may not do POST a", "`checks: write`")),
            (
                "deployment",
                failure("github-permission", "the token may not do POST b", "`deployments: write`"),
            ),
            ("comment", failure("github-limit", "no more", "later")),
        ]);
        assert_eq!(
            told,
            [
                "the token may not write this, so only the job summary tells it: check run, deployment (`checks: write`; \
                 `deployments: write`)",
                "GitHub could not be told everything (comment): no more (later)",
            ]
        );
    }
}
