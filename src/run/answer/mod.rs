//! What commands answer: the same facts as text for people and as json for programs.

mod changes;
mod image;
mod intent;
mod plan;
mod status;

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use super::check::{CheckAnswer, GatesAnswer};
use super::demo::DemoAnswer;
use super::image::build::BuildAnswer;
use super::image::{ImageAnswer, PushAnswer};
use super::local::LocalAnswer;
use super::preview::PreviewsAnswer;
use super::simulate::SimulationAnswer;
use crate::error::Error;
use crate::report::lines::printable;
use crate::report::words;
use crate::rollout::{Judgement, Outcome, OutcomeKind, Release, Rollout};
use crate::target::kubernetes::bundle::MANIFESTS;

pub use changes::{ChangeAnswer, DifferenceAnswer, DriftAnswer, DriftedAnswer};
pub use image::{Separators, TagsAnswer};
pub use intent::IntentAnswer;
pub use plan::{MigrationAnswer, PlanAnswer, ProblemAnswer};
pub use status::{OpenAnswer, SetAnswer, StatusAnswer};

/// The image that a release deploys, by its digest, where it deploys one: the first of its artifacts.
#[must_use]
pub fn image_of(release: &Release) -> Option<String> {
    let first = release.artifacts.first()?;
    let is_image = release.spec["manifests"].is_string() && first.name != MANIFESTS;
    is_image.then(|| format!("{}@{}", first.name, first.digest))
}

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
    /// Digest of the release's program or image.
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
    /// The image, by its digest, where the release has one.
    pub image: Option<String>,
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
            entry.image.iter().try_for_each(|image| writeln!(f, "    {}", printable(image)))?;
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
        Intent(IntentAnswer),
        Note(NoteAnswer),
        Local(LocalAnswer),
        Demo(DemoAnswer),
        Simulation(SimulationAnswer),
        Check(CheckAnswer),
        Gates(GatesAnswer),
        Previews(PreviewsAnswer),
        Tags(TagsAnswer),
        Pushed(PushAnswer),
        Built(BuildAnswer),
        Image(ImageAnswer),
        Error(ErrorAnswer),
    }
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Output>().to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), "What tidegate prints with --output json".into());
    }
    schema
}
