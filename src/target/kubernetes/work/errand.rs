//! An errand: a Job with the image of a release that is run once, and waited for.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, LogParams, PostParams};
use kube::runtime::watcher::watch_object;
use serde_json::{Value, json};

use super::Work;
use crate::cluster::{patiently, trouble};
use crate::rollout::ReleaseId;
use crate::target::TargetError;
use crate::target::kubernetes::apply::told;
use crate::target::kubernetes::names::{MANAGED_BY, joined};

/// How long a Job is still to be seen when it is done.
const SHOWN: Duration = Duration::from_secs(24 * 3600);
/// How often it is looked why a pod does not start.
const LOOK: Duration = Duration::from_secs(2);
/// How many of the last lines are kept.
const LINES: i64 = 20;
/// They are cut after so many characters, and after so many bytes together: they are kept in the journal.
const LINE: usize = 2000;
const LOG: i64 = 64 << 10;
/// The longest name of a Job from whose pods' names nothing is cut.
const LONGEST: usize = 57;
/// What a container waits for that it will wait for in vain.
const IN_VAIN: [&str; 5] = [
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "CreateContainerConfigError",
    "RunContainerError",
];

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Errand<'a> {
    /// Names the Job: the same errand is not run twice.
    pub name: &'a str,
    /// What its container runs.
    pub command: &'a [String],
    /// The workload that lends it the container; `None` where there is one only.
    pub workload: Option<&'a str>,
    /// The cluster ends it after this time.
    pub at_most: Duration,
    /// It is only waited for: where it is not there, it is not made.
    pub only_waits: bool,
}

impl Errand<'_> {
    /// The name of an app's errand: the app gives way, so that nothing is cut from the names of its pods.
    #[must_use]
    pub fn name(app: &str, own: &str) -> String {
        joined(app, own, LONGEST)
    }
}

/// How an errand ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrandEnd {
    /// Well.
    Done,
    /// It is not there, and was not to be made.
    Absent,
    /// Its pod never ran: nothing was done.
    NotStarted {
        /// Why.
        why: String,
    },
    /// It was begun, or may have been, and can be seen no longer.
    Unseen {
        /// Why.
        why: String,
    },
    /// Badly.
    Failed {
        /// How, in a few words.
        how: String,
        /// The last lines that it wrote.
        log_tail: Vec<String>,
    },
}

impl Work {
    /// Runs an errand with the container of a release, or waits for the one that is under way. An error means that nothing was begun.
    pub(in super::super) async fn run_errand(
        &self,
        release: &ReleaseId,
        errand: Errand<'_>,
        stop: impl Future<Output = ()>,
    ) -> Result<ErrandEnd, TargetError> {
        let (jobs, name) = (self.api::<Job>(), errand.name);
        let failed = |tried: &str, error: &kube::Error| told(trouble(tried, &format!("Job {name}"), error));
        let mut known = patiently(|| jobs.get_opt(name)).await.map_err(|error| failed("read", &error))?;
        // One that is being taken away answers nobody any more.
        if !errand.only_waits && known.as_ref().is_some_and(|job| job.metadata.deletion_timestamp.is_some()) {
            self.end_errand(name).await?;
            known = None;
        }
        if known.is_none() {
            if errand.only_waits {
                return Ok(ErrandEnd::Absent);
            }
            let job = self.errand(release, errand).await?;
            let options = PostParams::default();
            match patiently(|| jobs.create(&options, &job)).await {
                // A call that was repeated, as no answer came to the first one.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error @ kube::Error::Api(_)) => return Err(failed("create", &error)),
                // Without an answer nobody knows whether it was made.
                Err(error) => return Ok(ErrandEnd::Unseen { why: failed("create", &error).sentence }),
                Ok(_) => {}
            }
        }
        let mut stop = std::pin::pin!(stop);
        let mut seen = std::pin::pin!(watch_object(jobs.clone(), name));
        let mut looks = tokio::time::interval(LOOK);
        // The cluster ends it in time, if it can be reached.
        let late = tokio::time::Instant::now() + errand.at_most + super::settle::SEEN;
        loop {
            tokio::select! {
                // What breaks off is begun anew by the watcher itself.
                job = seen.next() => match job {
                    Some(Ok(Some(job))) => match verdict(&job) {
                        Some(None) => return Ok(ErrandEnd::Done),
                        Some(Some(how)) => return Ok(self.failed(name, how).await),
                        None => {}
                    },
                    Some(Ok(None)) => return Ok(self.failed(name, "it was removed by somebody".to_owned()).await),
                    Some(Err(_)) => tokio::time::sleep(LOOK).await,
                    None => return Ok(ErrandEnd::Unseen { why: "the API server tells no more of it".to_owned() }),
                },
                _ = looks.tick() => if let Some(why) = self.cannot_start(name).await {
                    return Ok(self.ended(name, ErrandEnd::NotStarted { why }).await);
                },
                () = tokio::time::sleep_until(late) => {
                    return Ok(ErrandEnd::Unseen { why: "the API server did not tell in time how it ended".to_owned() });
                }
                () = &mut stop => {
                    let has_started = self.pods_of(name).await.iter().any(has_run);
                    let log_tail = self.log_of(name).await;
                    let how = "it was told to stop".to_owned();
                    let end = if has_started { ErrandEnd::Failed { how, log_tail } } else { ErrandEnd::NotStarted { why: how } };
                    return Ok(self.ended(name, end).await);
                }
            }
        }
    }

    /// Takes it away, and gives back that end, unless it goes on.
    async fn ended(&self, job: &str, end: ErrandEnd) -> ErrandEnd {
        match self.end_errand(job).await {
            Ok(()) => end,
            Err(error) => ErrandEnd::Unseen { why: error.sentence },
        }
    }

    async fn errand(&self, release: &ReleaseId, errand: Errand<'_>) -> Result<Job, TargetError> {
        let bundle = self.bundle(release).await?;
        let frame = self.framed().await;
        let former = match &frame.stable {
            Some(stable) => Some(self.bundle(stable).await?),
            None => None,
        };
        let pin = (!frame.in_place).then_some(release);
        let objects = self.rendered(release, &bundle, pin, &self.snapshot().await?, former.as_deref());
        let carriers = &bundle.shape().carriers;
        let lender = match (errand.workload, carriers.as_slice()) {
            (Some(name), _) => {
                objects.iter().find(|one| one.key.name == name && one.pod_template().is_some())
            }
            (None, [only]) => {
                objects.iter().find(|one| one.key.kind == only.kind && one.key.name == only.name)
            }
            (None, _) => None,
        };
        let template = lender
            .and_then(|object| object.pod_template())
            .ok_or_else(|| self.no_lender(errand, carriers.len()))?;
        // The configuration that the release brings: under a name of its own, so that nobody else meets it.
        let own = ["ConfigMap", "Secret", "ServiceAccount"];
        let needed: Vec<_> =
            objects.iter().filter(|one| own.contains(&one.key.kind.as_str())).cloned().collect();
        self.apply_all(&needed, self.config.take_over).await?;
        let mut labels = self.home.labels();
        labels.insert(MANAGED_BY.to_owned(), "tidegate".to_owned());
        let described = json!({
            "metadata": { "name": errand.name, "labels": labels },
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": errand.at_most.as_secs().max(1),
                "ttlSecondsAfterFinished": SHOWN.as_secs(),
                // Its pod is none of the app's: no Service leads to it.
                "template": { "metadata": { "labels": { MANAGED_BY: "tidegate" } }, "spec": pod(template, errand.command) },
            },
        });
        serde_json::from_value(described).map_err(|error| TargetError {
            code: "refused",
            sentence: format!("Job {} cannot be described: {error}", errand.name),
            hint: None,
            fatal: true,
        })
    }

    fn no_lender(&self, errand: Errand<'_>, carriers: usize) -> TargetError {
        let (sentence, hint) = match errand.workload {
            Some(name) => {
                (format!("no workload of the manifests is called {name}"), "name one that has pods")
            }
            None => (
                format!("{carriers} workloads carry the traffic, and none of them is named"),
                "name one by `workload`",
            ),
        };
        TargetError { code: "no-workload", sentence, hint: Some(hint.to_owned()), fatal: true }
    }

    async fn pods_of(&self, job: &str) -> Vec<Pod> {
        let options = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
        self.api::<Pod>().list(&options).await.map(|list| list.items).unwrap_or_default()
    }

    /// Why its pod will never run, if that is so.
    async fn cannot_start(&self, job: &str) -> Option<String> {
        let pods = self.pods_of(job).await;
        if pods.iter().any(has_run) {
            return None;
        }
        pods.iter().find_map(|pod| {
            let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
            let waiting = statuses.iter().find_map(|status| status.state.as_ref()?.waiting.as_ref())?;
            let reason = waiting.reason.as_deref().filter(|reason| IN_VAIN.contains(reason))?;
            let message = waiting.message.as_deref().map_or_else(String::new, |text| format!(": {text}"));
            Some(format!("pod {} waits in vain, {reason}{message}", pod.name_any()))
        })
    }

    async fn failed(&self, job: &str, how: String) -> ErrandEnd {
        let pods = self.pods_of(job).await;
        if let Some(why) = pods.iter().find_map(start_error) {
            return ErrandEnd::NotStarted { why };
        }
        let code = pods.iter().find_map(|pod| {
            let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
            statuses.iter().find_map(|status| Some(status.state.as_ref()?.terminated.as_ref()?.exit_code))
        });
        let how = code.map_or(how, |code| format!("exit code {code}"));
        ErrandEnd::Failed { how, log_tail: self.log_of(job).await }
    }

    async fn log_of(&self, job: &str) -> Vec<String> {
        let pods = self.pods_of(job).await;
        let options = LogParams { tail_lines: Some(LINES), limit_bytes: Some(LOG), ..LogParams::default() };
        let Some(pod) = pods.first() else { return Vec::new() };
        let text = self.api::<Pod>().logs(&pod.name_any(), &options).await.unwrap_or_default();
        text.lines().map(|line| line.chars().take(LINE).collect()).collect()
    }

    /// Takes it away, and waits until nothing of it runs.
    async fn end_errand(&self, job: &str) -> Result<(), TargetError> {
        let (jobs, options) = (self.api::<Job>(), DeleteParams::foreground());
        match patiently(|| jobs.delete(job, &options)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            other => drop(other.map_err(|error| told(trouble("remove", &format!("Job {job}"), &error)))?),
        }
        let gone = watch_object(jobs, job).try_skip_while(|seen| std::future::ready(Ok(seen.is_some())));
        let _ = tokio::time::timeout(super::settle::SEEN, std::pin::pin!(gone).next()).await;
        Ok(())
    }
}

/// `None` while it runs; then nothing, or how it failed.
fn verdict(job: &Job) -> Option<Option<String>> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let is = |kind: &str| conditions.iter().find(|one| one.type_ == kind && one.status == "True");
    if is("Complete").is_some() {
        return Some(None);
    }
    let failed = is("Failed")?;
    let reason = failed.reason.clone().unwrap_or_default();
    Some(Some(if reason == "DeadlineExceeded" { "it was not done in time".to_owned() } else { reason }))
}

/// Why the container's program could not even be started.
fn start_error(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let ended = statuses.iter().find_map(|status| status.state.as_ref()?.terminated.as_ref())?;
    let is_unstarted = matches!(ended.reason.as_deref(), Some("StartError" | "ContainerCannotRun"));
    is_unstarted.then(|| ended.message.clone().unwrap_or_else(|| "its program cannot be started".to_owned()))
}

fn has_run(pod: &Pod) -> bool {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses
        .into_iter()
        .flatten()
        .filter_map(|status| status.state.as_ref())
        .any(|state| state.running.is_some() || state.terminated.is_some())
}

/// The pod that a workload starts, with its first container alone, which runs something else and serves nobody.
fn pod(template: &Value, command: &[String]) -> Value {
    let mut spec = template["spec"].clone();
    let mut container = spec["containers"][0].clone();
    if let Some(fields) = container.as_object_mut() {
        for served in
            ["args", "ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "restartPolicy"]
        {
            fields.shift_remove(served);
        }
        fields.insert("command".to_owned(), json!(command));
    }
    spec["containers"] = json!([container]);
    spec["restartPolicy"] = json!("Never");
    if let Some(fields) = spec.as_object_mut() {
        fields.shift_remove("terminationGracePeriodSeconds");
        fields.shift_remove("topologySpreadConstraints");
        // Sidecars would keep it from ending.
        if let Some(Value::Array(first)) = fields.get_mut("initContainers") {
            first.retain(|one| one.get("restartPolicy").is_none());
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_of_an_errand_serves_nobody_and_ends() {
        let template = json!({ "metadata": { "labels": { "app": "shop" } }, "spec": {
            "containers": [
                { "name": "shop", "image": "shop@sha256:1", "args": ["serve"], "env": [{ "name": "A", "value": "b" }],
                  "ports": [{ "containerPort": 1 }], "readinessProbe": {}, "lifecycle": {} },
                { "name": "proxy", "image": "proxy" },
            ],
            "initContainers": [{ "name": "wait" }, { "name": "side", "restartPolicy": "Always" }],
            "serviceAccountName": "shop",
        } });
        let seen = pod(&template, &["./shop".to_owned(), "migrate".to_owned()]);
        let expected = json!({
            "containers": [{ "name": "shop", "image": "shop@sha256:1", "env": [{ "name": "A", "value": "b" }], "command": ["./shop", "migrate"] }],
            "initContainers": [{ "name": "wait" }],
            "serviceAccountName": "shop",
            "restartPolicy": "Never",
        });
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_job_is_done_failed_or_under_way() {
        let with = |conditions: Value| {
            serde_json::from_value::<Job>(json!({ "metadata": {}, "status": { "conditions": conditions } }))
                .unwrap()
        };
        assert_eq!(verdict(&with(json!([]))), None);
        assert_eq!(verdict(&with(json!([{ "type": "Complete", "status": "True" }]))), Some(None));
        let late = json!([{ "type": "Failed", "status": "True", "reason": "DeadlineExceeded" }]);
        assert_eq!(verdict(&with(late)), Some(Some("it was not done in time".to_owned())));
        assert_eq!(verdict(&with(json!([{ "type": "FailureTarget", "status": "True" }]))), None);
    }
}
