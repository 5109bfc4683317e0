//! The gates of rollouts at a place: what needs the cluster is asked there, all else from here.

use std::time::Duration;

use tokio::sync::oneshot;

use super::ground::{AnyTarget, visit};
use super::place::Place;
use crate::error::{Error, ErrorKind};
use crate::gate::http::HttpCollector;
use crate::gate::{Collector, Question};
use crate::rollout::analysis::verify::Answer;
use crate::rollout::gate::{Probe, Sample};
use crate::rollout::step::{Check, Load};
use crate::target::kubernetes::{Errand, ErrandEnd, KubernetesTarget};

/// So much earlier than it is given up a Job is ended by the cluster.
const MARGIN: Duration = Duration::from_secs(2);

/// Asks the gates of rollouts at a place.
pub(super) struct Gates {
    http: HttpCollector,
    target: AnyTarget,
}

impl Gates {
    /// For rollouts to that target at that place.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub(super) fn new(place: &Place, target: &AnyTarget) -> Result<Self, Error> {
        // A way back does not wait for a variable that is not set: what is asked at the address fails then, and says so.
        let pass = visit::pass(&place.environment).unwrap_or_else(|error| {
            tracing::warn!("checks at the public address will be refused there: {error}");
            None
        });
        let http = HttpCollector::new(&place.folder, pass).map_err(|error| {
            Error::new(ErrorKind::Failed, "tls", format!("the HTTP client cannot be set up: {error}"))
        })?;
        Ok(Self { http, target: target.clone() })
    }
}

impl Collector for Gates {
    async fn collect(&self, address: &str, checks: &[Check]) -> Vec<Answer> {
        self.http.collect(address, checks).await
    }

    async fn ask(&self, question: Question<'_>, say: &(dyn Fn(String) + Send + Sync)) -> Sample {
        match (&question.gate.probe, &self.target) {
            (Probe::Job { command, workload }, AnyTarget::Kubernetes(target)) => {
                job(target, command, workload.as_deref(), question, say).await
            }
            _ => self.http.ask(question, say).await,
        }
    }

    fn send(&self, address: &str, load: Load) -> impl Future<Output = ()> + Send + 'static {
        self.http.send(address, load)
    }
}

/// Runs the Job, or waits for the one that a process left which died.
async fn job(
    target: &KubernetesTarget,
    command: &[String],
    workload: Option<&str>,
    question: Question<'_>,
    say: &(dyn Fn(String) + Send + Sync),
) -> Sample {
    let name = name(question);
    say(format!("Job {name} runs `{}`", command.join(" ")));
    let (target, release, job) = (target.clone(), question.release.id.clone(), name.clone());
    let (command, workload) = (command.to_vec(), workload.map(str::to_owned));
    // The cluster ends it a little before who asks gives it up, and so tells why.
    let at_most = question.within.saturating_sub(MARGIN).max(MARGIN);
    // Where the answer is no longer wanted, this is dropped: the task hears of it, and takes the Job away.
    let (_wanted, unwanted) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let workload = workload.as_deref();
        let errand = Errand { name: &job, command: &command, workload, at_most, only_waits: false };
        let stop = async {
            let _ = unwanted.await;
        };
        target.run_errand(&release, errand, stop).await
    });
    let silent = |why: String| Sample::Silent { why, lasting: true };
    match task.await {
        Ok(Ok(ErrandEnd::Done)) => {
            Sample::Ended { code: Some(0), how: "done".to_owned(), log_tail: Vec::new() }
        }
        Ok(Ok(ErrandEnd::Failed { how, log_tail })) => Sample::Ended { code: None, how, log_tail },
        Ok(Ok(ErrandEnd::NotStarted { why })) => silent(format!("Job {name} did not start: {why}")),
        Ok(Ok(ErrandEnd::Unseen { why })) => silent(format!("how Job {name} ended cannot be told: {why}")),
        Ok(Ok(ErrandEnd::Absent)) => silent(format!("Job {name} is not there")),
        Ok(Err(error)) => Sample::Silent { why: error.sentence, lasting: error.fatal },
        Err(error) => silent(error.to_string()),
    }
}

/// A name of its own for each rollout and step: what was begun for one is waited for, and run anew for the next.
fn name(question: Question<'_>) -> String {
    Errand::name(&question.release.app, &format!("gate-{}", question.id))
}
