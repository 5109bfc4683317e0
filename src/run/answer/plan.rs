//! What `plan` answers.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::ChangeAnswer;
use crate::error::Error;
use crate::migrate::Unstarted;
use crate::report::lines::printable;
use crate::rollout::Phase;
use crate::rollout::migration::Named;
use crate::target::TargetError;

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
    /// The image that it deploys, by its digest, where it deploys one.
    pub image: Option<String>,
    /// The version that is live.
    pub previous_version: Option<String>,
    /// The strategy.
    pub strategy: String,
    /// Digest of the plan.
    pub hash: String,
    /// The steps, in words; empty when there is nothing to do.
    pub steps: Vec<String>,
    /// The migrations that the database does not have, in order; empty where only a program knows.
    pub migrations: Vec<MigrationAnswer>,
    /// What a way back from it would look like.
    pub way_back: String,
    /// What it would change, by the API server's own word; empty when there is nothing to do, and on this machine.
    pub changes: Vec<ChangeAnswer>,
    /// What would keep it from being begun.
    pub problems: Vec<ProblemAnswer>,
    /// What may be wrong.
    pub warnings: Vec<ProblemAnswer>,
    /// What the rules find in the manifests, with the places.
    pub findings: Vec<String>,
}

/// Something that is wrong, or may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProblemAnswer {
    /// Stable code.
    pub code: String,
    /// One sentence.
    pub sentence: String,
    /// What could mend it.
    pub hint: Option<String>,
}

/// A migration that the database does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MigrationAnswer {
    /// Its number.
    pub version: i64,
    /// What it is called.
    pub description: String,
    /// `expand`, before the release starts, or `contract`, after it has taken over.
    pub phase: Phase,
}

impl From<(Named, Phase)> for MigrationAnswer {
    fn from((named, phase): (Named, Phase)) -> Self {
        Self { version: named.version, description: named.description, phase }
    }
}

impl From<Unstarted> for ProblemAnswer {
    fn from(error: Unstarted) -> Self {
        Self { code: error.code.to_owned(), sentence: error.sentence, hint: error.hint }
    }
}

impl From<TargetError> for ProblemAnswer {
    fn from(error: TargetError) -> Self {
        Self { code: error.code.to_owned(), sentence: error.sentence, hint: error.hint }
    }
}

impl From<Error> for ProblemAnswer {
    fn from(error: Error) -> Self {
        let hint = (!error.hints.is_empty()).then(|| error.hints.join("; "));
        Self { code: error.code, sentence: error.sentence, hint }
    }
}

impl fmt::Display for ProblemAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}: {}", self.code, lines(&self.sentence))?;
        match &self.hint {
            Some(hint) => writeln!(f, "    help: {}", lines(hint)),
            None => Ok(()),
        }
    }
}

/// Some sentences have lines of their own, which are not to be lost.
fn lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n  ")
}

impl fmt::Display for PlanAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before =
            self.previous_version.as_ref().map_or("first deploy".to_owned(), |v| format!("in place of {v}"));
        writeln!(f, "{} {} to {} by {}, {before}", self.app, self.version, self.environment, self.strategy)?;
        self.image.iter().try_for_each(|image| writeln!(f, "image {}", printable(image)))?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {:>2}. {step}", index + 1)?;
        }
        if !self.migrations.is_empty() {
            writeln!(f, "pending migrations:")?;
            for MigrationAnswer { version, description, phase } in &self.migrations {
                writeln!(f, "  {version} {} ({phase})", printable(description))?;
            }
        }
        writeln!(f, "{}", self.way_back)?;
        if !self.changes.is_empty() {
            writeln!(f, "changes in the cluster:")?;
            self.changes.iter().try_for_each(|change| write!(f, "{change}"))?;
        }
        for (title, told) in
            [("it would not be begun:", &self.problems), ("it may go wrong:", &self.warnings)]
        {
            if !told.is_empty() {
                writeln!(f, "{title}")?;
                told.iter().try_for_each(|one| write!(f, "{one}"))?;
            }
        }
        writeln!(f, "plan {}", self.hash)
    }
}
