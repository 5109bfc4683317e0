//! What BuildKit tells of a build under way, a JSON object a line (`--progress=rawjson`): its `SolveStatus`
//! (<https://github.com/moby/buildkit/blob/master/client/graph.go>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// What is new.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// Steps.
    #[serde(deserialize_with = "some")]
    pub(super) vertexes: Vec<Vertex>,
    /// What steps wrote.
    #[serde(deserialize_with = "some")]
    pub(super) logs: Vec<Log>,
    /// What the Dockerfile's linter has found.
    #[serde(deserialize_with = "some")]
    pub(super) warnings: Vec<Warning>,
}

/// One step.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Vertex {
    pub(super) digest: String,
    pub(super) name: String,
    pub(super) started: Option<Timestamp>,
    pub(super) completed: Option<Timestamp>,
    pub(super) cached: bool,
    pub(super) error: String,
}

/// A piece of what a step wrote.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Log {
    pub(super) vertex: String,
    #[serde(deserialize_with = "text")]
    pub(super) data: String,
}

/// A finding.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Warning {
    #[serde(deserialize_with = "text")]
    pub(super) short: String,
    pub(super) url: String,
    #[serde(deserialize_with = "some")]
    pub(super) range: Vec<Range>,
}

/// Where it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Range {
    pub(super) start: Position,
}

/// A place in a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Position {
    pub(super) line: u64,
}

impl Status {
    /// Reads a line; none when it is something else.
    #[must_use]
    pub(crate) fn read(line: &str) -> Option<Self> {
        line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten()
    }
}

/// Go writes an empty list as null.
fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Go writes bytes in base64.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = Option::<String>::deserialize(from)?.unwrap_or_default();
    let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
