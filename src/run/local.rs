//! `local` and the hidden processes of the embedded target.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::NoteAnswer;
use super::ground::fold;
use super::place::find_machine;
use super::reports;
use crate::cli::{Common, EnvironmentArgs};
use crate::error::Error;
use crate::journal::file::FileJournal;
use crate::report::metrics;
use crate::sample::app::{AppOptions, serve};
use crate::target::TargetError;
use crate::target::local::{LocalTarget, Status, SuperviseOptions};

/// What the supervisor of an environment runs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LocalAnswer {
    /// The environment.
    pub environment: String,
    /// Whether a supervisor runs.
    pub running: bool,
    /// Process of the supervisor.
    pub pid: Option<u32>,
    /// Where requests are taken.
    pub listen: Option<String>,
    /// Where its own health and metrics are given.
    pub admin: Option<String>,
    /// Nobody asked for it for a while: its instances are stopped until the next request.
    pub asleep: bool,
    /// Its instances, one in a line.
    pub instances: Vec<InstanceAnswer>,
}

/// One instance.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct InstanceAnswer {
    /// Its name.
    pub name: String,
    /// The version that it runs.
    pub version: String,
    /// Its process, while it runs.
    pub pid: Option<i32>,
    /// Where it listens.
    pub address: String,
    /// How it is: `starting`, `ready`, `draining`, …
    pub phase: String,
    /// How often it was started again.
    pub restarts: u32,
    /// Requests that it is answering now.
    pub in_flight: u64,
    /// The file of what it writes.
    pub log: String,
}

impl fmt::Display for LocalAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(pid) = self.pid else {
            return writeln!(f, "no supervisor runs for {}", self.environment);
        };
        write!(f, "supervisor of {}, process {pid}", self.environment)?;
        for (what, address) in [("requests", &self.listen), ("admin", &self.admin)] {
            if let Some(address) = address {
                write!(f, ", {what} at http://{address}")?;
            }
        }
        writeln!(f, "{}", if self.asleep { ", asleep until the next request" } else { "" })?;
        for instance in &self.instances {
            let pid = instance.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
            let InstanceAnswer { name, version, address, phase, restarts, in_flight, log, .. } = instance;
            writeln!(
                f,
                "  {name}  {version}  process {pid}  {address}  {phase}, {restarts} restarts, {in_flight} in flight  {log}"
            )?;
        }
        Ok(())
    }
}

/// What the supervisor runs.
///
/// # Errors
/// When it does not answer, or the environment does not run on this machine.
pub async fn status(common: &Common, arguments: &EnvironmentArgs) -> Result<LocalAnswer, Error> {
    let (environment, machine) = find_machine(common, arguments.environment.as_deref()).await?;
    let Some(target) = LocalTarget::existing(&machine.directory).await else {
        let (listen, admin, instances) = (None, None, Vec::new());
        let answer =
            LocalAnswer { environment, running: false, pid: None, listen, admin, asleep: false, instances };
        return Ok(answer);
    };
    Ok(answer(environment, &target.status().await?))
}

fn answer(environment: String, status: &Status) -> LocalAnswer {
    let instance = |instance: &crate::target::local::InstanceStatus| InstanceAnswer {
        name: instance.key.clone(),
        version: instance.version.clone(),
        pid: instance.pid,
        address: instance.address.to_string(),
        phase: format!("{:?}", instance.phase).to_lowercase(),
        restarts: instance.restarts,
        in_flight: instance.in_flight,
        log: instance.log.display().to_string(),
    };
    LocalAnswer {
        environment,
        running: true,
        pid: Some(status.pid),
        listen: status.listen.map(|address| address.to_string()),
        admin: status.admin.map(|address| address.to_string()),
        asleep: status.asleep,
        instances: status.instances.iter().map(instance).collect(),
    }
}

/// Stops the supervisor and everything that it runs.
///
/// # Errors
/// When it does not stop, or the environment does not run on this machine.
pub async fn stop(common: &Common, arguments: &EnvironmentArgs) -> Result<NoteAnswer, Error> {
    let (name, machine) = find_machine(common, arguments.environment.as_deref()).await?;
    let sentence = match stop_in(&machine.directory).await? {
        true => format!(
            "the supervisor of {name} and its instances are stopped; the next deploy or resume starts them again"
        ),
        false => format!("no supervisor runs for {name}"),
    };
    Ok(NoteAnswer { sentence, findings: Vec::new() })
}

/// Stops the supervisor of that state, if one runs; tells whether one did.
///
/// # Errors
/// When it does not stop.
pub async fn stop_in(state: &Path) -> Result<bool, Error> {
    let Some(target) = LocalTarget::existing(state).await else { return Ok(false) };
    target.stop().await?;
    Ok(true)
}

/// The supervisor itself.
///
/// # Errors
/// When it cannot serve.
pub async fn supervise(state: &Path) -> Result<ExitCode, Error> {
    ended(crate::target::local::supervise(options(state)).await)
}

/// Waits for the supervisor to die, and takes over.
///
/// # Errors
/// When it cannot serve.
pub async fn standby(state: &Path) -> Result<ExitCode, Error> {
    ended(crate::target::local::standby(options(state)).await)
}

fn ended(result: Result<(), TargetError>) -> Result<ExitCode, Error> {
    result?;
    Ok(ExitCode::SUCCESS)
}

/// The journal stands in the target's state: its rollouts become metrics at the supervisor's address.
fn options(state: &Path) -> SuperviseOptions {
    let journal = state.join("journal");
    let extra = move || {
        FileJournal::existing(&journal).and_then(|journal| rollout_metrics(&journal)).unwrap_or_default()
    };
    SuperviseOptions { state: state.to_owned(), extra: Some(Arc::new(extra)) }
}

fn rollout_metrics(journal: &FileJournal) -> Option<String> {
    let histories = journal.read().ok()?;
    let environment = fold(&histories, journal.directory().display()).ok()?;
    let plan = &environment.rollouts.last()?.plan;
    let weights = reports::weights(&environment, &histories);
    Some(metrics::render(&plan.app, &plan.environment, &environment, &weights))
}

/// The sample app; its exit code is one of its faults.
pub async fn sample_app(options: AppOptions) -> ExitCode {
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
