//! What one container tells.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};

use super::{Cause, Graces, Gravity, LogOf, over};

/// A container as it is seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) pod: &'a str,
    pub(super) status: &'a ContainerStatus,
    /// Since when its pod has a node.
    pub(super) since: Option<Timestamp>,
}

/// After so many failed runs a container is given up: the first restart may help, the second is a pattern.
const RUNS: i32 = 2;

/// What a kubelet says while it has not heard of a Secret or ConfigMap in time, which says nothing of whether it is there.
const NOT_YET_TOLD: &str = "cache: timed out waiting for the condition";

/// What is wrong with a container.
pub(super) fn cause(seen: Seen<'_>, graces: &Graces, now: Timestamp) -> Option<Cause> {
    waits(seen, graces, now).or_else(|| fails(seen))
}

/// It waits for something that it does not get.
fn waits(seen: Seen<'_>, graces: &Graces, now: Timestamp) -> Option<Cause> {
    let Seen { pod, status, since } = seen;
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let words = waiting.message.as_deref().unwrap_or_default();
    let image = &status.image;
    let told = |code, sentence: String, hint, fatal: bool| {
        let gravity = if fatal { Gravity::Fatal } else { Gravity::Warning };
        Some(Cause { code, sentence, hint: Some(hint), gravity, log: None })
    };
    match waiting.reason.as_deref()? {
        "InvalidImageName" => told(
            "bad-image-name",
            format!("pod {pod}: `{image}` is no name of an image"),
            "write it as REGISTRY/REPOSITORY@DIGEST or REGISTRY/REPOSITORY:TAG",
            true,
        ),
        "ErrImageNeverPull" => told(
            "image-never-pulled",
            format!("pod {pod}: {image} is not on the node, and its pull policy is Never"),
            "set `imagePullPolicy: IfNotPresent`",
            true,
        ),
        "ErrImagePull" | "ImagePullBackOff" => {
            let (code, hint) = match pull(words) {
                Pull::Absent => ("image-absent", "push the image first, or correct its name"),
                Pull::Forbidden => {
                    ("image-forbidden", "give the service account an `imagePullSecrets` that may read it")
                }
                Pull::Foreign => ("wrong-architecture", "build the image for the nodes' platform, too"),
                Pull::Later => ("registry-unreachable", "check the way from the nodes to the registry"),
            };
            let lasting = !matches!(pull(words), Pull::Later) || over(since, graces.registry, now);
            told(code, format!("pod {pod} cannot have {image}: {}", short(words)), hint, lasting)
        }
        "CreateContainerConfigError" => told(
            "configuration-missing",
            format!("pod {pod}: container {} cannot be made: {words}", status.name),
            "create what is missing in the namespace, or mark it `optional: true`",
            over(since, graces.configuration, now) && !words.contains(NOT_YET_TOLD),
        ),
        _ => None,
    }
}

/// What a node says when it cannot have an image.
enum Pull {
    Absent,
    Forbidden,
    Foreign,
    Later,
}

/// The runtimes pass the registry's words on; there is no code for them.
fn pull(words: &str) -> Pull {
    let words = words.to_lowercase();
    let any = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    match () {
        () if any(&["no match for platform", "no matching manifest"]) => Pull::Foreign,
        () if any(&["401", "403", "unauthorized", "forbidden", "denied", "authorization failed"]) => {
            Pull::Forbidden
        }
        () if any(&["not found", "404", "manifest unknown", "name unknown"]) => Pull::Absent,
        () => Pull::Later,
    }
}

/// It ran, and ended badly, again and again.
fn fails(seen: Seen<'_>) -> Option<Cause> {
    let Seen { pod, status, .. } = seen;
    let state = status.state.as_ref()?;
    let ended_now = state.terminated.as_ref();
    let ended = ended_now.or_else(|| status.last_state.as_ref()?.terminated.as_ref())?;
    if ended.exit_code == 0 && ended.reason.as_deref() != Some("StartError") {
        return None;
    }
    // A run that ended badly and is not yet begun again counts with those before it.
    let between = ended_now.is_some() || state.waiting.is_some();
    let runs = status.restart_count + i32::from(between);
    let container = &status.name;
    let log = LogOf { pod: pod.to_owned(), container: container.clone(), previous: ended_now.is_none() };
    let gravity = if runs >= RUNS { Gravity::Fatal } else { Gravity::Warning };
    let (code, what, hint) = story(ended);
    let times = if runs == 1 { "once".to_owned() } else { format!("{runs} times") };
    let sentence = format!("pod {pod}: container {container} {what}, {times} so far");
    Some(Cause { code, sentence, hint: Some(hint), gravity, log: Some(log) })
}

/// How a run ended, in words.
fn story(ended: &ContainerStateTerminated) -> (&'static str, String, &'static str) {
    let message = ended.message.as_deref().unwrap_or_default();
    match (ended.reason.as_deref(), ended.exit_code) {
        (Some("OOMKilled"), _) => (
            "out-of-memory",
            "was killed because it took more memory than its limit".to_owned(),
            "raise the memory limit, or find out what takes the memory",
        ),
        (Some("StartError" | "ContainerCannotRun"), _) if message.contains("exec format error") => (
            "wrong-architecture",
            "is made for another architecture than the node's".to_owned(),
            "build the image for the nodes' platform, too",
        ),
        (Some("StartError" | "ContainerCannotRun"), _) => (
            "cannot-start",
            format!("cannot be started: {}", short(message)),
            "check the image's entrypoint and `command`",
        ),
        (_, code) if code > 128 => (
            "crashing",
            format!("was ended by signal {}", code - 128),
            "a liveness or startup probe that fails ends it so: check the probes and the log",
        ),
        (_, code) => ("crashing", format!("ended with exit code {code}"), "its log tells why"),
    }
}

/// The end of a long complaint, where the cause stands.
fn short(words: &str) -> &str {
    const MOST: usize = 300;
    let start = words.char_indices().rev().nth(MOST).map_or(0, |(at, _)| at);
    &words[start..]
}
