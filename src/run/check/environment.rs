//! `gate check ENVIRONMENT`: what stands between a release and its next step there, asked once, of what is live.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{shown, word};
use crate::cli::Common;
use crate::error::{Error, ErrorKind};
use crate::gate::{Collector as _, Question};
use crate::rollout::analysis::{gate, verify};
use crate::rollout::gate::{Filling, Gate, Probe};
use crate::rollout::{Condition, Judgement, Release, Verdict};
use crate::run::gates::Gates;
use crate::run::ground::AnyTarget;
use crate::run::place::Place;
use crate::run::rules;
use crate::run::session::nonce;
use crate::run::signals::Signals;
use crate::target::Target as _;

/// What the gates of an environment say now. Printed by `gate check ENVIRONMENT`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GatesAnswer {
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The version that is live, of which they were asked.
    pub version: String,
    /// `pass`, `fail`, `inconclusive` or `no-data`: the worst of those that are not advisory.
    pub verdict: String,
    /// Every gate, in the order of a rollout.
    pub gates: Vec<GateAnswer>,
    /// The exit code of the command.
    pub exit_code: u8,
}

/// What one gate says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GateAnswer {
    /// Where it stands: `freeze`, `before`, `gates` or `verify`.
    pub place: &'static str,
    /// What is asked.
    pub gate: String,
    /// `pass`, `fail`, `inconclusive` or `no-data`.
    pub verdict: &'static str,
    /// Stable reason code.
    pub reason: String,
    /// One sentence.
    pub sentence: String,
    /// It stops nothing.
    pub advisory: bool,
    /// The last lines of what was run for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
}

/// Asks every gate of the environment once. Requests of `before` go to the live release's instances, as those of a rollout go to the new
/// one's.
///
/// # Errors
/// When nothing is live there, or the target cannot be reached.
pub async fn check(common: &Common, environment: &str) -> Result<GatesAnswer, Error> {
    let signals = Signals::listen()?;
    let mut told = signals.cancel().receiver();
    let told = async {
        match told.wait_for(Option::is_some).await.ok().and_then(|signal| *signal) {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        answer = ask_all(common, environment) => answer,
        // What is being asked is ended with this.
        signal = told => Err(Error::new(
            ErrorKind::Cancelled(signal),
            "cancelled",
            "the command was told to stop before all gates had answered",
        )),
    }
}

async fn ask_all(common: &Common, environment: &str) -> Result<GatesAnswer, Error> {
    let place = Place::find(common, Some(environment)).await?;
    let known = place.ground.replay().await?;
    let nothing = || {
        Error::new(
            ErrorKind::Usage,
            "nothing-live",
            format!("nothing is live in {environment} that gates could be asked about"),
        )
        .hint(format!("deploy to it first: `tidegate deploy {environment}`"))
    };
    let release = known.stable().cloned().ok_or_else(nothing)?;
    let target = place.ground.existing_target().await.ok_or_else(nothing)?;
    let mut gates = vec![frozen(&place)];
    let inquiry = Inquiry::new(&place, release, target)?;
    let settings = &place.environment;
    for (name, direct, conditions) in [
        ("before", true, settings.strategy.before()),
        ("gates", false, settings.strategy.gates()),
        ("verify", false, settings.verify.as_slice()),
    ] {
        for condition in conditions {
            gates.push(inquiry.ask(name, direct, condition).await);
        }
    }
    let worst =
        gates.iter().filter(|gate| !gate.advisory).map(|gate| gate.verdict).max_by_key(|word| rank(word));
    let verdict = worst.unwrap_or_else(|| word(Verdict::Pass)).to_owned();
    let exit_code = if verdict == "pass" { 0 } else { 3 };
    let (app, version) = (place.app.clone(), inquiry.release.version);
    Ok(GatesAnswer { app, environment: settings.name.clone(), version, verdict, gates, exit_code })
}

/// The better ones first.
fn rank(verdict: &str) -> usize {
    ["pass", "inconclusive", "no-data", "fail"].iter().position(|word| *word == verdict).unwrap_or(usize::MAX)
}

fn frozen(place: &Place) -> GateAnswer {
    let judgement = match rules::thawed(place, Timestamp::now()) {
        Ok(()) => Judgement::new(Verdict::Pass, "thawed", "no freeze is on"),
        Err(error) => Judgement::new(Verdict::Fail, "frozen", error.sentence),
    };
    answer("freeze", "freeze windows".to_owned(), false, judgement)
}

fn answer(place: &'static str, gate: String, advisory: bool, judgement: Judgement) -> GateAnswer {
    let Judgement { verdict, code, sentence, log_tail } = judgement;
    GateAnswer { place, gate, verdict: word(verdict), reason: code, sentence, advisory, log_tail }
}

struct Inquiry {
    gates: Gates,
    target: AnyTarget,
    release: Release,
    filling: Filling,
}

impl Inquiry {
    fn new(place: &Place, release: Release, target: AnyTarget) -> Result<Self, Error> {
        let gates = Gates::new(place, &target)?;
        let filling = Filling::of(&release, &place.environment.name, "check");
        Ok(Self { gates, target, release, filling })
    }

    async fn ask(&self, place: &'static str, direct: bool, condition: &Condition) -> GateAnswer {
        let address = self.target.address(direct.then_some(&self.release.id)).await;
        match condition {
            Condition::Check(check) => {
                let checks = [check.filled(&self.filling)];
                let answers = match &address {
                    Some(address) => self.gates.collect(address, &checks).await,
                    None => Vec::new(),
                };
                let judgement = verify::judge(&checks, &answers);
                answer(place, format!("{} {}", check.method, check.path), false, judgement)
            }
            Condition::Gate(gate) => {
                let judgement = self.once(gate, address.as_deref()).await;
                answer(place, gate.filled(&self.filling).to_string(), gate.advisory, judgement)
            }
        }
    }

    /// One question; one reading of a number decides.
    async fn once(&self, asked: &Gate, address: Option<&str>) -> Judgement {
        let mut asked = asked.filled(&self.filling);
        if let Probe::Metric(metric) = &mut asked.probe {
            (metric.passes, metric.failures) = (1, 1);
        }
        // Of another time, by another name: what a rollout has asked is asked anew.
        let id = nonce().split('-').next().unwrap_or_default().to_owned();
        let within = asked.at_most.max(Duration::from_secs(1));
        let question = Question {
            gate: &asked,
            filling: &self.filling,
            release: &self.release,
            address,
            id: &id,
            within,
            since: i64::MIN,
        };
        let say = |sentence: String| tracing::info!("{sentence}");
        gate::judge(&asked, &[self.gates.ask(question, &say).await])
    }
}

impl fmt::Display for GatesAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for gate in &self.gates {
            let advisory = if gate.advisory { " (advisory)" } else { "" };
            writeln!(f, "{:<12} {:<7} {}{advisory}", gate.verdict, gate.place, shown(&gate.sentence))?;
            for line in &gate.log_tail {
                writeln!(f, "  | {}", shown(line))?;
            }
        }
        let (app, version, environment) = (&self.app, &self.version, &self.environment);
        writeln!(f, "{}: {app} {version} in {environment}", self.verdict)
    }
}
