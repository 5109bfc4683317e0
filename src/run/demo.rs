//! `demo`: the main job, on the embedded target, under live traffic.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::RolloutAnswer;
use super::deploy::roll_out;
use super::local;
use super::place::Place;
use super::release::Asked;
use crate::cli::{Busy, Common, DemoArgs, ReportArgs};
use crate::error::{Error, ErrorKind};
use crate::report::Sink;
use crate::rollout::{Event, Fact, Rollout};
use crate::sample::Ledger;
use crate::sample::load::{Kind, Load, Mix};

/// How long visitors go on after the last rollout, so that a late loss shows.
const AFTER: Duration = Duration::from_millis(700);

/// What the demo showed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DemoAnswer {
    /// Requests that visitors sent.
    pub requests: u64,
    /// Requests without a whole answer from the app.
    pub lost: u64,
    /// Errors that the versions themselves answered.
    pub errors_by_version: BTreeMap<String, u64>,
    /// Requests that each version answered.
    pub requests_by_version: BTreeMap<String, u64>,
    /// The versions that were promoted.
    pub promoted: Vec<String>,
    /// The versions that were taken back.
    pub rolled_back: Vec<String>,
    /// From the start of the demo to its end.
    pub seconds: f64,
    /// From the decision to take the bad version back to the last request that a visitor sent to it, in milliseconds; negative
    /// when the last one was sent before the decision.
    pub back_within_ms: Option<i64>,
    /// Each rollout.
    pub rollouts: Vec<RolloutAnswer>,
    /// How requests were lost, if any were.
    pub losses: BTreeMap<String, u64>,
}

impl DemoAnswer {
    /// Two good versions promoted, the bad one taken back, nothing lost.
    #[must_use]
    pub fn is_as_promised(&self) -> bool {
        self.lost == 0 && self.promoted == ["v1", "v2"] && self.rolled_back == ["v3"]
    }
}

impl fmt::Display for DemoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for rollout in &self.rollouts {
            writeln!(
                f,
                "{:<3} {:<12} {:>5.1} s  {}",
                rollout.version, rollout.outcome, rollout.seconds, rollout.sentence
            )?;
            for gate in &rollout.gates {
                writeln!(f, "      step {}, {}: {}", gate.step, gate.verdict, gate.sentence)?;
            }
        }
        writeln!(
            f,
            "\nVisitors sent {} requests in {:.1} s; {} were lost.",
            self.requests, self.seconds, self.lost
        )?;
        for (version, requests) in &self.requests_by_version {
            let errors = self.errors_by_version.get(version).copied().unwrap_or_default();
            writeln!(f, "  {version} answered {requests}, {errors} of them with an error of its own")?;
        }
        for (how, count) in &self.losses {
            writeln!(f, "  lost: {count} × {how}")?;
        }
        match self.back_within_ms {
            Some(ms) if ms > 0 => {
                writeln!(f, "After the decision, visitors reached the bad version for {ms} ms more.")
            }
            Some(_) => writeln!(f, "After the decision, no visitor reached the bad version."),
            None => Ok(()),
        }
    }
}

/// Shows the main job: v1, a good v2 by canary, a bad v3 taken back by itself.
///
/// # Errors
/// When a rollout could not be begun, for example because the demo was told to stop.
pub async fn demo(common: &Common, arguments: &DemoArgs) -> Result<DemoAnswer, Error> {
    let directory = scratch()?;
    let result = Box::pin(show(common, arguments, &directory)).await;
    let stopped = local::stop_in(&directory.join("state/demo")).await;
    if let Err(error) = std::fs::remove_dir_all(&directory) {
        tracing::warn!("{} was not removed: {error}", directory.display());
    }
    let answer = result?;
    stopped?;
    Ok(answer)
}

async fn show(common: &Common, arguments: &DemoArgs, directory: &Path) -> Result<DemoAnswer, Error> {
    let began = Instant::now();
    let address = free_address()?;
    let stage = Stage { common, directory, address, decision: Arc::default() };
    let mut rollouts = vec![stage.deploy("v1", 0.0, &ReportArgs::default()).await?];
    let visitors = Load { mix: mix(), ..Load::new(address, arguments.rate) };
    let visits_began = Timestamp::now();
    let visits = visitors.start();
    rollouts.push(stage.deploy("v2", 0.0, &ReportArgs::default()).await?);
    let reports = ReportArgs { report: arguments.report.clone(), ..ReportArgs::default() };
    rollouts.push(stage.deploy("v3", 0.05, &reports).await?);
    tokio::time::sleep(AFTER).await;
    let ledger = visits.stop().await;
    let decision = *stage.decision.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(answer(
        &ledger,
        rollouts,
        began.elapsed(),
        decision.map(|at| at.duration_since(visits_began).as_millis()),
    ))
}

/// Mostly short requests, with every other kind among them.
fn mix() -> Mix {
    let ms = Duration::from_millis;
    Mix::default()
        .with(Kind::Get, 85)
        .with(Kind::NewConnection, 5)
        .with(Kind::Http2, 5)
        .with(Kind::Upload { kib: 32 }, 3)
        .with(Kind::LongPoll { wait: ms(200) }, 1)
        .with(Kind::WebSocket { messages: 5, pause: ms(40) }, 1)
}

fn answer(
    ledger: &Ledger,
    rollouts: Vec<RolloutAnswer>,
    took: Duration,
    decision: Option<i128>,
) -> DemoAnswer {
    let ended = |outcome: &str| {
        let versions = rollouts.iter().filter(|rollout| rollout.outcome == outcome);
        versions.map(|rollout| rollout.version.clone()).collect::<Vec<_>>()
    };
    let last = ledger.by_version.get("v3").map(|tally| tally.seen.last_started.as_millis());
    let back_within =
        decision.zip(last).map(|(decision, last)| i64::try_from(last).unwrap_or(i64::MAX) - decision as i64);
    DemoAnswer {
        requests: ledger.requests,
        lost: ledger.lost,
        errors_by_version: ledger
            .by_version
            .iter()
            .map(|(version, tally)| (version.clone(), tally.errors))
            .collect(),
        requests_by_version: ledger
            .by_version
            .iter()
            .map(|(version, tally)| (version.clone(), tally.requests))
            .collect(),
        promoted: ended("promoted"),
        rolled_back: ended("rolled-back"),
        seconds: took.as_secs_f64(),
        back_within_ms: back_within,
        rollouts,
        losses: ledger.by_loss.clone(),
    }
}

/// Where the demo plays.
struct Stage<'a> {
    common: &'a Common,
    directory: &'a Path,
    address: SocketAddr,
    decision: Arc<Mutex<Option<Timestamp>>>,
}

impl Stage<'_> {
    /// Writes the configuration as a user would, and deploys it as a user would.
    async fn deploy(&self, version: &str, fail: f64, reports: &ReportArgs) -> Result<RolloutAnswer, Error> {
        let file = self.directory.join("tidegate.yaml");
        std::fs::write(&file, self.configuration(fail)?).map_err(|error| unwritable(&file, &error))?;
        let common = Common {
            file: Some(file),
            state_dir: Some(self.directory.join("state")),
            output: self.common.output,
            log_format: self.common.log_format,
            inline: None,
        };
        let place = Place::find(&common, Some("demo")).await?;
        let sink: Box<dyn Sink> = Box::new(Decision(Arc::clone(&self.decision)));
        let asked = Asked { version: Some(version), image: None };
        roll_out(place, &common, asked, Busy::Refuse, reports, vec![sink]).await
    }

    fn configuration(&self, fail: f64) -> Result<String, Error> {
        let program = std::env::current_exe().map_err(|error| {
            Error::new(
                ErrorKind::Failed,
                "no-program",
                format!("this program does not know its own file: {error}"),
            )
        })?;
        let program = serde_json::to_string(&program.display().to_string()).unwrap_or_default();
        Ok(format!(
            "app: demo
environments:
  demo:
    target:
      local:
        command: [{program}, sample-app]
        instances: 2
        listen: \"{}\"
        env: {{ SAMPLE_FAIL: \"{fail}\" }}
    health: {{ get: /health, every: 500ms }}
    strategy: {{ canary: {{ weights: [5, 25, 50], compare: {{ errors: 2% }}, at-most: 30s }} }}
    verify: [{{ get: /health, expect: {{ status: 200, json: {{ status: healthy }} }} }}]
    keep: 10s
",
            self.address
        ))
    }
}

/// Remembers when the way back was decided.
struct Decision(Arc<Mutex<Option<Timestamp>>>);

impl Sink for Decision {
    fn publish(&mut self, _rollout: &Rollout, event: &Event) {
        if matches!(event.fact, Fact::TurnedBack { .. }) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(event.at);
        }
    }
}

fn scratch() -> Result<PathBuf, Error> {
    let name = format!("tidegate-demo-{}", super::session::nonce());
    let directory = std::env::temp_dir().join(name);
    crate::journal::file::create_private_dir(&directory)?;
    Ok(directory)
}

fn free_address() -> Result<SocketAddr, Error> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    bound.map_err(|error| {
        Error::new(ErrorKind::Failed, "no-port", format!("no free port on 127.0.0.1: {error}"))
    })
}

fn unwritable(file: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Failed, "not-writable", format!("cannot write {}: {error}", file.display()))
}
