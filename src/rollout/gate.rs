//! Gates beside the comparison: programs, Jobs, webhooks, approvals and metrics that are asked before a rollout goes on.

mod metric;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use metric::{Metric, Source};

use super::Release;
use super::millis;
use super::step::{Check, Load, Unsettled};

/// What must hold before a rollout goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A request gets the expected answer.
    Check(Box<Check>),
    /// A gate passes.
    Gate(Box<Gate>),
}

impl Condition {
    /// Whether it is to know where the app is.
    #[must_use]
    pub fn needs_address(&self) -> bool {
        self.sends() || matches!(self, Self::Gate(gate) if matches!(gate.probe, Probe::Command { .. }))
    }

    /// Whether Tidegate itself sends requests to the app for it.
    #[must_use]
    pub fn sends(&self) -> bool {
        match self {
            Self::Check(_) => true,
            Self::Gate(gate) => matches!(gate.probe, Probe::Load { .. }),
        }
    }
}

impl From<Check> for Condition {
    fn from(check: Check) -> Self {
        Self::Check(Box::new(check))
    }
}

/// A gate: what is asked, for how long, and what follows where that settles nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// What people call it; without it, it is told what is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is asked.
    pub probe: Probe,
    /// Between two questions.
    #[serde(with = "millis")]
    pub every: Duration,
    /// It is asked for this long at most, the last answer included.
    #[serde(with = "millis")]
    pub at_most: Duration,
    /// What follows where nothing is settled by then. Silence is never a pass.
    pub inconclusive: Unsettled,
    /// Its answer is told, and stops nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub advisory: bool,
}

impl Gate {
    /// The gate with what its texts have places for.
    #[must_use]
    pub fn filled(&self, filling: &Filling) -> Self {
        let probe = match &self.probe {
            // A place that nothing fills stays as it is: the file is there for nobody.
            Probe::Approval { file } if filling.unknown(file).is_none() => {
                Probe::Approval { file: filling.single(file) }
            }
            Probe::Metric(metric) => {
                Probe::Metric(Metric { source: metric.source.filled(filling), ..metric.clone() })
            }
            other => other.clone(),
        };
        Self { probe, ..self.clone() }
    }

    /// The variables whose values are secrets.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let named: Vec<&str> = match &self.probe {
            Probe::Command { .. } | Probe::Job { .. } | Probe::Approval { .. } | Probe::Load { .. } => {
                Vec::new()
            }
            Probe::Webhook { url, secret } => {
                [Some(url.as_str()), secret.as_deref()].into_iter().flatten().collect()
            }
            Probe::Metric(metric) => metric.source.variables(),
        };
        named.into_iter()
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => self.probe.fmt(f),
        }
    }
}

/// What a gate asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A program on the machine that deploys: it passes with 0, is asked again with 75 (`EX_TEMPFAIL` of sysexits.h), and fails with
    /// any other code.
    Command {
        /// Program and arguments; at least the program.
        command: Vec<String>,
    },
    /// A Job of the cluster, with the image of the release.
    Job {
        /// What its container runs; at least one word.
        command: Vec<String>,
        /// The workload that lends the container; `None` where there is one only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workload: Option<String>,
    },
    /// Somebody else's service, which answers in JSON with a verdict.
    Webhook {
        /// The variable with its address.
        url: String,
        /// The variable with what both sides know; questions are signed with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<String>,
    },
    /// A file in which somebody approves or rejects.
    Approval {
        /// Its path, with places such as `{version}`.
        file: String,
    },
    /// A number that must lie within bounds.
    Metric(Metric),
    /// Requests that Tidegate sends, and what they must come to.
    Load {
        /// What is sent.
        load: Load,
        /// What it must come to.
        objectives: Objectives,
    },
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { command } => write!(f, "`{}`", command.join(" ")),
            Self::Job { command, .. } => write!(f, "Job `{}`", command.join(" ")),
            Self::Webhook { url, .. } => write!(f, "webhook ${url}"),
            Self::Approval { file } => write!(f, "approval {file}"),
            Self::Metric(metric) => write!(f, "metric {}", metric.source),
            Self::Load { load, .. } => write!(f, "load of {} requests a second", load.rate),
        }
    }
}

/// What the requests of a load must come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Objectives {
    /// The largest share that may fail, from 0 to 1.
    pub errors: f64,
    /// Half of the answers come within this time.
    #[serde(with = "millis")]
    pub p50: Duration,
    /// 95 of 100.
    #[serde(with = "millis")]
    pub p95: Duration,
    /// 99 of 100.
    #[serde(with = "millis")]
    pub p99: Duration,
}

impl Default for Objectives {
    fn default() -> Self {
        let [p50, p95, p99] = [100, 500, 1000].map(Duration::from_millis);
        Self { errors: 0.001, p50, p95, p99 }
    }
}

/// What a load came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Measured {
    /// Requests that were sent, and are answered or given up.
    pub sent: u64,
    /// Of those, failed: without a whole answer, or with another status than expected.
    pub failed: u64,
    /// Requests that were due and not sent, as too many waited for their answers.
    pub held: u64,
    /// How long the whole answers took, the shortest first.
    pub took: Vec<Duration>,
    /// What the first failed one failed of.
    pub first: Option<String>,
}

impl Measured {
    /// Within this time came so much (0.95: 95 of 100) of the whole answers, by the nearest rank; nothing where none came.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = (self.took.len() as f64 * share).ceil() as usize;
        self.took.get(rank.saturating_sub(1)).copied()
    }
}

/// The places in texts of gates.
pub const PLACES: [&str; 5] = ["app", "environment", "version", "commit", "rollout"];

/// What stands in the places of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filling([(&'static str, String); 5]);

impl Filling {
    /// For that release's rollout in that environment.
    #[must_use]
    pub fn of(release: &Release, environment: &str, rollout: &str) -> Self {
        let commit = release.commit.clone().unwrap_or_default();
        let values = [
            release.app.clone(),
            environment.to_owned(),
            release.version.clone(),
            commit,
            rollout.to_owned(),
        ];
        let mut values = values.into_iter();
        Self(PLACES.map(|name| (name, values.next().unwrap_or_default())))
    }

    /// The place in a file's name with `{name}` for which nothing is known, or what would lead to another file.
    #[must_use]
    pub fn unknown(&self, text: &str) -> Option<&'static str> {
        let leads_away = |value: &str| value.split('/').any(|part| ["", ".", ".."].contains(&part));
        let is_wrong =
            |(name, value): &&(&str, String)| leads_away(value) && text.contains(&format!("{{{name}}}"));
        self.0.iter().find(is_wrong).map(|(name, _)| *name)
    }

    /// The text with `{name}` replaced.
    #[must_use]
    pub fn single(&self, text: &str) -> String {
        self.replaced(text, ("{", "}"), str::to_owned)
    }

    /// The text with `{{name}}` replaced.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.replaced(text, ("{{", "}}"), str::to_owned)
    }

    /// The query with `{{name}}` replaced, and what would end a text in a query taken from the values.
    #[must_use]
    pub fn double(&self, text: &str) -> String {
        self.replaced(text, ("{{", "}}"), |value| value.replace('\\', "\\\\").replace('"', "\\\""))
    }

    fn replaced(&self, text: &str, (open, close): (&str, &str), value: impl Fn(&str) -> String) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, found)| {
            text.replace(&format!("{open}{name}{close}"), &value(found))
        })
    }

    /// The values by name.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The values as environment variables of a program.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        self.0
            .iter()
            .map(|(name, value)| (format!("TIDEGATE_{}", name.to_uppercase()), value.clone()))
            .collect()
    }
}

/// What came of one question.
#[derive(Debug, Clone, PartialEq)]
pub enum Sample {
    /// A program or Job ended by itself.
    Ended {
        /// Its exit code, where it has one.
        code: Option<i32>,
        /// How, in words.
        how: String,
        /// The last lines that it wrote.
        log_tail: Vec<String>,
    },
    /// A webhook's whole answer.
    Said {
        /// Its status.
        status: u16,
        /// Its body.
        body: Vec<u8>,
    },
    /// What stands in an approval; `None` where there is none.
    Approval(Option<String>),
    /// A number of this moment.
    Number(f64),
    /// A number of another moment: the newest that there is.
    Dated {
        /// The number.
        value: f64,
        /// Its moment, in milliseconds since 1970.
        at: i64,
    },
    /// Numbers of a while, each with its moment in milliseconds since 1970, in their order.
    Points(Vec<(i64, f64)>),
    /// What a load came to.
    Measured(Measured),
    /// Nothing.
    Silent {
        /// Why.
        why: String,
        /// Asking again cannot help.
        lasting: bool,
    },
}
