//! A container that runs and does not get ready.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Cause, Graces, Gravity, LogOf, over};

/// What a pod's containers tell that run and are not ready, once the time is over that their probes allow by their own fields.
pub(super) fn causes(pod: &Pod, graces: &Graces, now: Timestamp) -> Vec<Cause> {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let told = statuses.filter(|status| !status.ready && status.started == Some(true)).filter_map(|status| {
        let spec = pod.spec.iter().flat_map(|spec| &spec.containers).find(|one| one.name == status.name)?;
        cause(pod, spec, status, graces, now)
    });
    told.collect()
}

fn cause(
    pod: &Pod,
    spec: &Container,
    status: &ContainerStatus,
    graces: &Graces,
    now: Timestamp,
) -> Option<Cause> {
    let started = status.state.as_ref()?.running.as_ref()?.started_at.as_ref()?.0;
    let probe = spec.readiness_probe.as_ref()?;
    // One that was ready before has been unready only since then.
    let conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let unready = conditions.clone().find(|one| one.type_ == "ContainersReady" && one.status == "False");
    let changed = unready.and_then(|one| one.last_transition_time.as_ref()).map(|time| time.0);
    let since = changed.map_or(started, |changed| changed.max(started));
    let allowed = window(probe).max(graces.readiness);
    if !over(Some(since), allowed, now) {
        return None;
    }
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let lasted = now.duration_since(since).as_secs();
    Some(Cause {
        code: "unready",
        sentence: format!(
            "pod {name}: container {} runs and does not get ready: its readiness probe ({}) has failed for {lasted} s",
            status.name,
            asks(probe)
        ),
        hint: Some(
            "check what the probe asks for, or give the container a `startupProbe` that allows it more time",
        ),
        gravity: Gravity::Fatal,
        log: Some(LogOf { pod: name.to_owned(), container: status.name.clone(), previous: false }),
    })
}

/// How long a probe may fail by its own fields, with the defaults of the API, until the container counts as not ready.
fn window(probe: &Probe) -> Duration {
    let field =
        |value: Option<i32>, default: u64| value.and_then(|n| u64::try_from(n).ok()).unwrap_or(default);
    let delay = field(probe.initial_delay_seconds, 0);
    let (period, timeout) = (field(probe.period_seconds, 10), field(probe.timeout_seconds, 1));
    Duration::from_secs(delay + field(probe.failure_threshold, 3) * period.max(timeout))
}

fn asks(probe: &Probe) -> String {
    let port = |port: &IntOrString| match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    };
    if let Some(get) = &probe.http_get {
        return format!("GET {} on port {}", get.path.as_deref().unwrap_or("/"), port(&get.port));
    }
    if let Some(socket) = &probe.tcp_socket {
        return format!("a connection to port {}", port(&socket.port));
    }
    match &probe.grpc {
        Some(grpc) => format!("gRPC health on port {}", grpc.port),
        None => "a command".to_owned(),
    }
}
