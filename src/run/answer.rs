//! What commands answer: the same facts as text for people and as json for programs.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use super::demo::DemoAnswer;
use super::local::LocalAnswer;
use crate::error::Error;
use crate::report::lines::printable;
use crate::report::words;
use crate::rollout::analysis::simulate::SimulationResult;
use crate::rollout::{Judgement, Outcome, OutcomeKind, Rollout};

/// How a rollout, or the wish for one, ended. Printed by `deploy`, `rollback`, `resume`, `abort`, `promote` and `pause`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RolloutAnswer {
    /// `promoted`, `nothing`, `failed`, `rolled-back`, `stuck` or `paused`.
    pub outcome: String,
    /// Stable reason code.
    pub reason: String,
    /// One sentence.
    pub sentence: String,
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The version that was rolled out.
    pub version: String,
    /// The version that was live before.
    pub previous_version: Option<String>,
    /// Digest of the release's program.
    pub digest: Option<String>,
    /// The rollout's identity; none when there was nothing to do.
    pub rollout_id: Option<String>,
    /// The strategy.
    pub strategy: Option<String>,
    /// The public address.
    pub url: Option<String>,
    /// From start to end.
    pub seconds: f64,
    /// The final verdicts of the gates, in order.
    pub gates: Vec<GateAnswer>,
    /// The last lines that a failing instance wrote.
    pub log_tail: Vec<String>,
    /// The exit code of the command.
    pub exit_code: u8,
}

/// A gate's final verdict.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GateAnswer {
    /// Number of the step, from 1.
    pub step: usize,
    /// `pass`, `fail`, `inconclusive` or `no data`.
    pub verdict: String,
    /// Stable code.
    pub code: String,
    /// One sentence with the figures.
    pub sentence: String,
}

/// The final verdicts of a rollout's gates, in order.
#[must_use]
pub fn gates(rollout: &Rollout) -> Vec<GateAnswer> {
    let gate = |(step, judgement): &(usize, Judgement)| GateAnswer {
        step: step + 1,
        verdict: words::verdict(judgement.verdict).to_owned(),
        code: judgement.code.clone(),
        sentence: judgement.sentence.clone(),
    };
    rollout.judgements.iter().map(gate).collect()
}

impl RolloutAnswer {
    /// The answer for a rollout and how it ended; `exit_code` depends on what was asked for.
    #[must_use]
    pub fn new(rollout: &Rollout, outcome: &Outcome, url: Option<String>, exit_code: u8) -> Self {
        let plan = &rollout.plan;
        let end = rollout.outcome.as_ref().map_or(rollout.since, |(at, _)| *at);
        Self {
            outcome: outcome.kind.to_string(),
            reason: outcome.reason.clone(),
            sentence: outcome.sentence.clone(),
            app: plan.app.clone(),
            environment: plan.environment.clone(),
            version: plan.candidate.version.clone(),
            previous_version: plan.stable.as_ref().map(|release| release.version.clone()),
            digest: plan.candidate.artifacts.first().map(|artifact| artifact.digest.clone()),
            rollout_id: Some(rollout.id.to_string()),
            strategy: Some(plan.strategy.to_string()),
            url,
            seconds: end.duration_since(rollout.started).as_secs_f64(),
            gates: gates(rollout),
            log_tail: rollout.cause.as_ref().map(|cause| cause.log_tail.clone()).unwrap_or_default(),
            exit_code,
        }
    }
}

impl fmt::Display for RolloutAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.outcome, printable(&self.sentence))?;
        for line in &self.log_tail {
            writeln!(f, "  | {}", printable(line))?;
        }
        match &self.url {
            Some(url) if self.exit_code == 0 => writeln!(f, "{url}"),
            _ => Ok(()),
        }
    }
}

/// What runs in an environment now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StatusAnswer {
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The version that was promoted last.
    pub live: Option<String>,
    /// The public address.
    pub url: Option<String>,
    /// Whether the target answers.
    pub reachable: bool,
    /// The instance sets.
    pub sets: Vec<SetAnswer>,
    /// The rollout that has not ended, or the last one when it is stuck.
    pub rollout: Option<OpenAnswer>,
    /// Who works on the environment at this moment, and what for.
    pub locked_by: Option<String>,
    /// Who closed the environment by hand, and why.
    pub closed: Option<String>,
}

/// One instance set.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SetAnswer {
    /// Its version, where the journal knows it.
    pub version: Option<String>,
    /// Its release.
    pub release: String,
    /// Its share of the traffic, in percent.
    pub weight_percent: f64,
    /// How many instances there should be.
    pub desired: u32,
    /// How many are ready.
    pub ready: u32,
    /// How many exist.
    pub running: u32,
    /// Requests that they are answering now.
    pub in_flight: u64,
    /// When it will be taken away.
    pub retire_at: Option<String>,
    /// Why instances do not become ready.
    pub trouble: Option<String>,
}

/// A rollout that has not ended.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OpenAnswer {
    /// Its identity.
    pub id: String,
    /// The version that it rolls out.
    pub version: String,
    /// `forward`, `back`, `paused` or `stuck`.
    pub phase: String,
    /// The step under way, in words.
    pub step: Option<String>,
    /// When it began.
    pub started: String,
    /// What it waits for, or why it is stuck or goes back.
    pub why: Option<String>,
}

impl fmt::Display for StatusAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.live.as_deref().unwrap_or("nothing");
        writeln!(f, "{} in {}: {live} is live{}", self.app, self.environment, at(self.url.as_ref()))?;
        if !self.reachable {
            writeln!(f, "  its supervisor does not run")?;
        }
        for set in &self.sets {
            let version = set.version.as_deref().unwrap_or(&set.release);
            write!(
                f,
                "  {version}: {} % of the traffic, {} of {} ready",
                set.weight_percent, set.ready, set.desired
            )?;
            if set.in_flight > 0 {
                write!(f, ", {} requests in flight", set.in_flight)?;
            }
            if let Some(time) = &set.retire_at {
                write!(f, ", kept until {time}")?;
            }
            writeln!(f)?;
            if let Some(trouble) = &set.trouble {
                writeln!(f, "    {}", printable(trouble))?;
            }
        }
        if let Some(open) = &self.rollout {
            write!(f, "  rollout {} of {}: {}", open.id, open.version, open.phase)?;
            if let Some(text) = open.why.as_ref().or(open.step.as_ref()) {
                write!(f, ", {}", printable(text))?;
            }
            writeln!(f)?;
        }
        for text in self.locked_by.iter().chain(&self.closed) {
            writeln!(f, "  {}", printable(text))?;
        }
        Ok(())
    }
}

fn at(url: Option<&String>) -> String {
    url.map_or_else(String::new, |url| format!(" at {url}"))
}

/// What was rolled out.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HistoryAnswer {
    /// The environment.
    pub environment: String,
    /// The rollouts, newest first.
    pub rollouts: Vec<HistoryEntry>,
}

/// One rollout of the history.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HistoryEntry {
    /// Its identity.
    pub id: String,
    /// When it began.
    pub started: String,
    /// From start to end; none while it is open.
    pub seconds: Option<f64>,
    /// The version.
    pub version: String,
    /// The version before.
    pub previous_version: Option<String>,
    /// The strategy.
    pub strategy: String,
    /// Who started it.
    pub by: String,
    /// How it ended; `open` while it has not.
    pub outcome: String,
    /// Stable reason code.
    pub reason: Option<String>,
    /// One sentence.
    pub sentence: Option<String>,
    /// The gates' verdicts.
    pub gates: Vec<GateAnswer>,
    /// Every event in words, where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
}

impl fmt::Display for HistoryAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rollouts.is_empty() {
            return writeln!(f, "nothing was rolled out to {} yet", self.environment);
        }
        for entry in &self.rollouts {
            let seconds = entry.seconds.map_or_else(String::new, |seconds| format!(" in {seconds:.1} s"));
            let (started, version, strategy) = (&entry.started, &entry.version, &entry.strategy);
            writeln!(f, "{started}  {version}  {strategy}  {}{seconds}", entry.outcome)?;
            if let Some(sentence) = &entry.sentence {
                writeln!(f, "    {}", printable(sentence))?;
            }
            for gate in &entry.gates {
                writeln!(f, "    step {}, {}: {}", gate.step, gate.verdict, printable(&gate.sentence))?;
            }
            for event in &entry.events {
                writeln!(f, "    {}", printable(event))?;
            }
        }
        Ok(())
    }
}

/// What a deploy would do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlanAnswer {
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The version that would be rolled out.
    pub version: String,
    /// Its release.
    pub release: String,
    /// The version that is live.
    pub previous_version: Option<String>,
    /// The strategy.
    pub strategy: String,
    /// Digest of the plan.
    pub hash: String,
    /// The steps, in words; empty when there is nothing to do.
    pub steps: Vec<String>,
    /// What a way back from it would look like.
    pub way_back: String,
}

impl fmt::Display for PlanAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before =
            self.previous_version.as_ref().map_or("first deploy".to_owned(), |v| format!("in place of {v}"));
        writeln!(f, "{} {} to {} by {}, {before}", self.app, self.version, self.environment, self.strategy)?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {:>2}. {step}", index + 1)?;
        }
        writeln!(f, "{}", self.way_back)?;
        writeln!(f, "plan {}", self.hash)
    }
}

/// A word about something that is no rollout: `init`, `validate`, `lock`, `unlock`, `local stop`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NoteAnswer {
    /// One sentence.
    pub sentence: String,
    /// Findings in the configuration, with their places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

impl fmt::Display for NoteAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        writeln!(f, "{}", self.sentence)
    }
}

/// Why a command could not do what it was asked to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ErrorAnswer {
    /// The error.
    pub error: ErrorBody,
}

/// The error itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ErrorBody {
    /// `failed`, `usage`, `refused`, `stuck` or `cancelled`.
    pub kind: String,
    /// Stable code.
    pub code: String,
    /// One sentence.
    pub sentence: String,
    /// What could mend it.
    pub hints: Vec<String>,
    /// The exit code of the command.
    pub exit_code: u8,
}

impl ErrorAnswer {
    /// The answer for an error.
    #[must_use]
    pub fn new(error: &Error) -> Self {
        let error = ErrorBody {
            kind: error.kind.as_str().to_owned(),
            code: error.code.clone(),
            sentence: error.sentence.clone(),
            hints: error.hints.clone(),
            exit_code: error.kind.code(),
        };
        Self { error }
    }
}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("error[{}]: {}\n", self.error.code, self.error.sentence);
        for hint in &self.error.hints {
            writeln!(text, "  help: {hint}")?;
        }
        f.write_str(&text)
    }
}

/// The exit code of a command that wanted the candidate live.
#[must_use]
pub fn exit_code(outcome: &Outcome, signal: Option<i32>) -> u8 {
    match (outcome.kind, signal) {
        (OutcomeKind::RolledBack | OutcomeKind::Failed, Some(signal)) if outcome.reason == "cancelled" => {
            u8::try_from(128 + signal).unwrap_or(130)
        }
        (OutcomeKind::Promoted | OutcomeKind::Nothing, _) => 0,
        (OutcomeKind::Failed, _) => 1,
        (OutcomeKind::RolledBack, _) => 4,
        (OutcomeKind::Stuck, _) => 5,
        (OutcomeKind::Paused, _) => 6,
    }
}

/// The JSON Schema of everything that `--output json` prints: each command prints one of these.
#[must_use]
pub fn schema() -> serde_json::Value {
    #[derive(JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    enum Output {
        Rollout(RolloutAnswer),
        Status(StatusAnswer),
        History(HistoryAnswer),
        Plan(PlanAnswer),
        Note(NoteAnswer),
        Local(LocalAnswer),
        Demo(DemoAnswer),
        Simulation(SimulationResult),
        Error(ErrorAnswer),
    }
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Output>().to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), "What tidegate prints with --output json".into());
    }
    schema
}
