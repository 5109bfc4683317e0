//! What may deploy to an environment, and when nothing may, as it is written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::many::{Kind, OneOrMany};
use super::preview::Pulls;

/// Which events deploy by themselves, and what a person may deploy by hand.
#[derive(Debug)]
pub(in crate::settings) enum On {
    /// The name `dispatch` alone: by hand only.
    Dispatch,
    /// The name `pull_request` alone: any of them.
    PullRequest,
    /// By event.
    Events(Events),
}

/// Which events deploy by themselves.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "`dispatch`, or a mapping such as `{ push: develop }`"
)]
#[schemars(rename = "On")]
pub(in crate::settings) struct Events {
    /// A push to a branch whose name fits one of these patterns.
    pub(in crate::settings) push: Option<Patterns>,
    /// A push of a tag whose name fits one of these patterns.
    pub(in crate::settings) tag: Option<Patterns>,
    /// By hand (a dispatch, a comment) also from what fits no pattern.
    #[schemars(extend("default" = false))]
    pub(in crate::settings) dispatch: Option<bool>,
    /// Pull requests, each of which has a preview of its own. Only for the environment `preview`.
    #[serde(rename = "pull_request")]
    pub(in crate::settings) pull_request: Option<Pulls>,
}

impl<'de> Deserialize<'de> for On {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrEvents;

        impl<'de> Visitor<'de> for NameOrEvents {
            type Value = On;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`dispatch`, or a mapping such as `{ push: develop }`")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<On, E> {
                match name {
                    "dispatch" => Ok(On::Dispatch),
                    "pull_request" => Ok(On::PullRequest),
                    "push" | "tag" => Err(E::custom(format!(
                        "`{name}` does not say which\nwrite `on: {{ {name}: PATTERN }}`"
                    ))),
                    other => Err(E::unknown_variant(other, &["dispatch", "pull_request", "push", "tag"])),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<On, A::Error> {
                Events::deserialize(MapAccessDeserializer::new(map)).map(On::Events)
            }
        }

        deserializer.deserialize_any(NameOrEvents)
    }
}

impl JsonSchema for On {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "events or by hand".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let events = generator.subschema_for::<Events>();
        json_schema!({ "anyOf": [{ "enum": ["dispatch", "pull_request"] }, events] })
    }
}

/// Patterns for names.
#[derive(Debug, Clone)]
pub(in crate::settings) struct OfPatterns;

impl Kind for OfPatterns {
    const EXPECTED: &'static str = "a pattern for names, such as `main` or `v*`, or a list of patterns";
    const NAME: &'static str = "patterns";
}

/// A pattern for names of branches or tags, or a list of patterns, of which the last one that fits decides.
pub(in crate::settings) type Patterns = OneOrMany<OfPatterns>;

/// A time in which nothing new is deployed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with `from`, `to` and `reason`"
)]
pub(in crate::settings) struct Freeze {
    /// When it begins: `2026-12-24T18:00:00+01:00`, or a day, which begins at midnight UTC.
    #[schemars(required)]
    pub(in crate::settings) from: Option<String>,
    /// When it ends, written in the same way.
    #[schemars(required)]
    pub(in crate::settings) to: Option<String>,
    /// Why; whoever is refused reads it.
    #[schemars(required, length(min = 1))]
    pub(in crate::settings) reason: Option<String>,
}
