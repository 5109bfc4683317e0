//! Reports to GitHub: whether they are wanted, what they are about, and the job summary at their end.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::Listener;
use crate::cli::ReportArgs;
use crate::error::Error;
use crate::github::{Client, Patience, Workflow};
use crate::report::github::{About, AboutPart, AboutPreview, Ending, GitHubReports, PATIENCE};
use crate::report::markdown::Around;
use crate::report::summary::{self, Kept};
use crate::run::answer::RolloutAnswer;
use crate::run::ground::Ground;
use crate::run::place::Place;
use crate::run::places::in_repository;
use crate::run::release;
use crate::target::kubernetes::front;
use crate::target::kubernetes::manifests::{self, Part};

/// A runner that was told to stop gives a step some seconds: then the reports have no more than these.
const CANCELLED: Duration = Duration::from_secs(4);

/// What GitHub is told of one command on one environment.
#[derive(Debug)]
pub struct GitHub {
    /// Nothing outside of a workflow and without a token: then only the summary tells.
    reports: Option<GitHubReports>,
    kept: Kept,
    around: Around,
    summary: Option<PathBuf>,
    /// Why there is nothing but the summary.
    why: Option<String>,
}

impl GitHub {
    /// As the command line wants it; nothing where it does not.
    #[must_use]
    pub fn wanted(wanted: &ReportArgs, place: &mut Place) -> Option<Self> {
        wanted.report_github.then(|| Self::begin(place, None, false))
    }

    /// Begins to report what happens at that place, which is heard from now on; about `commit`, where that is another one than the workflow
    /// runs for. `is_continued` says that an earlier process of this run has begun to tell. Must be called within a runtime of tokio. What
    /// is missing for it is told at the end and stops nothing.
    #[must_use]
    pub fn begin(place: &mut Place, commit: Option<&str>, is_continued: bool) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let payload = variable("GITHUB_EVENT_PATH").and_then(|path| std::fs::read(path).ok());
        let payload =
            payload.and_then(|text| serde_json::from_slice::<Value>(&text).ok()).unwrap_or_default();
        let workflow = Workflow::of(&variable, &payload)
            .map(|found| Workflow { sha: commit.map_or(found.sha, str::to_owned), ..found });
        let around = Around { url: place.url(), run: workflow.as_ref().and_then(|it| it.run.clone()) };
        let (reports, why) = match workflow.map(|workflow| reports(workflow, place, is_continued)) {
            None => (
                None,
                Some("there is no token, repository or commit of a workflow in the environment".to_owned()),
            ),
            Some(Err(why)) => (None, Some(why)),
            Some(Ok(reports)) => (Some(reports), None),
        };
        let kept = Kept::default();
        place.listeners.push(Listener::new(Box::new(kept.clone())));
        place.listeners.extend(reports.as_ref().map(|reports| Listener::new(reports.sink())));
        place.annotator = reports.as_ref().map(GitHubReports::annotator);
        let summary = variable("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { reports, kept, around, summary, why }
    }

    /// Tells how the command ended, waits a bounded time until that is told, and writes the job summary. What could not be told is told by
    /// a warning, in the summary, and to the caller.
    pub async fn finish(self, result: &Result<RolloutAnswer, Error>) -> Vec<String> {
        let ending = ending(result);
        let patience = if matches!(ending.exit, 130 | 143) { CANCELLED } else { PATIENCE };
        let sentence = ending.sentence.clone();
        let mut untold: Vec<String> =
            self.why.into_iter().map(|why| format!("only the job summary tells this: {why}")).collect();
        if let Some(reports) = self.reports {
            if let Err(error) = result {
                reports.annotator().annotate(in_repository(&error.annotations));
            }
            let told = reports.finish(ending, patience).await;
            tracing::debug!(calls = told.calls, "GitHub was told");
            untold.extend(told.untold);
        }
        untold.iter().for_each(|why| tracing::warn!("{why}"));
        if let Some(file) = &self.summary {
            let text = summary::render(&self.kept.stories(), &sentence, &self.around, &untold);
            let written = OpenOptions::new().append(true).create(true).open(file);
            if let Err(error) = written.and_then(|mut file| file.write_all(text.as_bytes())) {
                tracing::warn!("the job summary could not be written to {}: {error}", file.display());
            }
        }
        untold
    }
}

/// Ends the reports, where there are some, and hands the result on.
///
/// # Errors
/// That of the result.
pub async fn told(
    github: Option<GitHub>,
    result: Result<RolloutAnswer, Error>,
) -> Result<RolloutAnswer, Error> {
    if let Some(github) = github {
        github.finish(&result).await;
    }
    result
}

fn reports(workflow: Workflow, place: &Place, is_continued: bool) -> Result<GitHubReports, String> {
    let client = Client::new(workflow.access.clone(), Patience::default());
    let client = client.map_err(|failure| failure.sentence)?;
    let environment = place.environment.name.clone();
    // Of a fork no commit leads to its pull request here.
    let pull = place.environment.preview.as_ref().map(|preview| preview.number).or(workflow.pull);
    let workflow = Workflow { pull, ..workflow };
    let about = About {
        workflow,
        app: place.app.clone(),
        url: place.url(),
        is_production: place.environment.production,
        is_transient: place.environment.preview.is_some() || is_transient(&environment),
        preview: place.environment.preview.as_ref().map(|preview| AboutPreview {
            lives: preview.ttl,
            sleeps: preview.front.sleep,
            parts: parts(place),
        }),
        is_continued,
        environment,
    };
    Ok(GitHubReports::start(about, client))
}

/// What runs of a preview in a cluster. Manifests that cannot be read are told by the rollout, not here.
fn parts(place: &Place) -> Vec<AboutPart> {
    let Ground::Cluster(cluster) = &place.ground else { return Vec::new() };
    let Ok(mut objects) = release::objects(&cluster.manifests) else { return Vec::new() };
    if release::fit(&mut objects, &place.environment).is_err() {
        return Vec::new();
    }
    let url = place.url();
    let (scheme, own) = url.as_deref().and_then(|url| url.split_once("://")).unwrap_or(("https", ""));
    // With its port, where it has one.
    let is_own =
        |host: &str| own.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    let address = |host: &String| format!("{scheme}://{}", if is_own(host) { own } else { host });
    let about = |part: Part| AboutPart {
        addresses: part.hosts.iter().map(address).collect(),
        name: part.name,
        image: part.image,
        size: part.size,
    };
    manifests::parts(&objects, front::behind).into_iter().map(about).collect()
}

/// Whether an environment of that name goes away some day.
fn is_transient(name: &str) -> bool {
    let first = name.split(['-', '_', '.', '/']).next().unwrap_or_default();
    ["preview", "pr", "review"].contains(&first)
}

fn ending(result: &Result<RolloutAnswer, Error>) -> Ending {
    match result {
        Ok(answer) => Ending {
            sentence: answer.sentence.clone(),
            reason: answer.reason.clone(),
            exit: answer.exit_code,
        },
        Err(error) => {
            Ending { sentence: error.sentence.clone(), reason: error.code.clone(), exit: error.kind.code() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_away_some_day_is_told_by_its_name() {
        for name in ["preview", "preview-7", "pr-7"] {
            assert!(is_transient(name), "{name}");
        }
        for name in ["production", "staging", "development", "products", "price"] {
            assert!(!is_transient(name), "{name}");
        }
    }
}
