//! SARIF 2.1.0 as far as it is looked at. Scanners leave out or set to null what they do not know: all but the frame may be missing.
//! Keys that are not looked at are passed over; a value of the wrong kind is an error.

use serde::Deserialize;
use serde_json::Value;

/// The frame (§3.13).
#[derive(Debug, Deserialize)]
pub(super) struct Log {
    pub(super) version: Option<String>,
    pub(super) runs: Option<Vec<Run>>,
}

/// One run of one tool (§3.14).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    pub(super) tool: Tool,
    /// Without it the tool did not look for anything (§3.14.23).
    pub(super) results: Option<Vec<Outcome>>,
    pub(super) invocations: Option<Vec<Invocation>>,
    pub(super) artifacts: Option<Vec<Artifact>>,
    pub(super) external_property_file_references: Option<External>,
}

/// §3.18.
#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    pub(super) driver: Component,
    pub(super) extensions: Option<Vec<Component>>,
}

/// §3.19.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Component {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) semantic_version: Option<String>,
    pub(super) rules: Option<Vec<Rule>>,
}

/// §3.49.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) id: Option<String>,
    pub(super) short_description: Option<Text>,
    pub(super) message_strings: Option<std::collections::HashMap<String, Text>>,
    pub(super) help_uri: Option<String>,
    pub(super) default_configuration: Option<Configuration>,
    pub(super) properties: Option<Value>,
}

/// §3.50.
#[derive(Debug, Deserialize)]
pub(super) struct Configuration {
    pub(super) level: Option<String>,
    pub(super) rank: Option<f64>,
}

/// §3.12.
#[derive(Debug, Deserialize)]
pub(super) struct Text {
    pub(super) text: Option<String>,
}

/// §3.27.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    pub(super) rule_id: Option<String>,
    pub(super) rule_index: Option<i64>,
    pub(super) rule: Option<RuleReference>,
    pub(super) kind: Option<String>,
    pub(super) level: Option<String>,
    pub(super) rank: Option<f64>,
    pub(super) message: Option<Message>,
    pub(super) locations: Option<Vec<Location>>,
    pub(super) suppressions: Option<Vec<Suppression>>,
    pub(super) baseline_state: Option<String>,
    pub(super) properties: Option<Value>,
}

/// §3.52.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleReference {
    pub(super) id: Option<String>,
    pub(super) index: Option<i64>,
    pub(super) tool_component: Option<ComponentReference>,
}

/// §3.54.
#[derive(Debug, Deserialize)]
pub(super) struct ComponentReference {
    pub(super) name: Option<String>,
    pub(super) index: Option<i64>,
}

/// §3.11.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) text: Option<String>,
    pub(super) markdown: Option<String>,
    pub(super) id: Option<String>,
    pub(super) arguments: Option<Vec<String>>,
}

/// §3.28.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location {
    pub(super) physical_location: Option<Physical>,
    pub(super) logical_locations: Option<Vec<Logical>>,
}

/// §3.29.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Physical {
    pub(super) artifact_location: Option<ArtifactLocation>,
    pub(super) region: Option<Region>,
}

/// §3.4.
#[derive(Debug, Deserialize)]
pub(super) struct ArtifactLocation {
    pub(super) uri: Option<String>,
    pub(super) index: Option<i64>,
}

/// §3.24.
#[derive(Debug, Deserialize)]
pub(super) struct Artifact {
    pub(super) location: Option<ArtifactLocation>,
}

/// §3.30.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Region {
    pub(super) start_line: Option<i64>,
}

/// §3.33.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Logical {
    pub(super) name: Option<String>,
    pub(super) fully_qualified_name: Option<String>,
    pub(super) kind: Option<String>,
}

/// §3.35.
#[derive(Debug, Deserialize)]
pub(super) struct Suppression {
    pub(super) status: Option<String>,
}

/// §3.20.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invocation {
    pub(super) execution_successful: Option<bool>,
    pub(super) rule_configuration_overrides: Option<Vec<Override>>,
}

/// §3.51.
#[derive(Debug, Deserialize)]
pub(super) struct Override {
    pub(super) descriptor: Option<RuleReference>,
    pub(super) configuration: Option<Configuration>,
}

/// §3.15.2: parts of a run that lie in files of their own.
#[derive(Debug, Deserialize)]
pub(super) struct External {
    pub(super) results: Option<Vec<Value>>,
}
