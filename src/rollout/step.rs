//! The steps that strategies compile to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gate::{Filling, Gate};
use super::{Migration, Phase, Split, millis};

/// Which of the two releases of a rollout is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The release that was good before this rollout.
    Stable,
    /// The release that is being rolled out.
    Candidate,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => "stable",
            Self::Candidate => "candidate",
        })
    }
}

/// One step of a plan. Each names the state that holds when it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// The release's migrations of this phase are in the database.
    Migrate {
        /// Which of them.
        phase: Phase,
        /// How they are run.
        migration: Box<Migration>,
    },
    /// At least `instances` instances of `role` are ready.
    Provision {
        /// Whose.
        role: Role,
        /// How many.
        instances: u32,
    },
    /// The data plane divides requests so.
    Shift {
        /// The division.
        split: Split,
    },
    /// The comparison of candidate against stable passed.
    Analyze {
        /// What is compared and how strictly.
        comparison: Comparison,
        /// Never ends with a pass before this time is over.
        #[serde(with = "millis")]
        at_least: Duration,
        /// Ends at this time at the latest.
        #[serde(with = "millis")]
        at_most: Duration,
    },
    /// Time passed, or, with no time given, a person said to go on.
    Pause {
        /// How long; `None` waits for a person.
        #[serde(with = "millis::option")]
        lasting: Option<Duration>,
    },
    /// The declared requests got the expected answers.
    Verify {
        /// Against the candidate directly (before traffic moves), or against the public address (after).
        direct: bool,
        /// The requests.
        checks: Vec<Check>,
    },
    /// The gate passed.
    Gate {
        /// Asked about the candidate directly (before traffic moves), or about the public address (after).
        direct: bool,
        /// The gate.
        gate: Box<Gate>,
    },
    /// The candidate is recorded as the environment's good release. From here on nothing is taken back by itself.
    Promote,
    /// At most `instances` instances of `role` are left, the others drained first.
    Retire {
        /// Whose.
        role: Role,
        /// How many are left.
        instances: u32,
        /// How long the set is kept as it is for an instant way back; zero takes it away now. Only with `instances` 0.
        #[serde(with = "millis")]
        after: Duration,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Migrate { phase, .. } => write!(f, "migrate the database ({phase})"),
            Self::Provision { role, instances } => write!(f, "provision {role} to {instances}"),
            Self::Shift { split } if *split == Split::HELD => f.write_str("hold requests"),
            Self::Shift { split } => write!(f, "shift {} to candidate", split.candidate),
            Self::Analyze { at_most, .. } => write!(f, "analyze for at most {at_most:?}"),
            Self::Pause { lasting: Some(time) } => write!(f, "pause for {time:?}"),
            Self::Pause { lasting: None } => f.write_str("pause until a person goes on"),
            Self::Verify { direct: true, checks } => write!(f, "verify candidate ({})", counted(checks)),
            Self::Verify { direct: false, checks } => write!(f, "verify ({})", counted(checks)),
            Self::Gate { gate, .. } if gate.advisory => write!(f, "ask {gate} (advisory)"),
            Self::Gate { gate, .. } => write!(f, "ask {gate}"),
            Self::Promote => f.write_str("promote"),
            Self::Retire { role, instances: 0, after } if after.is_zero() => write!(f, "retire {role}"),
            Self::Retire { role, instances: 0, after } => write!(f, "retire {role} after {after:?}"),
            Self::Retire { role, instances, .. } => write!(f, "retire {role} to {instances}"),
        }
    }
}

fn counted(checks: &[Check]) -> String {
    match checks.len() {
        1 => "1 check".to_owned(),
        n => format!("{n} checks"),
    }
}

/// What is compared between candidate and concurrent stable, and how strictly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The candidate passes once it is shown that its share of errors exceeds the stable one by less than this (0.01 is one
    /// percentage point).
    pub error_margin: f64,
    /// Requests over this latency count as slow; `None` leaves latency out.
    #[serde(with = "millis::option")]
    pub slower_than: Option<Duration>,
    /// As `error_margin`, for the share of slow requests.
    pub slow_margin: f64,
    /// The probability, over a whole rollout, that a candidate which is as good as the stable release is stopped.
    pub alpha: f64,
    /// No verdict other than a failure before the candidate answered this many requests.
    pub min_requests: u64,
    /// What an unsettled comparison means when its time is over.
    pub inconclusive: Unsettled,
    /// Requests that Tidegate itself sends meanwhile, where too few visitors come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
}

/// Requests that are sent to the public address, as visitors would.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Requests a second; above zero.
    pub rate: f64,
    /// What is asked, one after the other, again and again; at least one.
    pub requests: Vec<Sent>,
    /// How many may wait for their answers at a time; those that would be more are not sent.
    pub concurrency: u32,
    /// How many are sent at each weight, at most.
    pub total: u64,
}

/// One request of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// HTTP method.
    pub method: String,
    /// Path and query, beginning with a slash.
    pub path: String,
    /// Its body, and what kind of text that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<(String, String)>,
    /// The status that its answer must have; without it, any below 500 will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// What to do when evidence does not settle it in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unsettled {
    /// Stay where it is and wait for a person.
    #[default]
    Hold,
    /// Go on.
    Pass,
    /// Go back.
    Fail,
}

/// A text, as it is or as a variable holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    /// This text.
    Literal(String),
    /// What the environment variable of this name holds in the process that sends it. Never stored.
    Variable(String),
}

/// A request with the answer that is expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// HTTP method.
    pub method: String,
    /// Path and query, beginning with a slash.
    pub path: String,
    /// Expected status.
    pub status: u16,
    /// JSON that the answer's body must contain: every key given here with this value, at any depth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<serde_json::Value>,
    /// Text that the answer's body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Headers that the answer must have, by their names in small letters; `*` in a value stands for any text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The certificate of the address must be valid for at least this time to come. Only where there is TLS.
    #[serde(default, with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Duration>,
    /// Headers that are sent, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub send: BTreeMap<String, Text>,
    /// The body that is sent, and what kind of text that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<(String, String)>,
    /// The answer must be whole within this time.
    #[serde(with = "millis")]
    pub within: Duration,
}

impl Check {
    /// The check with what its texts have places for, such as `{{version}}`.
    #[must_use]
    pub fn filled(&self, filling: &Filling) -> Self {
        let text = |text: &String| filling.text(text);
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let body = self.body.as_ref().map(|(kind, body)| (kind.clone(), text(body)));
        let json = self.json.clone().map(|json| filled(json, filling));
        let (path, contains) = (text(&self.path), self.contains.as_ref().map(text));
        Self { path, json, contains, headers, body, ..self.clone() }
    }

    /// A GET of that path, answered by 200 within that time.
    #[must_use]
    pub fn get(path: &str, within: Duration) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            status: 200,
            json: None,
            contains: None,
            headers: BTreeMap::new(),
            certificate: None,
            send: BTreeMap::new(),
            body: None,
            within,
        }
    }
}

fn filled(json: serde_json::Value, filling: &Filling) -> serde_json::Value {
    use serde_json::Value;
    match json {
        Value::String(text) => Value::String(filling.text(&text)),
        Value::Array(all) => all.into_iter().map(|one| filled(one, filling)).collect(),
        Value::Object(all) => all.into_iter().map(|(key, one)| (key, filled(one, filling))).collect(),
        other => other,
    }
}
