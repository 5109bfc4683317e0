//! Why a workload does not come up: the objects of the cluster in, one cause out. Pure.
//!
//! Of several causes the gravest is told, and of equals the one seen first. What a pod says of itself goes before what is only
//! missing: a pod that crashes is not ready either.

mod container;
mod node;
mod pod;
mod readiness;
mod refusal;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;

/// How long each condition may last before it counts. The defaults are those of the documentation's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graces {
    /// For a Secret, ConfigMap or key that is not there.
    pub configuration: Duration,
    /// For a registry that does not answer, or asks to come later.
    pub registry: Duration,
    /// For a ReplicaSet that may not make pods: quota, admission.
    pub refusal: Duration,
    /// Until a pod that no node takes is warned of.
    pub unscheduled_warned: Duration,
    /// Until it is fatal, unless the cluster is adding a node.
    pub unscheduled: Duration,
    /// For a container that runs and is not ready, where its probe's own fields do not allow more.
    pub readiness: Duration,
}

impl Default for Graces {
    fn default() -> Self {
        Self {
            configuration: Duration::from_secs(10),
            registry: Duration::from_secs(60),
            refusal: Duration::from_secs(10),
            unscheduled_warned: Duration::from_secs(15),
            unscheduled: Duration::from_secs(90),
            readiness: Duration::from_secs(30),
        }
    }
}

/// How grave a cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// It may pass: told, and waited for.
    Warning,
    /// Waiting longer cannot help.
    Fatal,
}

/// Why a workload does not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Stable code.
    pub code: &'static str,
    /// One sentence that names the pod and what is wrong with it.
    pub sentence: String,
    /// What could mend it.
    pub hint: Option<&'static str>,
    /// How grave it is.
    pub gravity: Gravity,
    /// Whose log tells more, if any does.
    pub log: Option<LogOf>,
}

impl Cause {
    /// Whether the release brings it with it, for all that is known. What else it may be is that the cluster is behind or too small:
    /// that costs no good pod, and passes.
    #[must_use]
    pub fn is_of_release(&self) -> bool {
        !matches!(self.code, "node-silent" | "unschedulable" | "registry-unreachable")
    }

    /// The same cause, better known by the last lines of its log: some runtimes start a program that the node cannot execute, and
    /// tell so nowhere else.
    #[must_use]
    pub fn with_log(mut self, lines: &[String]) -> Self {
        if self.code == "crashing" && lines.iter().any(|line| line.contains("exec format error")) {
            self.code = "wrong-architecture";
            self.hint = Some("build the image for the nodes' platform, too");
            self.sentence = format!("{}: it is made for another architecture than the node's", self.sentence);
        }
        self
    }
}

/// A log worth showing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOf {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// That of the run before the present one.
    pub previous: bool,
}

/// What is known of one release's instances.
#[derive(Debug, Default, Clone, Copy)]
pub struct Evidence<'a> {
    /// Its pods.
    pub pods: &'a [&'a Pod],
    /// Its ReplicaSets, whose failure to make pods is their own.
    pub replica_sets: &'a [&'a ReplicaSet],
    /// True while the cluster is adding a node for a pod that no node takes.
    pub scaling_up: bool,
}

/// The gravest cause at this moment, if there is one; of several the release's own.
#[must_use]
pub fn cause(evidence: Evidence<'_>, graces: &Graces, now: Timestamp) -> Option<Cause> {
    let pods = evidence.pods.iter().flat_map(|pod| pod::causes(pod, graces, evidence.scaling_up, now));
    let refusals = evidence.replica_sets.iter().filter_map(|set| refusal::cause(set, graces, now));
    let rank = |cause: &Cause| (cause.gravity, cause.is_of_release());
    let mut gravest: Option<Cause> = None;
    for cause in pods.chain(refusals) {
        if gravest.as_ref().is_none_or(|known| rank(&cause) > rank(known)) {
            gravest = Some(cause);
        }
    }
    gravest
}

/// Whether something that began at `since` has lasted longer than its grace. What has no beginning has just begun.
fn over(since: Option<Timestamp>, grace: Duration, now: Timestamp) -> bool {
    let lasted = since.map(|since| Duration::try_from(now.duration_since(since)).unwrap_or_default());
    lasted.is_some_and(|lasted| lasted >= grace)
}
