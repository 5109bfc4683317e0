//! Strategies: not engines, but compilers from settings to a list of steps.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::Condition;
use super::step::{Check, Comparison};
use super::{Migration, Phase, Step, Weight};

mod blue_green;
mod canary;
mod first;
mod recreate;
mod rolling;

pub use blue_green::BlueGreen;
pub use canary::{Canary, Stage};
pub use recreate::Recreate;
pub use rolling::Rolling;

/// The strategies by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyName {
    /// Batch by batch.
    Rolling,
    /// A whole new set, then all traffic at once.
    BlueGreen,
    /// Weight by weight, each judged by evidence.
    Canary,
    /// The old one ends before the new one starts.
    Recreate,
}

impl StrategyName {
    /// All of them, in the order in which help texts list them.
    pub const ALL: [Self; 4] = [Self::Rolling, Self::BlueGreen, Self::Canary, Self::Recreate];

    /// The name in configuration files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::BlueGreen => "blue-green",
            Self::Canary => "canary",
            Self::Recreate => "recreate",
        }
    }
}

impl fmt::Display for StrategyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is of no strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no strategy `{0}`; there are rolling, blue-green, canary and recreate")]
pub struct UnknownStrategy(pub String);

impl FromStr for StrategyName {
    type Err = UnknownStrategy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| UnknownStrategy(text.to_owned()))
    }
}

/// A strategy with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    /// See [`Rolling`].
    Rolling(Rolling),
    /// See [`BlueGreen`].
    BlueGreen(BlueGreen),
    /// See [`Canary`].
    Canary(Canary),
    /// See [`Recreate`].
    Recreate(Recreate),
}

/// What every strategy needs to know to compile.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// How many instances carry all of the traffic; at least one.
    pub instances: u32,
    /// What must hold after the deploy at the public address; may be empty.
    pub verify: Vec<Condition>,
    /// How long the old set is kept for an instant way back.
    pub keep: Duration,
}

impl Strategy {
    /// The strategy of that name with its default settings.
    #[must_use]
    pub fn by_name(name: StrategyName) -> Self {
        match name {
            StrategyName::Rolling => Self::Rolling(Rolling::default()),
            StrategyName::BlueGreen => Self::BlueGreen(BlueGreen::default()),
            StrategyName::Canary => Self::Canary(Canary::default()),
            StrategyName::Recreate => Self::Recreate(Recreate::default()),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> StrategyName {
        match self {
            Self::Rolling(_) => StrategyName::Rolling,
            Self::BlueGreen(_) => StrategyName::BlueGreen,
            Self::Canary(_) => StrategyName::Canary,
            Self::Recreate(_) => StrategyName::Recreate,
        }
    }

    /// What it compares, if it compares.
    #[must_use]
    pub const fn comparison(&self) -> Option<&Comparison> {
        match self {
            Self::Canary(canary) => canary.comparison.as_ref(),
            Self::BlueGreen(blue_green) => blue_green.comparison.as_ref(),
            Self::Rolling(_) | Self::Recreate(_) => None,
        }
    }

    /// What must hold of the candidate before traffic moves.
    #[must_use]
    pub fn before(&self) -> &[Condition] {
        match self {
            Self::Canary(canary) => &canary.before,
            Self::BlueGreen(blue_green) => &blue_green.before,
            Self::Rolling(_) | Self::Recreate(_) => &[],
        }
    }

    /// What must hold while both releases have traffic.
    #[must_use]
    pub fn gates(&self) -> &[Condition] {
        match self {
            Self::Canary(canary) => &canary.gates,
            Self::BlueGreen(_) | Self::Rolling(_) | Self::Recreate(_) => &[],
        }
    }

    /// The steps for a candidate that replaces a stable release.
    #[must_use]
    pub fn compile(&self, setting: &Setting) -> Vec<Step> {
        match self {
            Self::Rolling(rolling) => rolling.compile(setting),
            Self::BlueGreen(blue_green) => blue_green.compile(setting),
            Self::Canary(canary) => canary.compile(setting),
            Self::Recreate(recreate) => recreate.compile(setting),
        }
    }
}

/// The steps of an environment's first deploy: there is nothing to compare with.
#[must_use]
pub fn first(setting: &Setting) -> Vec<Step> {
    first::compile(setting)
}

/// The steps for a release that still runs within its rollback window: at once, without analysis.
#[must_use]
pub fn at_once(setting: &Setting) -> Vec<Step> {
    first::again(setting)
}

/// The steps of a target that replaces the instances of the stable release by itself: it has as many of the candidate's, then
/// none of stable's.
#[must_use]
pub fn in_place(setting: &Setting, stable: bool) -> Vec<Step> {
    first::in_place(setting, stable)
}

/// The steps with the release's migrations around them: what adds before anything of it starts, what takes away after the last
/// older release has gone, or is only kept.
#[must_use]
pub fn migrating(steps: Vec<Step>, migration: &Migration, phases: &[Phase]) -> Vec<Step> {
    let step = |phase: Phase| {
        phases.contains(&phase).then(|| Step::Migrate { phase, migration: Box::new(migration.clone()) })
    };
    step(Phase::Expand).into_iter().chain(steps).chain(step(Phase::Contract)).collect()
}

/// What is verified at the public address.
fn verify(setting: &Setting) -> Vec<Step> {
    demand(&setting.verify, false)
}

/// The steps for conditions, in their order: requests that follow each other are one step.
fn demand(conditions: &[Condition], direct: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for condition in conditions {
        match (condition, steps.last_mut()) {
            (Condition::Gate(gate), _) => steps.push(Step::Gate { direct, gate: gate.clone() }),
            (Condition::Check(check), Some(Step::Verify { checks, .. })) => checks.push(Check::clone(check)),
            (Condition::Check(check), _) => {
                steps.push(Step::Verify { direct, checks: vec![Check::clone(check)] });
            }
        }
    }
    steps
}

/// A shift of this weight to the candidate.
const fn shift(weight: Weight) -> Step {
    Step::Shift { split: super::Split::candidate(weight) }
}
