//! One question to a gate.

use std::path::Path;
use std::time::Duration;

use super::{Question, metric, webhook};
use crate::program::{self, Stop};
use crate::rollout::gate::{Metric, Probe, Sample, Source};

/// An approval that is longer is none.
const LONGEST: u64 = 64 << 10;

/// Asks what needs neither a cluster nor the app's own address. `None` for what does.
pub(super) async fn ask(
    client: &reqwest::Client,
    folder: &Path,
    question: Question<'_>,
    say: &(dyn Fn(String) + Send + Sync),
) -> Option<Sample> {
    Some(match &question.gate.probe {
        Probe::Job { .. } | Probe::Load { .. } => return None,
        Probe::Command { command } => {
            say(format!("runs `{}`", command.join(" ")));
            ended(run(command, folder, question).await)
        }
        Probe::Webhook { url, secret } => webhook::ask(client, url, secret.as_deref(), question).await,
        Probe::Approval { file } => match question.filling.unknown(file) {
            Some(name) => lasting(format!("the {name} of the release is not known, or is no name of a file")),
            None => approval(&folder.join(file)).await,
        },
        Probe::Metric(Metric {
            source: Source::Prometheus { address, token, query, step: Some(step) },
            ..
        }) => metric::points(address, token.as_deref(), query, *step, question.since)
            .await
            .unwrap_or_else(|why| why),
        Probe::Metric(metric) => match metric::ask(client, folder, &metric.source, question).await {
            Ok((value, _)) if !value.is_finite() => {
                silent(format!("the answer is {value}, which is no number"))
            }
            Ok((value, None)) => Sample::Number(value),
            Ok((_, Some(at))) if at < question.since => {
                silent("its newest point is older than the question, and so of other releases")
            }
            Ok((value, Some(at))) => Sample::Dated { value, at },
            Err(silence) => silence,
        },
    })
}

/// Silence that may end.
pub(super) fn silent(why: impl Into<String>) -> Sample {
    Sample::Silent { why: why.into(), lasting: false }
}

/// Silence that will not.
pub(super) fn lasting(why: impl Into<String>) -> Sample {
    Sample::Silent { why: why.into(), lasting: true }
}

/// A little less than who asks waits, so that it can still be told how it ended.
pub(super) fn before(within: Duration) -> Duration {
    within.saturating_sub(Duration::from_secs(1).min(within / 20))
}

/// Runs a program of a gate, which knows what it is about by its environment.
pub(super) async fn run(
    command: &[String],
    folder: &Path,
    question: Question<'_>,
) -> Result<program::Ended, String> {
    let within = before(question.within);
    let stop = async {
        tokio::time::sleep(within).await;
        Stop::Late(within)
    };
    let set_up = |prepared: &mut tokio::process::Command| {
        prepared.envs(question.filling.variables());
        prepared.env("TIDEGATE_RELEASE", question.release.id.as_str());
        prepared.env("TIDEGATE_ADDRESS", question.address.unwrap_or_default());
    };
    program::run(command, folder, set_up, stop).await
}

/// A program that did not end by itself has said nothing.
fn ended(ended: Result<program::Ended, String>) -> Sample {
    match ended {
        Ok(ended) if ended.is_stopped => lasting(ended.how),
        Ok(ended) => Sample::Ended { code: ended.code, how: ended.how, log_tail: ended.tail },
        Err(why) => lasting(why),
    }
}

/// An approval is a file of a few words; what cannot be read is silent.
async fn approval(file: &Path) -> Sample {
    match tokio::fs::metadata(file).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Sample::Approval(None),
        Err(error) => return silent(format!("it cannot be read: {error}")),
        Ok(found) if !found.is_file() => return silent("it is no file"),
        Ok(found) if found.len() > LONGEST => {
            return silent(format!("it has more than {} KiB", LONGEST >> 10));
        }
        Ok(_) => {}
    }
    match tokio::fs::read(file).await {
        Ok(bytes) => Sample::Approval(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => silent(format!("it cannot be read: {error}")),
    }
}
